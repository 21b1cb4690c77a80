"""Finds the ids of traces that match a query in a window of time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.kinship import number, relate
from spanlake.query.limits import LimitExceeded
from spanlake.query.source import Source
from spanlake.query.windows import HOUR_NS, Window
from spanlake.traceql import values
from spanlake.traceql.fields import SPAN, Fields
from spanlake.traceql.pipeline import SearchPlan, Selection
from spanlake.traceql.probe import Probe
from spanlake.traceql.relation import columns_needed, needs_arrival
from spanlake.traceql.structure import tree_query

_START = "start_time_unix_nano"
_TRACE = "trace_id"
_TREE_BYTES = 128  # what a span takes whose place in its trace's tree matters, outside of DuckDB's own limit


@dataclass(frozen=True)
class Finder:
    """Looks through blocks for matching traces, by ascending id.

    ``most_recent`` orders them by their latest matching span instead. ``probed_in`` are those of the blocks, if not
    all, in which a trace must pass the probe.
    """

    session: Session
    source: Source
    plan: SearchPlan
    probe: Probe
    most_recent: bool
    probed_in: Source | None = None

    def alone(self, window: Window, limit: int) -> list[bytes]:
        """Traces with a span in the window that passes the probe, where that is all it takes to match."""
        source = self.source.overlapping(window.start_ns, window.end_ns)
        if not source.blocks:
            return []
        self.session.touch(source.blocks)
        return self._ids(self._alone(source, window).limit(limit, copy=False))

    def passing(self, window: Window, limit: int) -> list[bytes]:
        """Traces that pass the probe by the spans that they have in the blocks, one of those that match in the window.

        Where the blocks do not hold all their spans, they may not match, or others may.
        """
        assert self.probe.members is not None
        self.session.touch(self.source.blocks)
        query = probe_query(self.source, self.probe, timed=True)
        if not self.source.lies_in(window.start_ns, window.end_ns):
            in_time = _between(exp.column(_START, table=SPAN), window)
            query.having(values.some_row(exp.and_(self.probe.members, in_time)), copy=False)
        return self._ids(query.order_by(exp.column(_TRACE, table=SPAN), copy=False).limit(limit, copy=False))

    def whole(self, window: Window, limit: int) -> list[bytes]:
        """Traces with a matching span in the window, judged by all of their spans in the blocks."""
        self.session.touch(self.source.blocks)
        fields = Fields(self.source.known)
        start = fields.column(_START)
        columns = [fields.column(_TRACE), exp.alias_(self._time(start), "time")]
        matching = self.plan.select(fields, columns, where=_between(start, window))
        time = exp.Ordered(this=exp.Max(this=exp.column("time")), desc=True)
        query = exp.select(exp.column(_TRACE)).group_by(exp.column(_TRACE), copy=False)
        query = query.order_by(time, exp.column(_TRACE), copy=False).limit(limit, copy=False)
        define = partial(with_spans, source=self.source, probe=self.probe, fields=fields, probed_in=self.probed_in)
        return self._ids(over(self.session, query, matching, define, large=self.probed_in is None))

    def _ids(self, query: exp.Query) -> list[bytes]:
        return [row[_TRACE] for row in self.session.table(query).to_pylist()]

    def _alone(self, source: Source, window: Window) -> exp.Select:
        start = exp.column(_START, table=SPAN)
        covered = source.lies_in(window.start_ns, window.end_ns)
        is_outside = source.engine is not None
        query = probe_query(source, self.probe, timed=self.most_recent or is_outside or not covered)
        if not covered:
            query.where(_between(start, window), copy=False)
        if self.most_recent or is_outside:  # there all is looked at together, not the newest first
            query.order_by(exp.Ordered(this=exp.Max(this=self._time(start)), desc=True), copy=False)
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


def over(
    session: Session,
    query: exp.Select,
    matching: Selection,
    define: Callable[[exp.Select], exp.Select],
    *,
    large: bool = True,
) -> exp.Select:
    """The query, of the table ``matching`` that holds the selected spans; ``define`` gives a query the table ``spans``.

    Spans whose structure matters are fetched at once, a ``large`` number of them or a few.
    """
    query = query.from_(matching.query.subquery("matching", copy=False), copy=False)
    if matching.is_numbered:
        place(session, define, large=large)
    if matching.base is None:
        return define(query)
    base = exp.select(exp.Star()).from_(matching.base.subquery("base", copy=False), copy=False)
    relate(session, _trees(session, define(base), large=large), matching.steps)
    return query


def place(session: Session, define: Callable[[exp.Select], exp.Select], *, large: bool = True) -> None:
    """Make the session's table PLACED of the table ``spans`` that ``define`` gives a query."""
    number(session, _trees(session, define(tree_query()), large=large))


def _trees(session: Session, query: exp.Select, *, large: bool) -> pa.Table:
    most = session.limits.memory_bytes // _TREE_BYTES
    spans = session.table(query.limit(most + 1, copy=False), large=large)
    if spans.num_rows > most:
        raise LimitExceeded(
            f"the query has to tell how more than {most} spans stand to each other: ask for a shorter time range or "
            "narrower filters, or raise --query-memory"
        )
    return spans


def with_spans(
    query: exp.Select, source: Source, probe: Probe, fields: Fields, probed_in: Source | None = None
) -> exp.Select:
    """The query with a table ``spans`` of what the fields need: of all traces, or where whole traces are judged, of
    those that pass the probe, in all blocks or in some."""
    table = source.table(columns_needed(fields.needs), arrival=needs_arrival(fields.needs))
    all_pass = probe.is_trivial and (probed_in is None or probed_in.blocks == source.blocks)
    if all_pass or not fields.needs.whole_traces:
        return query.with_("spans", as_=table, copy=False)
    candidates = exp.select(exp.column(_TRACE)).from_("candidates").subquery()
    every = table.subquery("every", copy=False)
    judged = exp.select(exp.Star()).from_(every, copy=False)
    judged.where(exp.In(this=exp.column(_TRACE), query=candidates), copy=False)
    query.with_("candidates", as_=probe_query(probed_in or source, probe), copy=False)
    return query.with_("spans", as_=judged, copy=False)


def _between(start: exp.Expr, window: Window) -> exp.Expr:
    return exp.Between(this=start, low=values.number(window.start_ns), high=values.number(window.end_ns))
