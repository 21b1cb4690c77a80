"""Traces by their ids, put together from all blocks that hold spans of them."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.source import Source
from spanlake.store import trace_filter
from spanlake.traceql.relation import ARRIVAL


def trace(session: Session, source: Source, trace_id: bytes) -> pa.Table | None:
    """The span table of one trace, each distinct row once, in the order in which spans arrived; None if there is none.

    Raises LimitExceeded when the trace has more spans than one answer may.
    """
    found = fetch_traces(session, source, source.columns, [trace_id])
    return source.named(_distinct(found)) if found.num_rows else None


def fetch_traces(session: Session, source: Source, columns: Iterable[str], trace_ids: Sequence[bytes]) -> pa.Table:
    """All spans of some traces, with these columns and ``arrival``. Raises LimitExceeded when they are too many."""
    may_hold = [
        block
        for block in source.blocks
        if any(trace_filter.may_contain(block.trace_filter, trace_id) for trace_id in trace_ids)
    ]
    ids = [exp.HexString(this=trace_id.hex().upper()) for trace_id in trace_ids]
    # A filter on the hash is applied while the column is read, before any other column is: that on the id is not.
    # It is by far quicker where the ids are few, and lets nothing through that the exact test would not find.
    hashed = exp.In(this=exp.func("hash", exp.column("trace_id")), expressions=[exp.func("hash", id_) for id_ in ids])
    read = source.within(may_hold)
    if not may_hold:
        return source.empty(columns)
    limit = session.limits.trace_spans
    spans = read.table({*columns, "trace_id"}, arrival=True, where=[hashed])
    query = (
        exp.select(exp.Star())
        .from_(spans.subquery("hashed", copy=False), copy=False)
        .where(exp.In(this=exp.column("trace_id"), expressions=ids), copy=False)
        .limit(limit + 1, copy=False)
    )
    found = session.table(query)
    if found.num_rows > limit:
        raise LimitExceeded(f"the traces have more than {limit} spans, the most that one answer is made of")
    return found


def _distinct(found: pa.Table) -> pa.Table:
    """Drop repeated rows: a request that was sent twice may have been stored twice."""
    ordered = found.sort_by(ARRIVAL).drop_columns([ARRIVAL])
    seen: set[str] = set()
    keep = []
    for row in ordered.to_pylist():
        identity = repr(row)
        keep.append(identity not in seen)
        seen.add(identity)
    return ordered.filter(pa.array(keep, pa.bool_()))
