"""Remembers the distinct values of fields in blocks, and tests that no span of a block meets: blocks do not change."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spanlake.store.blocks.block import Block

_MOST_VALUES = 10_000  # times fields
_MOST_BLOCKS = 100_000  # of a test: 10 MB

Values: TypeAlias = tuple[str | int, ...] | None
"""None of too many."""
_Key: TypeAlias = tuple[str, frozenset[bytes], str]


@dataclass
class KnownValues:
    """Values by block and field. Safe to share between threads."""

    most: int = 256
    """Values of a field in a block that are remembered; of more it is remembered that they are many."""
    _found: "OrderedDict[_Key, Values]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, blocks: Iterable[Block], name: str) -> dict[Block, Values]:
        """Return the values in the blocks of which they are known, or known to be many."""
        with self._lock:
            keys = {block: (block.path, block.hidden, name) for block in blocks}
            found = {block: self._found[key] for block, key in keys.items() if key in self._found}
            for block in found:
                self._found.move_to_end(keys[block])
            return found

    def add(self, values: Mapping[Block, Sequence[str | int]], name: str) -> None:
        """Note the values of a field in some blocks."""
        with self._lock:
            for block, found in values.items():
                kept = tuple(found) if len(found) <= self.most else None
                self._found[block.path, block.hidden, name] = kept
            while len(self._found) > _MOST_VALUES:
                self._found.popitem(last=False)


def _state(block: Block) -> tuple[str, frozenset[bytes]]:
    return block.path, block.hidden


@dataclass
class Misses:
    """The blocks that hold no match, by the test as text. Safe to share between threads."""

    most_tests: int = 256
    _blocks: "OrderedDict[str, set[tuple[str, frozenset[bytes]]]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def without(self, blocks: Sequence[Block], test: str) -> list[Block]:
        """Return the blocks that may hold a span that meets the test."""
        with self._lock:
            known = self._blocks.get(test, ())
            return [block for block in blocks if _state(block) not in known] if known else list(blocks)

    def add(self, blocks: Iterable[Block], test: str) -> None:
        """Note blocks of which no span meets the test."""
        with self._lock:
            known = self._blocks.setdefault(test, set())
            self._blocks.move_to_end(test)
            if len(known) < _MOST_BLOCKS:
                known.update(map(_state, blocks))
            while len(self._blocks) > self.most_tests:
                self._blocks.popitem(last=False)
