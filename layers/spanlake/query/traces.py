"""A trace by its id, put together from all blocks that hold spans of it."""

import pyarrow as pa
from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.source import Source
from spanlake.store import trace_filter


def trace(session: Session, source: Source, trace_id: bytes) -> pa.Table | None:
    """The span table of one trace, each distinct row once, in the order in which spans arrived; None if there is none.

    Raises LimitExceeded when the trace has more spans than one answer may.
    """
    source = source.within(block for block in source.blocks if trace_filter.may_contain(block.trace_filter, trace_id))
    if not source.blocks:
        return None
    limit = session.limits.trace_spans
    is_wanted = exp.EQ(this=exp.column("trace_id"), expression=exp.Placeholder())
    query = source.table(source.columns, arrival=True, where=[is_wanted]).limit(limit + 1)
    found = session.table(query, [source.files, trace_id])
    if found.num_rows > limit:
        raise LimitExceeded(f"the trace has more than {limit} spans, the most that one answer holds")
    return source.named(_distinct(found)) if found.num_rows else None


def _distinct(found: pa.Table) -> pa.Table:
    """Drop repeated rows: a request that was sent twice may have been stored twice."""
    ordered = found.sort_by("arrival").drop_columns(["arrival"])
    seen: set[str] = set()
    keep = []
    for row in ordered.to_pylist():
        identity = repr(row)
        keep.append(identity not in seen)
        seen.add(identity)
    return ordered.filter(pa.array(keep, pa.bool_()))
