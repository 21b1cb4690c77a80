"""Finds the ids of traces that may match a query, those with the newest spans first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.compile import sql
from spanlake.query.compile.fields import SPAN, FieldCompiler
from spanlake.query.compile.prefilter import Prefilter
from spanlake.query.compile.spans import ROW_ID, columns_needed, needs_row_id
from spanlake.query.compile.spansets import SearchPlan, Selection
from spanlake.query.compile.structure import tree_query
from spanlake.query.engine.session import Session
from spanlake.query.engine.structure import evaluate, number_nested_sets
from spanlake.query.limits import LimitExceeded
from spanlake.query.scan.blocks import BlockScan, block_number
from spanlake.query.scan.parts import newest_first
from spanlake.query.time_range import TimeRange
from spanlake.query.trace_by_id import Slices
from spanlake.spans.arrow import Array, as_array, distinct
from spanlake.store.blocks.trace_columns import SLICE_START

_START = "start_time_unix_nano"
_DURATION = "duration_nano"
_TRACE = "trace_id"
_TIME = "time"
_SAMPLED_SPANS = 32768
_TREE_BYTES = 160  # what a span takes whose place in its trace's tree matters, outside of DuckDB's own limit


@dataclass(frozen=True)
class Candidates:
    """Traces that may match, each with the start of one of its spans, the latest first.

    ``bound_ns`` is the latest start of a trace that is not among them, None where they are all. Nearly all that are
    ``is_certain`` match. ``has_more`` is True where a larger limit finds further ones. ``slices`` tells where in some
    blocks their spans are.
    """

    starts: dict[bytes, int]
    bound_ns: int | None
    is_certain: bool = False
    has_more: bool = False
    slices: Slices = field(default_factory=dict)


@dataclass(frozen=True)
class CandidateFinder:
    """Looks through blocks for traces, by their spans that start in a window or last until it."""

    session: Session
    source: BlockScan
    plan: SearchPlan
    probe: Prefilter

    def newest(self, window: TimeRange, limit: int, since_ns: int = 0) -> Candidates:
        """Traces of the newest spans that some span of a matching trace is among; so many spans, of those that start
        at a time or later.
        """
        source, test = self.source.overlapping(window.start_ns, window.end_ns), self.probe.one.sql(DuckDB)
        source = source.only(source.misses.without(source.blocks, test))
        if not source.blocks:
            return Candidates({}, None)
        self.session.charge(source.blocks)
        found = self.session.run(self._newest(source, window, limit, since_ns))
        if since_ns and found.num_rows < limit:
            return replace(
                _candidates(found, limit, source, is_certain=self.probe.per_span), bound_ns=since_ns, has_more=True
            )
        if not found.num_rows:
            within = (
                block for block in source.blocks if source.only([block]).is_within(window.start_ns, window.end_ns)
            )
            source.misses.add(within, test)
        return _candidates(found, limit, source, is_certain=self.probe.per_span)

    def by_trace(self, window: TimeRange, limit: int) -> Candidates:
        """Traces that match by all spans that they have in the blocks."""
        if not self.source.blocks:
            return Candidates({}, None)
        self.session.charge(self.source.blocks)
        if self.probe.per_trace:
            found = self.session.run(self._passing(limit))
            return _candidates(found, limit, self.source, is_certain=True)
        fields = FieldCompiler(self.source.known)
        start = fields.column(_START)
        columns = [fields.column(_TRACE), exp.alias_(start, _TIME)]
        in_time = exp.LTE(this=start.copy(), expression=sql.number(window.end_ns))
        matching = self.plan.select(fields, columns, where=in_time)
        query = _grouped_by_trace(exp.Max(this=exp.column(_TIME)), limit)
        define = partial(with_spans, source=self.source.once(), probe=self.probe, fields=fields)
        found = self.session.run(over(self.session, query, matching, define))
        return _candidates(found, limit, self.source, is_certain=True)

    def _passing(self, limit: int) -> exp.Select:
        """The traces that pass the probe."""
        figures: dict[str, exp.Expr] = {"latest": exp.Max(this=exp.column(_START, table=SPAN))}
        if _is_in_slices(self.source) and len(self.source.blocks) == 1:
            figures |= {"block": exp.Literal.number(0), "slice": exp.Max(this=exp.column(SLICE_START, table=SPAN))}
        columns = {_START, SLICE_START} if "slice" in figures else {_START}
        query = prefilter_query(self.source.once(), self.probe, columns)
        query.select(*(exp.alias_(figure, name) for name, figure in figures.items()), copy=False)
        return query.order_by(exp.Ordered(this=exp.column("latest"), desc=True), copy=False).limit(limit, copy=False)

    def _newest(self, source: BlockScan, window: TimeRange, limit: int, since_ns: int) -> exp.Select:
        start = exp.column(_START, table=SPAN)
        sliced = _is_in_slices(source)
        columns = {_TRACE, _START, *self.probe.columns, *self._of_lasting(source, window)}
        spans = source.table(columns | ({SLICE_START} if sliced else set()), row_id=sliced)
        query = exp.select().from_(spans.subquery(SPAN, copy=False), copy=False)
        query.where(self.probe.one, *self._in_window(source, window), copy=False)
        if since_ns:
            query.where(exp.GTE(this=start.copy(), expression=sql.number(since_ns)), copy=False)
        trace, time = exp.column(_TRACE, table=SPAN), exp.Max(this=start)
        if source.engine is not None:  # answers are read row by row there
            query.select(trace, exp.alias_(time, _TIME), copy=False).group_by(trace.copy(), copy=False)
        else:
            query.select(trace, exp.alias_(start, _TIME), copy=False)
        if sliced:
            block, slice_ = block_number(exp.column(ROW_ID, table=SPAN)), exp.column(SLICE_START, table=SPAN)
            query.select(exp.alias_(block, "block"), exp.alias_(slice_, "slice"), copy=False)
        return query.order_by(exp.Ordered(this=exp.column(_TIME), desc=True), copy=False).limit(limit, copy=False)

    def _of_lasting(self, source: BlockScan, window: TimeRange) -> set[str]:
        return set() if source.starts_after(window.start_ns) else {_DURATION}

    def _in_window(self, source: BlockScan, window: TimeRange) -> list[exp.Expr]:
        start = exp.column(_START, table=SPAN)
        tests: list[exp.Expr] = []
        if not source.is_within(window.start_ns, window.end_ns):
            tests.append(exp.LTE(this=start.copy(), expression=sql.number(window.end_ns)))
        if not source.starts_after(window.start_ns):
            since = sql.number(window.start_ns)
            lasting = exp.column(_DURATION, table=SPAN) >= exp.paren(since - start)
            tests.append(exp.or_(exp.GTE(this=start.copy(), expression=since.copy()), lasting))
        return tests


def _grouped_by_trace(time: exp.Expr, limit: int) -> exp.Select:
    query = exp.select(exp.column(_TRACE), exp.alias_(time, "latest")).group_by(exp.column(_TRACE), copy=False)
    return query.order_by(exp.Ordered(this=exp.column("latest"), desc=True), copy=False).limit(limit, copy=False)


def _is_in_slices(source: BlockScan) -> bool:
    """True where a block may have slices."""
    return source.engine is None and any(block.level for block in source.blocks)


def _candidates(found: pa.Table, limit: int, source: BlockScan, *, is_certain: bool) -> Candidates:
    """The traces of rows that are ordered by time."""
    table = found.combine_chunks()
    ids, times = (as_array(column) for column in table.columns[:2])
    first = pc.index_in(pc.unique(ids), value_set=ids)
    starts: dict[Any, Any] = dict(zip(ids.take(first).to_pylist(), times.take(first).to_pylist(), strict=True))
    has_more = len(times) == limit
    bound_ns = times[-1].as_py() if has_more else None
    slices = _slices(table, first, source) if "slice" in table.column_names else {}
    return Candidates(starts, bound_ns, is_certain, has_more, slices)


def _slices(found: pa.Table, first: Array, source: BlockScan) -> Slices:
    """The slices of the traces, of which the first rows are given, in each block."""
    if len(source.blocks) > 1:
        _, first = distinct(as_array(found[_TRACE]), as_array(found["block"]))
    known = found.take(first).filter(pc.field("slice").is_valid())
    ids, numbers, starts = (known[name].to_pylist() for name in (_TRACE, "block", "slice"))
    slices: dict[Any, dict[Any, Any]] = {}
    for id_, number, start in zip(ids, numbers, starts, strict=True):
        slices.setdefault(number, {})[id_] = start
    return {source.blocks[number]: of_block for number, of_block in slices.items()}


def most_selective(session: Session, source: BlockScan, probe: Prefilter) -> Prefilter:
    """Puts that test of a probe first which the fewest spans of a sample of the newest block meet.

    A block that is read from S3 by ranges is not sampled: that would take further requests.
    """
    newest = source.only(list(chain.from_iterable(newest_first(source.blocks)))[:1])
    if not probe.others or not newest.blocks or not newest.is_local:
        return probe
    tests = [probe.one, *probe.others]
    spans = newest.sampled(1, _SAMPLED_SPANS).table({_TRACE, *probe.columns})
    counts = [exp.func("count_if", test) for test in tests]
    row = session.run(exp.select(*counts).from_(spans.subquery(SPAN, copy=False), copy=False))
    met = [column[0].as_py() or 0 for column in row.columns]  # NULL of no spans
    return replace(probe, one=tests[met.index(min(met))])


def prefilter_query(source: BlockScan, probe: Prefilter, columns: Iterable[str] = ()) -> exp.Select:
    """``SELECT trace_id`` of the traces that pass a probe by the spans that the blocks have, of which it reads further
    columns.
    """
    spans = source.table({_TRACE, *probe.columns, *columns})
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
        number_trees(session, define, large=large)
    if matching.base is None:
        return define(query)
    base = exp.select(exp.Star()).from_(matching.base.subquery("base", copy=False), copy=False)
    evaluate(session, _trees(session, define(base), large=large), matching.steps)
    return query


def number_trees(session: Session, define: Callable[[exp.Select], exp.Select], *, large: bool = True) -> None:
    """Make the session's table PLACED of the table ``spans`` that ``define`` gives a query."""
    number_nested_sets(session, _trees(session, define(tree_query()), large=large))


