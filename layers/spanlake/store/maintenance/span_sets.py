"""Tells by their spans which blocks are copies of others."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int64
from spanlake.store.blocks.block import Block
from spanlake.store.blocks.bloom import hashed, may_contain_any
from spanlake.store.blocks.entry import BlockFacts, open_block
from spanlake.store.objects.base import Objects

_KEY = ("trace_id", "span_id", "parent_span_id", "start_time_unix_nano", "duration_nano", "name", "resource_id")
_MOST_BYTES = 512 << 20  # of spans' keys at hand
_SAMPLE = 8  # trace ids


class SpanSets:
    """Tells whether all spans of a block stand in others; spans of deleted traces do not count."""

    def __init__(self, objects: Objects, hidden: Mapping[str, frozenset[bytes]]) -> None:
        self._objects = objects
        self._hidden = hidden
        self._keys: OrderedDict[str, Array] = OrderedDict()  # the last one was needed last
        self._size = 0

    def stands_in(self, candidate: Block, others: Sequence[Block], sample: Sequence[bytes]) -> bool:
        """True where all spans of a block stand in the others; the sample are ids of traces that it shows."""
        near = [one for one in others if one.start_ns <= candidate.end_ns and one.end_ns >= candidate.start_ns]
        ids = [hashed([trace_id]) for trace_id in sample[:_SAMPLE]]
        if not all(any(may_contain_any(one.trace_filter, id_) for one in near) for id_ in ids):
            return False
        left = self._of(candidate)
        for other in near:
            if len(left) and (not ids or any(may_contain_any(other.trace_filter, id_) for id_ in ids)):
                left = left.filter(pc.invert(pc.is_in(left, value_set=self._of(other))))
        return not len(left)

    def _of(self, block: Block) -> Array:
        """Return a key for each span that the block shows."""
        if block.path not in self._keys:
            keys = self._read(block)
            self._keys[block.path] = keys
            self._size += keys.nbytes
            while self._size > _MOST_BYTES and len(self._keys) > 1:
                self._size -= self._keys.popitem(last=False)[1].nbytes
        self._keys.move_to_end(block.path)
        return self._keys[block.path]

    def _read(self, block: Block) -> Array:
        table = open_block(self._objects.get(block.path)).read(columns=list(_KEY))
        hidden = block.hidden | self._hidden.get(block.path, frozenset())
        if hidden:
            trace_ids = table["trace_id"]
            table = table.filter(pc.invert(pc.is_in(trace_ids, value_set=pa.array(sorted(hidden), trace_ids.type))))
        texts = [
            table[name].cast(pa.string()).cast(pa.binary()) if _is_number(table[name]) else table[name] for name in _KEY
        ]
        parts: list[Any] = [*(text.cast(pa.binary()) for text in texts), b"\0"]
        return pc.binary_join_element_wise(*parts, null_handling="replace").combine_chunks()


def with_shared_traces(blocks: Iterable[BlockFacts]) -> set[str]:
    """Paths of the blocks all of whose traces have spans in another one of the blocks as well."""
    blocks = list(blocks)
    if not blocks:
        return set()
    counted = pa.chunked_array([facts.trace_ids for facts in blocks]).value_counts()
    shared = counted.field("values").filter(pc.greater(counted.field("counts"), int64(1)))
    return {facts.block.path for facts in blocks if pc.all(pc.is_in(facts.trace_ids, value_set=shared)).as_py()}


def _is_number(values: Array) -> bool:
    return pa.types.is_integer(values.type)
