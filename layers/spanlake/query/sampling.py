"""The hints ``sample`` and ``span_sample``: metrics of some of the spans, scaled up to all of them, as Tempo does it.

Tempo offers the spans of a block to a sampler one by one, by ascending trace id and within a trace as they arrived. A
fixed share takes every n-th of them. ``sample=true`` adapts: it takes one in ten times the share of what it took that
counted in the end, rounded up, and learns of that with a delay. Source: ``sampler.go`` in Tempo's ``pkg/traceql``.

Only queries whose filter is empty are sampled here. Under a filter the spans that Tempo offers depend on the order in
which it joins columns, which is random. That answer is exact, as are those about whole traces and those about more
spans than memory holds.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.positions import inside
from spanlake.query.source import Source
from spanlake.query.steps import Steps
from spanlake.traceql.fields import Fields
from spanlake.traceql.known import Known
from spanlake.traceql.relation import ARRIVAL
from spanlake.traceql.tree import (
    Attribute,
    AttributeScope,
    Field,
    FieldExpression,
    IntrinsicField,
    MetricsAggregate,
    MetricsOperation,
    Query,
    Static,
    Type,
)
from spanlake.traceql.walk import walk

SAMPLED = "sampled"
"""The table of the sampled spans: the column ``arrival`` alone."""

_START = "start_time_unix_nano"
_SPAN_BYTES = 64  # what sorting a span takes, outside of DuckDB's own limit
_SPARSEST = 10  # sample=true never leaves out more than nine of ten


@dataclass(frozen=True)
class Sampler:
    """Takes every ``interval``-th span, or adapts if that is None; ``delay`` is how many spans later it learns of one
    that it counts."""

    interval: int | None
    delay: int

    def taken(self, count: int, counts: Sequence[int] | None) -> Sequence[int]:
        """The numbers of the spans that are taken of so many; ``counts`` is 0 for one that does not count, None if
        all do."""
        if self.interval is not None:
            return range(0, count, self.interval)
        return self._adapted(count, counts)

    def _adapted(self, count: int, counts: Sequence[int] | None) -> Sequence[int]:
        taken = array("q")
        at, counted, interval, spread = 0, 0, 1, False
        while at < count:
            if counts is None and interval == _SPARSEST:
                taken.extend(range(at, count, interval))
                break
            taken.append(at)
            known = len(taken) - self.delay
            if known > 0 and (counts is None or counts[taken[known - 1]]):
                counted += 1
                interval = min(math.ceil(counted / len(taken) * 10), _SPARSEST)
            at += interval if spread else 1
            spread = counted > 0
        return taken


def sampler_of(query: Query, condition: FieldExpression | None, node: MetricsAggregate) -> Sampler | None:
    """What samples a query, of which ``condition`` is the only filter; None if nothing does."""
    read = [*node.by, *([] if node.operand is None else [node.operand])]
    if query.exact or not _is_true(condition) or any(isinstance(part, MetricsOperation) for part in walk(query)):
        return None
    if _are_of_traces(read):
        return None
    delay = 1 if all(_is_always_there(field) for field in read) else 2
    adaptive = query.hint("sample", Type.BOOL)
    share = query.hint("sample", Type.FLOAT)
    if share is not None and 0 < float(share.value) < 1:
        return Sampler(int(1 / float(share.value)), delay)
    if adaptive is not None and adaptive.value:
        return Sampler(None, delay)
    share = query.hint("span_sample", Type.FLOAT)
    return Sampler(int(1 / float(share.value)), delay) if share is not None and 0 < float(share.value) <= 1 else None


def is_held(session: Session, source: Source) -> bool:
    """Whether memory holds what it takes to sample the spans of some blocks."""
    return sum(block.spans for block in source.blocks) <= session.limits.memory_bytes // _SPAN_BYTES


def sample(session: Session, source: Source, sampler: Sampler, steps: Steps) -> float:
    """Make the session's table SAMPLED of the spans of some blocks; how many spans each of them stands for."""
    covered = source.lies_in(steps.first_ns, steps.last_ns)
    columns = ["trace_id"] if covered else ["trace_id", _START]
    query = exp.select(exp.column(ARRIVAL)).from_(source.table(columns, arrival=True).subquery("stored"))
    if not covered:
        query.select(exp.alias_(inside(steps, exp.column(_START)), "counts"), copy=False)
    found = session.table(query.order_by(exp.column("trace_id"), exp.column(ARRIVAL), copy=False))
    counts = None if covered else _flags(found["counts"])
    taken = sampler.taken(found.num_rows, counts)
    session.register(SAMPLED, found.select([ARRIVAL]).take(pa.array(taken, pa.int64())))
    return found.num_rows / max(len(taken), 1)


def _flags(column: "pa.ChunkedArray[Any]") -> bytes:
    """A byte for each value, 1 if it holds."""
    chunks = ((len(chunk), chunk.buffers()[1]) for chunk in column.cast(pa.uint8()).chunks)
    return b"".join(bytes(buffer)[:count] for count, buffer in chunks if buffer is not None)


def only_sampled(spans: exp.Select) -> exp.Select:
    """The table ``spans``, which has the column ``arrival``, without what is not in SAMPLED."""
    chosen = exp.select(exp.column(ARRIVAL)).from_(SAMPLED)
    every = exp.select(exp.Star()).from_(spans.subquery("stored", copy=False), copy=False)
    return every.where(exp.In(this=exp.column(ARRIVAL), query=chosen.subquery()), copy=False)


def _is_true(condition: FieldExpression | None) -> bool:
    return isinstance(condition, Static) and condition.value is True


def _are_of_traces(read: Sequence[Field]) -> bool:
    """Whether any of the fields takes a span's whole trace to know."""
    fields = Fields(Known())
    for field in read:
        fields.value(field)
    return fields.needs.whole_traces


def _is_always_there(field: Field) -> bool:
    """Whether Tempo reads a field together with the filter's, so that it learns a span earlier what counts."""
    is_service = isinstance(field, Attribute) and (field.scope, field.key) == (AttributeScope.RESOURCE, "service.name")
    return is_service or isinstance(field, IntrinsicField)