def _trees(session: Session, query: exp.Select, *, large: bool) -> pa.Table:
    most = session.limits.memory_bytes // _TREE_BYTES
    spans = session.run(query.limit(most + 1, copy=False), large=large)
    if spans.num_rows > most:
        raise LimitExceeded(
            f"the query relates more than {most} spans to each other: ask for a shorter time range or narrower "
            "filters, or raise --query-memory"
        )
    return spans


def with_spans(query: exp.Select, source: BlockScan, probe: Prefilter, fields: FieldCompiler) -> exp.Select:
    """The query with a table ``spans`` of what the fields need: of all traces, or where whole traces are judged, of
    those that pass the probe."""
    table = source.table(columns_needed(fields.needs), row_id=needs_row_id(fields.needs))
    if probe.is_trivial or not fields.needs.whole_traces:
        return query.with_("spans", as_=table, copy=False)
    candidates = exp.select(exp.column(_TRACE)).from_("candidates").subquery()
    every = table.subquery("every", copy=False)
    judged = exp.select(exp.Star()).from_(every, copy=False)
    judged.where(exp.In(this=exp.column(_TRACE), query=candidates), copy=False)
    query.with_("candidates", as_=prefilter_query(source, probe), copy=False)
    return query.with_("spans", as_=judged, copy=False)
