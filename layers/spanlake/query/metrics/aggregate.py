"""The first stage of a metrics query: one SQL aggregation over the matching spans, read as time series."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.candidates import over, with_spans
from spanlake.query.compile import sql
from spanlake.query.compile.fields import FieldCompiler, element_scope
from spanlake.query.compile.metrics import BUCKET, LOGARITHM, NUMBER, VALUE, Aggregate, Row, logarithm, quantile_label
from spanlake.query.compile.predicates import PredicateCompiler
from spanlake.query.compile.prefilter import Prefilter
from spanlake.query.compile.spansets import SearchPlan, Selection, distinct_structs
from spanlake.query.compile.sql import TypedSql
from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.metrics import exemplars
from spanlake.query.metrics.exemplars import ExemplarCandidate
from spanlake.query.scan.blocks import BlockScan, range_test
from spanlake.query.search_results import first_named
from spanlake.query.series import NAME, Exemplar, Labels, LabelValue, Series, hashable
from spanlake.query.spanning_traces import SpanningTraces
from spanlake.query.time_range import Steps, position
from spanlake.spans.arrow import Array, as_array, codes, int32, ordered_codes, rows_of
from spanlake.traceql import ast
from spanlake.traceql.printer import print_field

_Define: TypeAlias = Callable[[exp.Select], exp.Select]  # gives a query the table ``spans``

_POSITION = "position"
_COUNTED = "counted"
_RARE = 10_000  # spans, of which all are looked through for exemplars


@dataclass(frozen=True)
class Aggregation:
    """A metrics function over the spans that a pipeline finds.

    ``source`` reaches beyond the steps for the sake of spans that are judged together. ``limit`` is of exemplars.
    """

    session: Session
    source: BlockScan
    plan: SearchPlan
    measure: Callable[[FieldCompiler], Aggregate]
    by: tuple[ast.Field, ...]
    steps: Steps
    limit: int

    def series(self) -> list[Series]:
        """The series. Raises LimitExceeded."""
        spans = self._spans(self.steps)
        if spans.are_judged_together and self.source.wider is not None:
            return replace(self, source=self.source.with_history).series()
        if not self._in_range.blocks:
            return _SeriesBuilder(spans, self.steps, self.session).series()
        picked = self._picked(spans.measure)
        at_once = self.limit and (spans.are_judged_together or self.source.engine is not None)
        table = self._table(spans, spans.measured(picked if at_once else None), self._define(spans))
        lines = _SeriesBuilder(spans, self.steps, self.session)
        lines.add(table)
        matched = int(pc.sum(table[_COUNTED]).as_py() or 0)  # a sum of counts comes as a decimal number
        if self.limit and matched:
            for one in self._chosen(spans, table) if at_once else self._looked_for(matched):
                lines.show(one)
        return lines.series()

    # exemplars of spans that are judged one by one

    def exemplars(self, matched: int) -> list[ExemplarCandidate]:
        """The exemplars alone, of so many matching spans; none where spans are judged together."""
        if not matched or self._spans(self.steps).are_judged_together:
            return []
        return self._looked_for(matched)

    def _looked_for(self, matched: int) -> list[ExemplarCandidate]:
        source = self._in_range.once()
        sample = source.sampled(*exemplars.SAMPLE)
        if matched > _RARE or sample.spans * matched >= min(self.limit, matched) * source.spans:
            return self._found_in(sample)
        return self._found_in(source)

    def _found_in(self, source: BlockScan) -> list[ExemplarCandidate]:
        spans = self._spans(exemplars.parts(self.steps, self.limit))
        define = partial(with_spans, source=source, probe=Prefilter.of(self.plan, source.known), fields=spans.fields)
        return self._chosen(spans, self._table(spans, spans.grouped([self._picked(spans.measure)]), define))

    def _chosen(self, spans: "_Spans", table: pa.Table) -> list[ExemplarCandidate]:
        return spans.chosen(table, self.steps, self.limit)

    @staticmethod
    def _picked(measure: Aggregate) -> exp.Expr:
        value = exp.column(VALUE) if measure.operand is not None else None
        return exemplars.first_of_group(value, *measure.tests)

    # the SQL

    def _spans(self, times: Steps) -> "_Spans":
        fields = FieldCompiler(self.source.known)
        start = fields.column("start_time_unix_nano")
        labels = tuple(_Label(fields, field, n) for n, field in enumerate(self.by))
        measure = self.measure(fields)
        columns = [exp.alias_(position(times, start), _POSITION), *measure.groups]
        columns += [column for label in labels for column in label.read_of_span]
        if measure.operand is not None:
            columns.append(exp.alias_(measure.operand.sql, VALUE))
        if self.limit:
            columns += [
                exp.alias_(start.copy(), exemplars.START),
                exp.alias_(fields.column("trace_id"), exemplars.TRACE),
            ]
        selection = self.plan.select(fields, columns, where=range_test(self.steps, self.source, fields))
        alone = self.plan.single_filter is not None and not fields.needs.whole_traces
        return _Spans(fields, selection, labels, measure, are_judged_together=not alone)

    def _define(self, spans: "_Spans") -> _Define:
        source = (self._whole if spans.are_judged_together else self._in_range).once()
        self.session.charge(source.blocks)
        probe = Prefilter.of(self.plan, source.known)
        return partial(with_spans, source=source, probe=probe, fields=spans.fields)

    @property
    def _whole(self) -> BlockScan:
        return SpanningTraces(self.session, self.source, self.steps.since_ns, self.steps.last_ns).whole()

    @property
    def _in_range(self) -> BlockScan:
        return self.source.overlapping(self.steps.since_ns, self.steps.last_ns)

    def _table(self, spans: "_Spans", found: exp.Select, define: _Define) -> pa.Table:
        limit = self.session.limits.points
        selection = replace(spans.selection, query=found)
        query = exp.select(exp.Star()).limit(limit + 1, copy=False)
        table = self.session.run(over(self.session, query, selection, define))
        if table.num_rows > limit:
            raise _too_many_points(limit)
        return table


@dataclass(frozen=True)
class _Spans:
    """The matching spans, and what their columns mean."""

    fields: FieldCompiler
    selection: Selection
    labels: tuple["_Label", ...]
    measure: Aggregate
    are_judged_together: bool

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns that spans are grouped by."""
        bucket = (BUCKET,) if self.measure.bucket is not None else ()
        of_measure = (column.alias for column in self.measure.groups)
        return (_POSITION, *of_measure, *bucket, *(name for label in self.labels for name in label.names))

    def measured(self, exemplar: exp.Expr | None) -> exp.Select:
        """The query for what is measured of each group, how many spans that are, and an exemplar if one is wanted."""
        counted = exp.alias_(exp.Count(this=exp.Star()), _COUNTED)
        others = [counted] if exemplar is None else [counted, exemplar]
        return self.grouped([*self.measure.aggregates, *others])

    def grouped(self, aggregates: Sequence[exp.Expr]) -> exp.Select:
        """The query for some aggregates of each group."""
        groups = [exp.column(name) for name in self.groups]
        query = exp.select(*groups, *aggregates).from_(self._rows.subquery("matching", copy=False), copy=False)
        return query.where(*self.measure.tests, copy=False).group_by(*(group.copy() for group in groups), copy=False)

    @property
    def _rows(self) -> exp.Query:
        """A row for each span, or for each of the groups and numbers that it has by its events."""
        query: exp.Query = self.selection.query
        operand = self.measure.operand
        lists = [label.items for label in self.labels if label.items] + ([VALUE] if operand and operand.is_list else [])
        for n, name in enumerate(lists):
            unnested = exp.alias_(exp.func("unnest", exp.column(name)), name)
            star = exp.Star(except_=[exp.to_identifier(name)])
            query = exp.select(star, unnested).from_(query.subquery(f"rows{n}", copy=False), copy=False)
        members = [column for label in self.labels for column in label.members]
        if self.measure.bucket is not None:  # in a query of its own, so that each is computed once
            number = sql.double(exp.column(VALUE))
            numbers = exp.alias_(number, NUMBER), exp.alias_(logarithm(number), LOGARITHM)
            query = exp.select(exp.Star(), *numbers).from_(query.subquery("numbers", copy=False), copy=False)
            members.append(exp.alias_(self.measure.bucket, BUCKET))
        if not members:
            return query
        return exp.select(exp.Star(), *members).from_(query.subquery("items", copy=False), copy=False)

    def lines(self, table: pa.Table) -> Iterator[tuple[Labels, list[int]]]:
        """The labels that rows of such a table are grouped by, each time with the numbers of the rows that have
        them."""
        rows = rows_of(self._lines_of(table))
        return zip(self._labels(table, pc.list_element(rows, 0)), rows.to_pylist(), strict=True)

    def _lines_of(self, table: pa.Table, numbered: Callable[[Sequence[Array]], Array] = codes) -> Array:
        """The number of what each row is grouped by besides its time."""
        columns = [_comparable(as_array(table[name])) for name in self.groups if name != _POSITION]
        return numbered(columns) if columns else pa.repeat(int32(0), table.num_rows)

    def _labels(self, table: pa.Table, rows: Array) -> Iterator[Labels]:
        for row in table.select(self.groups).take(rows).to_pylist():
            yield self._with_nil(tuple(self._read(row))) + self.measure.labels(row)

    def _read(self, row: Row) -> Iterator[tuple[str, LabelValue]]:
        for label in self.labels:
            if (value := label.read(row)) is not None:
                yield label.name, value

    def _with_nil(self, labels: Labels) -> Labels:
        """A series of which all labels are nil has the first, unless it has others besides."""
        if labels or not self.labels or self.measure.name is None:
            return labels
        return ((self.labels[0].name, None),)

    def chosen(self, table: pa.Table, steps: Steps, limit: int) -> list[ExemplarCandidate]:
        """The exemplars that are shown, of those that the rows offer."""
        offered = table.filter(pc.is_valid(table[exemplars.FOUND]))
        if not offered.num_rows:
            return []
        found: Any = as_array(offered[exemplars.FOUND])
        starts, traces = found.field("start"), found.field("trace")
        lines = self._lines_of(offered, ordered_codes)  # so that it does not matter how the rows lie
        rows = pa.array(exemplars.choose(lines, starts, traces, steps, limit), pa.int64())
        labels, unit = self._labels(offered, rows), self.measure.unit
        return [
            ExemplarCandidate.of(group, one, unit)
            for group, one in zip(labels, found.take(rows).to_pylist(), strict=True)
        ]


