"""Remembers which traces blocks hold, so that a trace's blocks are known without reading them.

Ids of small blocks are remembered when several are asked for, those of others once their filters were wrong.
"""

import threading
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int64, where
from spanlake.store.blocks import bloom
from spanlake.store.blocks.block import Block

_ID = pa.binary(16)


@dataclass
class TraceIds:
    """The trace ids of blocks by path. Safe to share between threads."""

    small_spans: int = 1 << 18
    large_spans: int = 1 << 24  # of a block whose filter was wrong so often that its ids are remembered, at most
    often: int = 2
    most_bytes: int = 64 << 20  # four million traces, each counted for every block that holds it
    most_blocks: int = 100_000
    most_answers: int = 32  # to what traces blocks share
    most_filters: int = 256  # of blocks whose ids are not known; each takes a tenth of a millisecond
    _ids: "OrderedDict[str, bytes]" = field(default_factory=OrderedDict)
    _shared: "dict[tuple[tuple[str, ...], tuple[str, ...]], Array]" = field(default_factory=dict)
    _bytes: int = 0
    _wrong: Counter[str] = field(default_factory=Counter)  # filters by path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def holding(self, blocks: Iterable[Block], trace_ids: Array) -> tuple[list[Block], list[Block]]:
        """Return the blocks that hold a span of one of the traces, and those of which it is not known."""
        known, unknown = self._of(blocks)
        places = where(pc.is_in(_joined(known), value_set=trace_ids.cast(_ID)))
        ends = list(accumulate(len(ids) // _ID.byte_width for ids in known.values()))
        numbered = list(known)
        holding = {bisect_right(ends, place) for place in places.to_pylist()}
        return [numbered[number] for number in sorted(holding)], unknown

    def shared(self, blocks: Sequence[Block], others: Sequence[Block]) -> Array | None:
        """Return the traces of which several of the blocks hold spans, or of which others may.

        None where that is not known closely. What was found last is kept.
        """
        key = tuple(block.path for block in blocks), tuple(block.path for block in others)
        if (kept := self._shared.get(key)) is not None:
            return kept
        found = self._found_shared(blocks, others)
        if found is not None:
            with self._lock:
                self._shared[key] = found
                while len(self._shared) > self.most_answers:
                    self._shared.pop(next(iter(self._shared)))
        return found

    def are_told(self, blocks: Iterable[Block]) -> bool:
        """Return True where the blocks whose ids are not known are few enough to ask the filters of all of them."""
        return len(self._of(blocks)[1]) <= self.most_filters

    def _found_shared(self, blocks: Iterable[Block], others: Iterable[Block]) -> Array | None:
        known, unknown = self._of(blocks)
        beside, filters = self._of(others)
        if unknown or len(filters) > self.most_filters:
            return None
        counted = _joined(known).value_counts()
        ids, counts = counted.field("values"), counted.field("counts")
        elsewhere = _joined(beside)
        elsewhere = elsewhere.filter(pc.is_in(elsewhere, value_set=ids))  # of the two, this table is the smaller one
        found = pc.or_(pc.greater(counts, int64(1)), pc.is_in(ids, value_set=elsewhere))
        hashes = bloom.hash_all(ids)
        for block in filters:
            found = pc.or_(found, bloom.may_contain_each(block.trace_filter, hashes))
        return ids.filter(found)

    def note_wrong(self, blocks: Iterable[Block]) -> None:
        """Note blocks that were read for traces which they do not hold, because their filters let these pass."""
        with self._lock:
            if len(self._wrong) > self.most_blocks:
                self._wrong.clear()
            self._wrong.update(block.path for block in blocks)

    def often_wrong(self, blocks: Iterable[Block]) -> list[Block]:
        """Return the blocks whose ids are not known and whose filters were wrong several times."""
        with self._lock:
            return [
                block
                for block in blocks
                if self._wrong[block.path] >= self.often
                and block.spans <= self.large_spans
                and block.path not in self._ids
            ]

    def to_learn(self, blocks: Iterable[Block]) -> list[Block]:
        """Return the small blocks whose ids are not known."""
        with self._lock:
            return [block for block in blocks if block.spans <= self.small_spans and block.path not in self._ids]

    def add(self, blocks: Sequence[Block], found: pa.Table) -> None:
        """Note the trace ids of blocks: ``ids`` in the blocks of these numbers, ``block``, each once; else none."""
        lists = dict(zip(found["block"].to_pylist(), found["ids"].combine_chunks(), strict=True))
        ids = {
            block.path: _bytes_of(lists[number].values) if number in lists else b""
            for number, block in enumerate(blocks)
        }
        with self._lock:
            if ids.keys() & self._ids.keys():
                self._shared.clear()
            for path, of_block in ids.items():
                self._bytes += len(of_block) - len(self._ids.pop(path, b""))
                self._ids[path] = of_block
            while self._bytes > self.most_bytes or len(self._ids) > self.most_blocks:
                self._bytes -= len(self._ids.popitem(last=False)[1])

    def _of(self, blocks: Iterable[Block]) -> tuple[dict[Block, bytes], list[Block]]:
        """Return the ids of the blocks that are known, and the others."""
        known: dict[Block, bytes] = {}
        unknown = []
        with self._lock:
            for block in blocks:
                if (found := self._ids.get(block.path)) is None:
                    unknown.append(block)
                else:
                    known[block] = found
                    self._ids.move_to_end(block.path)
        return known, unknown


def _joined(known: Mapping[Block, bytes]) -> Array:
    every = b"".join(known.values())
    return pa.Array.from_buffers(_ID, len(every) // _ID.byte_width, [None, pa.py_buffer(every)])


def _bytes_of(trace_ids: Array) -> bytes:
    ids = trace_ids.cast(_ID)
    content: bytes = ids.buffers()[1].slice(ids.offset * _ID.byte_width, len(ids) * _ID.byte_width).to_pybytes()
    return content
