"""Finds the ids of traces that match a query in a window of time."""

from dataclasses import dataclass

from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.source import Source
from spanlake.query.windows import HOUR_NS, Window
from spanlake.store.index import Block
from spanlake.traceql import values
from spanlake.traceql.fields import SPAN, Fields
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.probe import Probe
from spanlake.traceql.relation import columns_needed, needs_arrival

_START = "start_time_unix_nano"
_TRACE = "trace_id"


@dataclass(frozen=True)
class Finder:
    """Looks through blocks for matching traces, by ascending id.

    ``most_recent`` orders them by their latest matching span instead.
    """

    session: Session
    source: Source
    plan: SearchPlan
    probe: Probe
    most_recent: bool

    def probed(self, window: Window, limit: int) -> list[bytes]:
        """Traces that pass the probe."""
        source = self.source.within(block for block in self.source.blocks if _overlaps(block, window))
        if not source.blocks:
            return []
        return self._ids(self._probed(source, window).limit(limit, copy=False))

    def matching(self, window: Window, limit: int) -> list[bytes]:
        """Traces that match, of those that pass the probe."""
        fields = Fields(self.source.known)
        start = fields.column(_START)
        columns = [fields.column(_TRACE), exp.alias_(self._time(start), "time")]
        matching = self.plan.select(fields, columns, where=_between(start, window))
        time = exp.Ordered(this=exp.Max(this=exp.column("time")), desc=True)
        query = (
            with_spans(exp.select(exp.column(_TRACE)), self.source, self.probe, fields)
            .from_(matching.subquery("matching", copy=False), copy=False)
            .group_by(exp.column(_TRACE), copy=False)
            .order_by(time, exp.column(_TRACE), copy=False)
            .limit(limit, copy=False)
        )
        return self._ids(query)

    def _ids(self, query: exp.Query) -> list[bytes]:
        return [row[_TRACE] for row in self.session.table(query).to_pylist()]

    def _probed(self, source: Source, window: Window) -> exp.Select:
        start = exp.column(_START, table=SPAN)
        covered = all(window.start_ns <= block.start_ns and block.end_ns <= window.end_ns for block in source.blocks)
        query = probe_query(source, self.probe, timed=self.most_recent or not covered)
        if not covered:
            query.where(_between(start, window), copy=False)
        if self.most_recent:
            query.order_by(exp.Ordered(this=exp.Max(this=start), desc=True), copy=False)
        return query.order_by(exp.column(_TRACE, table=SPAN), copy=False)

    def _time(self, start: exp.Expr) -> exp.Expr:
        if self.most_recent:
            return start
        return exp.IntDiv(this=start, expression=exp.Literal.number(HOUR_NS))


def probe_query(source: Source, probe: Probe, *, timed: bool = False) -> exp.Select:
    """``SELECT trace_id`` of the traces that pass a probe."""
    columns = {_TRACE, *probe.columns} | ({_START} if timed else set())
    spans = source.table(columns, arrival="name" in probe.columns)
    trace_id = exp.column(_TRACE, table=SPAN)
    query = exp.select(trace_id).from_(spans.subquery(SPAN, copy=False), copy=False).group_by(trace_id, copy=False)
    if probe.where is not None:
        query.where(probe.where, copy=False)
    return query.having(*probe.having, copy=False) if probe.having else query


def with_spans(query: exp.Select, source: Source, probe: Probe, fields: Fields) -> exp.Select:
    """The query with a table ``spans`` of what the fields need: of all traces, or where whole traces are judged, of
    those that pass the probe."""
    table = source.table(columns_needed(fields.needs), arrival=needs_arrival(fields.needs))
    if probe.is_trivial or not fields.needs.whole_traces:
        return query.with_("spans", as_=table, copy=False)
    candidates = exp.select(exp.column(_TRACE)).from_("candidates").subquery()
    every = table.subquery("every", copy=False)
    judged = exp.select(exp.Star()).from_(every, copy=False)
    judged.where(exp.In(this=exp.column(_TRACE), query=candidates), copy=False)
    query.with_("candidates", as_=probe_query(source, probe), copy=False)
    return query.with_("spans", as_=judged, copy=False)


def _between(start: exp.Expr, window: Window) -> exp.Expr:
    return exp.Between(this=start, low=values.number(window.start_ns), high=values.number(window.end_ns))


def _overlaps(block: Block, window: Window) -> bool:
    return block.start_ns <= window.end_ns and block.end_ns >= window.start_ns