class _Label:
    """A grouping field: its columns, and how to read them back.

    Of a field of events or links each span has a list of structs, ``items``, whose ``members`` the columns are.
    """

    def __init__(self, fields: FieldCompiler, field: ast.Field, n: int) -> None:
        self.name = print_field(field)
        self.items = f"label{n}" if element_scope(field) else None
        predicates = PredicateCompiler(fields)
        if self.items is None:
            self._parts = tuple(fields.whole(field))
            self.read_of_span = [exp.alias_(part.sql, f"label{n}_{k}") for k, part in enumerate(self._parts)]
        else:
            types, items = predicates.structs(field)
            self._parts = tuple(TypedSql(type_, exp.Null()) for type_ in types)
            self.read_of_span = [exp.alias_(distinct_structs(items, len(types)), self.items)]
        self.names = tuple(f"label{n}_{k}" for k in range(len(self._parts)))

    @property
    def members(self) -> list[exp.Expr]:
        """The columns that are made of items."""
        if self.items is None:
            return []
        struct = exp.column(self.items)
        return [exp.alias_(sql.member(struct.copy(), f"v{k}"), name) for k, name in enumerate(self.names)]

    def read(self, row: Row) -> LabelValue:
        """The value of the label in a row, None where the span has none."""
        value = first_named((part, row[name]) for part, name in zip(self._parts, self.names, strict=True))
        return hashable(value)


