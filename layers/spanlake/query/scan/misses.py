"""Remembers blocks in which no span meets a test, so that a search asked again reads only blocks that are new to it."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from spanlake.store.blocks.block import Block

_MOST_BLOCKS = 100_000  # of a test: 10 MB


def _key(block: Block) -> tuple[str, frozenset[bytes]]:
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
            return [block for block in blocks if _key(block) not in known] if known else list(blocks)

    def add(self, blocks: Iterable[Block], test: str) -> None:
        """Note blocks of which no span meets the test."""
        with self._lock:
            known = self._blocks.setdefault(test, set())
            self._blocks.move_to_end(test)
            if len(known) < _MOST_BLOCKS:
                known.update(map(_key, blocks))
            while len(self._blocks) > self.most_tests:
                self._blocks.popitem(last=False)
