"""Traces of which a range's blocks do not have all spans: those that lie in other blocks, too.

Few traces last that long. The filters of the other blocks tell which of them may hold a trace; each filter is wrong for
some traces, so that only so many pairs of a trace and a block are tried: traces without a root in the blocks of the
range, which began elsewhere, before others.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.scan.unread_blocks import affordable
from spanlake.spans.arrow import Array, as_array
from spanlake.store.blocks import bloom
from spanlake.store.days import MAX_NS

REACH_NS = 60 * 1_000_000_000
"""Nanoseconds beyond a range within which spans are read as those in the range are."""

_AT_ONCE = 64
_MOST_PAIRS = 200_000  # of a trace and a block, of which some hundred are false
_IDS, _TIMES = "trace_id", "latest"


@dataclass(frozen=True)
class SpanningTraces:
    """Traces that run in a range and may have spans far beyond it, or in blocks that do not touch it."""

    session: Session
    source: BlockScan
    start_ns: int
    end_ns: int

    def traces(self, since_ns: int | None) -> Iterator[tuple[list[bytes], int | None]]:
        """Yield their ids, some at a time, latest spans first, with the latest start of the traces to come.

        Only traces with a span that starts later than ``since_ns``, if that is given.
        """
        ids, times = self._found(since_ns)
        for at in range(0, len(ids), _AT_ONCE):
            end = at + _AT_ONCE
            yield ids[at:end], times[end] if end < len(times) else None

    def whole(self) -> BlockScan:
        """Return the blocks that touch the range, and of the others the spans of traces that run in it."""
        outside = self._outside
        if not outside.blocks or not self.session.engine.traits.knows_rows:
            return self._near
        return self._near.with_spans_of(outside, self._found(None)[0])

    def _found(self, since_ns: int | None) -> tuple[list[bytes], list[int]]:
        near, outside = self._near, self._outside
        lies_near = near.is_within(self.start_ns - REACH_NS, self.end_ns + REACH_NS)
        if since_ns is not None:  # what ends before has no span that starts later
            near = near.overlapping(since_ns, MAX_NS)
        near = affordable(near, self.session.limits.blocks, self.end_ns)
        if not near.blocks or (not outside.blocks and lies_near):
            return [], []
        self.session.charge(near.blocks)
        most = _MOST_PAIRS // max(len(outside.blocks), 1)
        found = self.session.run(self._query(near, since_ns, most)).combine_chunks()
        there = pc.or_(as_array(found["is_long"]), _in_any(outside, as_array(found[_IDS])))
        found = found.filter(there).sort_by([(_TIMES, "descending")])
        ids, times = (column.to_pylist() for column in found.select([_IDS, _TIMES]).columns)
        return ids, times  # type: ignore[return-value]  # none is NULL

    @property
    def _near(self) -> BlockScan:
        return self.source.overlapping(self.start_ns - REACH_NS, self.end_ns + REACH_NS)

    @property
    def _outside(self) -> BlockScan:
        near = set(self._near.blocks)
        return self.source.only(block for block in self.source.blocks if block not in near)

    def _query(self, near: BlockScan, since_ns: int | None, most: int) -> exp.Select:
        start, parent, duration = (
            exp.column(name) for name in ("start_time_unix_nano", "parent_span_id", "duration_nano")
        )
        first, last = exp.Min(this=start), exp.Max(this=start.copy())
        end = exp.Max(this=start + exp.Greatest(this=duration, expressions=[exp.Literal.number(0)]))
        is_rootless = exp.func("bool_and", values.not_null(parent))
        is_early = first < values.number(self.start_ns - REACH_NS)
        is_long = exp.or_(is_early, last > values.number(self.end_ns + REACH_NS))
        spans = near.table(["trace_id", "start_time_unix_nano", "parent_span_id", "duration_nano"])
        columns = {_TIMES: last, "is_rootless": is_rootless, "is_long": is_long}
        query = exp.select(exp.column(_IDS), *(exp.alias_(sql.copy(), name) for name, sql in columns.items()))
        query = query.from_(spans.subquery("near", copy=False), copy=False).group_by(exp.column(_IDS), copy=False)
        runs = (first.copy() <= values.number(self.end_ns), end >= values.number(self.start_ns))
        query.having(*runs, copy=False)
        if since_ns is not None:
            query.where(start.copy() > values.number(since_ns), copy=False)
        order = [exp.Ordered(this=exp.column(name), desc=True) for name in ("is_long", "is_rootless", _TIMES)]
        return query.order_by(*order, copy=False).limit(most, copy=False)


def _in_any(outside: BlockScan, ids: Array) -> Array:
    """True for each trace that one of the blocks may hold."""
    hashes = bloom.hash_all(ids)
    found: Array = pa.repeat(pa.scalar(False), len(ids))
    for block in outside.blocks:
        found = pc.or_(found, bloom.may_contain_each(block.trace_filter, hashes))
    return found