def _comparable(column: Array) -> Array:
    """Lists as texts: Arrow does not compare lists."""
    if not isinstance(column.type, pa.ListType):
        return column
    return pa.array([None if value is None else repr(value) for value in column.to_pylist()], pa.string())


@dataclass
class _SeriesPoints:
    labels: Labels
    values: list[float | None]
    exemplars: list[Exemplar]


class _SeriesBuilder:
    """The series, as they are put together from rows."""

    def __init__(self, spans: _Spans, steps: Steps, session: Session) -> None:
        self._spans = spans
        self._steps = steps
        self._limits = session.limits
        self._lines: dict[str, _SeriesPoints] = {}

    def add(self, table: pa.Table) -> None:
        """Take in what was measured of groups. Raises LimitExceeded."""
        positions: list[int] = table[_POSITION].to_pylist()  # type: ignore[assignment]  # none is NULL
        readings = list(self._spans.measure.read(table))
        for labels, rows in self._spans.lines(table):
            for added, measured in readings:
                line = self._line(labels + added).values
                for row in rows:
                    line[positions[row]] = measured[row]

    def show(self, one: ExemplarCandidate) -> None:
        """Show an exemplar: of quantiles with the lowest that is not below its value."""
        labels = tuple(label for label in one.group if label[0] != NAME)
        names = [one.group + quantile_label(q) for q in self._spans.measure.quantiles] or [one.group]
        at = self._steps.position(one.start_ns)
        lines = [self._line(name) for name in names]
        line = next((line for line in lines if _reaches(line.values[at], one.value)), lines[-1])
        line.exemplars.append(one.exemplar(labels))

    def series(self) -> list[Series]:
        """All of them that have a value, and the one that is always there."""
        if self._spans.measure.is_always_there and not self._spans.labels:
            self._line(())
        lines = (line for line in self._lines.values() if any(value is not None for value in line.values))
        return [Series(line.labels, tuple(line.values), tuple(line.exemplars)) for line in lines]

    def _line(self, labels: Labels) -> _SeriesPoints:
        measure = self._spans.measure
        labels = labels or ((NAME, measure.name),)
        line = self._lines.get(repr(labels))
        if line is None:
            line = _SeriesPoints(labels, [0.0 if measure.filled else None] * self._steps.count, [])
            self._lines[repr(labels)] = line
            self._check(len(self._lines))
        return line

    def _check(self, count: int) -> None:
        if count > self._limits.series:
            raise LimitExceeded(
                f"the query makes more than {self._limits.series} series: group by fewer attributes, or raise "
                "--query-series"
            )
        if count * self._steps.count > self._limits.points:
            raise _too_many_points(self._limits.points)


def _reaches(quantile: float | None, value: float | None) -> bool:
    return quantile is not None and value is not None and quantile >= value


def _too_many_points(limit: int) -> LimitExceeded:
    return LimitExceeded(
        f"the query makes more than {limit} points: group by fewer attributes, ask for a longer step or a shorter "
        "range, or raise --query-points"
    )
