"""The first stage of a metrics query: one SQL aggregation over the matching spans, read as time series."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query import exemplars, lossy_sums
from spanlake.query.duck import Session
from spanlake.query.exemplars import Chosen
from spanlake.query.finder import over, with_spans
from spanlake.query.found import named
from spanlake.query.limits import LimitExceeded
from spanlake.query.measures import BUCKET, COUNT, VALUE, Measure, Row, quantile_label
from spanlake.query.positions import inside_of, position
from spanlake.query.sampling import only_sampled
from spanlake.query.series import NAME, Exemplar, Labels, LabelValue, Series
from spanlake.query.source import Source
from spanlake.query.steps import Steps
from spanlake.spans.arrays import Array, as_array, codes, int32, ordered_codes, rows_of
from spanlake.traceql import values
from spanlake.traceql.fields import SPAN, Fields
from spanlake.traceql.pipeline import SearchPlan, Selection
from spanlake.traceql.printer import print_field
from spanlake.traceql.probe import Probe
from spanlake.traceql.relation import ARRIVAL, columns_needed
from spanlake.traceql.tree import Field
from spanlake.traceql.values import Alternative, Sql

_Define: TypeAlias = Callable[[exp.Select], exp.Select]  # gives a query the table ``spans``

_POSITION = "position"
_COUNTED = "counted"
_AGAIN = {_COUNTED: exp.Sum, exemplars.FOUND: exp.Min}  # what makes one aggregate of those of several groups
_RARE = 10_000  # spans, of which all are looked through for exemplars


@dataclass(frozen=True)
class Aggregation:
    """What a metrics function makes of the spans that a pipeline finds.

    ``source`` holds a block that overlaps the steps, and may reach beyond them for the sake of spans that are judged
    together. ``limit`` is of exemplars. Only ``sampled`` spans may be measured, those of the table SAMPLED.
    """

    session: Session
    source: Source
    plan: SearchPlan
    measure: Callable[[Fields], Measure]
    by: tuple[Field, ...]
    steps: Steps
    limit: int
    sampled: bool = False

    def series(self) -> list[Series]:
        """The series. Raises LimitExceeded."""
        spans = self._spans(self.steps)
        picked = self._picked(spans.measure)
        at_once = self.limit and (spans.are_judged_together or self.source.engine is not None)
        table = self._table(spans, spans.measured(picked if at_once else None), self._define(spans))
        lines = _Lines(spans, self.steps, self.session)
        lines.add(table)
        matched = int(pc.sum(table[_COUNTED]).as_py() or 0)  # a sum of counts comes as a decimal number
        if self.limit and matched:
            for one in self._chosen(spans, table) if at_once else self._looked_for(matched):
                lines.show(one)
        return lines.series()

    # exemplars of spans that are judged one by one

    def exemplars(self, matched: int) -> list[Chosen]:
        """The exemplars alone, of so many matching spans; none where spans are judged together."""
        if not matched or self._spans(self.steps).are_judged_together:
            return []
        return self._looked_for(matched)

    def _looked_for(self, matched: int) -> list[Chosen]:
        source = self._in_range
        sample = source.sampled(*exemplars.SAMPLE)
        if matched > _RARE or sample.spans * matched >= min(self.limit, matched) * source.spans:
            return self._found_in(sample)
        return self._found_in(source)

    def _found_in(self, source: Source) -> list[Chosen]:
        spans = self._spans(exemplars.parts(self.steps, self.limit))
        define = partial(with_spans, source=source, probe=Probe.of(self.plan, source.known), fields=spans.fields)
        return self._chosen(spans, self._table(spans, spans.grouped([self._picked(spans.measure)]), define))

    def _chosen(self, spans: "_Spans", table: pa.Table) -> list[Chosen]:
        return spans.chosen(table, self.steps, self.limit)

    @staticmethod
    def _picked(measure: Measure) -> exp.Expr:
        value = exp.column(VALUE) if measure.operand is not None else None
        return exemplars.first_of_group(value, *measure.tests)

    # the SQL

    def _spans(self, times: Steps) -> "_Spans":
        fields = Fields(self.source.known)
        start = fields.column("start_time_unix_nano")
        labels = tuple(_Label(fields, field, n) for n, field in enumerate(self.by))
        measure = self.measure(fields)
        groups = [exp.alias_(position(times, start), _POSITION), *measure.groups]
        groups += [column for label in labels for column in label.columns]
        read = {VALUE: measure.operand, BUCKET: measure.bucket}
        columns = [*groups, *(exp.alias_(sql, name) for name, sql in read.items() if sql is not None)]
        if self.limit:
            columns += [
                exp.alias_(start.copy(), exemplars.START),
                exp.alias_(fields.column("trace_id"), exemplars.TRACE),
            ]
        fields.needs.arrival |= measure.is_lossy or self.sampled
        if measure.is_lossy:
            columns += [
                exp.alias_(fields.column("trace_id"), lossy_sums.TRACE),
                exp.alias_(exp.column(ARRIVAL, table=SPAN), lossy_sums.PLACE),
            ]
        selection = self.plan.select(fields, columns, where=inside_of(self.steps, self.source, fields))
        names = tuple(column.alias for column in groups)
        alone = self.plan.single_filter is not None and not fields.needs.whole_traces
        return _Spans(fields, selection, names, labels, measure, are_judged_together=not alone)

    def _define(self, spans: "_Spans") -> _Define:
        source = self.source if spans.are_judged_together else self._in_range
        self.session.touch(source.blocks)
        if self.sampled:
            table = source.table(columns_needed(spans.fields.needs), arrival=True)
            return lambda query: query.with_("spans", as_=only_sampled(table), copy=False)
        probe = Probe.of(self.plan, source.known)
        return partial(with_spans, source=source, probe=probe, fields=spans.fields)

    @property
    def _in_range(self) -> Source:
        return self.source.overlapping(self.steps.first_ns, self.steps.last_ns)

    def _table(self, spans: "_Spans", found: exp.Select, define: _Define) -> pa.Table:
        limit = self.session.limits.points
        selection = replace(spans.selection, query=found)
        query = exp.select(exp.Star()).limit(limit + 1, copy=False)
        table = self.session.table(over(self.session, query, selection, define))
        if table.num_rows > limit:
            raise _too_many_points(limit)
        return table


@dataclass(frozen=True)
class _Spans:
    """The matching spans, and what their columns mean."""

    fields: Fields
    selection: Selection
    groups: tuple[str, ...]
    labels: tuple["_Label", ...]
    measure: Measure
    are_judged_together: bool

    def measured(self, exemplar: exp.Expr | None) -> exp.Select:
        """The query for what is measured of each group, how many spans that are, and an exemplar if one is wanted."""
        counted = exp.alias_(exp.Count(this=exp.Star()), _COUNTED)
        others = [counted] if exemplar is None else [counted, exemplar]
        if self.measure.is_lossy:
            grouped, value = self._by_group([*self.measure.aggregates, *others]), exp.column(VALUE)
            return lossy_sums.with_tails(grouped, self.selection.query, self.groups, value)
        if self.measure.bucket is not None:
            return self._by_bucket(others)
        return self.grouped([*self.measure.aggregates, *others])

    def _by_bucket(self, others: Sequence[exp.Expr]) -> exp.Select:
        """The same for aggregates of buckets: DuckDB counts these as groups in two thirds of the time that it takes to
        count them in maps. What fails the tests is in none of them: a test of the bucket itself would be made for each
        span."""
        per_bucket = self._of_groups([exp.alias_(exp.Count(this=exp.Star()), COUNT), *others])
        per_bucket.select(exp.column(BUCKET), copy=False).group_by(exp.column(BUCKET), copy=False)
        again = [exp.alias_(_AGAIN[one.alias](this=exp.column(one.alias)), one.alias) for one in others]
        query = self._by_group([*self.measure.aggregates, *again])
        per_bucket.having(exp.Count(this=exp.column(BUCKET)) > exp.Literal.number(0), copy=False)
        return query.from_(per_bucket.subquery("buckets", copy=False), copy=False)

    def grouped(self, aggregates: Sequence[exp.Expr]) -> exp.Select:
        """The query for some aggregates of each group."""
        return self._of_groups(aggregates).where(*self.measure.tests, copy=False)

    def _of_groups(self, aggregates: Sequence[exp.Expr]) -> exp.Select:
        matching = self.selection.query.subquery("matching", copy=False)
        return self._by_group(aggregates).from_(matching, copy=False)

    def _by_group(self, aggregates: Sequence[exp.Expr]) -> exp.Select:
        groups = [exp.column(name) for name in self.groups]
        return exp.select(*groups, *aggregates).group_by(*(group.copy() for group in groups), copy=False)

    def lines(self, table: pa.Table) -> Iterator[tuple[Labels, list[int]]]:
        """The labels that rows of such a table are grouped by, each time with the numbers of the rows that have
        them."""
        rows = rows_of(self._lines_of(table))
        return zip(self._labels(table, pc.list_element(rows, 0)), rows.to_pylist(), strict=True)

    def _lines_of(self, table: pa.Table, numbered: Callable[[Sequence[Array]], Array] = codes) -> Array:
        """The number of what each row is grouped by besides its time."""
        columns = [as_array(table[name]) for name in self.groups if name != _POSITION]
        return numbered(columns) if columns else pa.repeat(int32(0), table.num_rows)

    def _labels(self, table: pa.Table, rows: Array) -> Iterator[Labels]:
        for row in table.select(self.groups).take(rows).to_pylist():
            yield _with_values((label.name, label.read(row)) for label in self.labels) + self.measure.labels(row)

    def chosen(self, table: pa.Table, steps: Steps, limit: int) -> list[Chosen]:
        """The exemplars that are shown, of those that the rows offer."""
        offered = table.filter(pc.is_valid(table[exemplars.FOUND]))
        if not offered.num_rows:
            return []
        found: Any = as_array(offered[exemplars.FOUND])
        starts, traces = found.field("start"), found.field("trace")
        lines = self._lines_of(offered, ordered_codes)  # so that it does not matter how the rows lie
        rows = pa.array(exemplars.choose(lines, starts, traces, steps, limit), pa.int64())
        labels, unit = self._labels(offered, rows), self.measure.unit
        return [Chosen.of(group, one, unit) for group, one in zip(labels, found.take(rows).to_pylist(), strict=True)]


class _Label:
    """A grouping field: its columns, and how to read them back."""

    def __init__(self, fields: Fields, field: Field, n: int) -> None:
        self.name = print_field(field)
        self._parts = fields.fetched(field)
        self.columns = [exp.alias_(_single(part), f"label{n}_{k}") for k, part in enumerate(self._parts)]

    def read(self, row: Row) -> LabelValue | None:
        """The value of the label in a row; None where the span has none."""
        for part, column in zip(self._parts, self.columns, strict=True):
            if (value := row[column.alias]) is not None:
                read: LabelValue = named(part.type, value)
                return read
        return None


def _with_values(labels: Iterable[tuple[str, LabelValue | None]]) -> Labels:
    """The labels that have a value; where none has, the first as ``nil``, as in Tempo."""
    every = tuple(labels)
    found = tuple((name, value) for name, value in every if value is not None)
    return found or tuple((name, "nil") for name, _ in every[:1])


def _single(part: Alternative) -> Sql:
    """A value to group by: of a list its last item."""
    return values.last(part.sql) if part.is_list else part.sql


@dataclass
class _Line:
    labels: Labels
    values: list[float | None]
    exemplars: list[Exemplar]


class _Lines:
    """The series, as they are put together from rows."""

    def __init__(self, spans: _Spans, steps: Steps, session: Session) -> None:
        self._spans = spans
        self._steps = steps
        self._limits = session.limits
        self._lines: dict[str, _Line] = {}

    def add(self, table: pa.Table) -> None:
        """Take in what was measured of groups. Raises LimitExceeded."""
        positions: list[int] = table[_POSITION].to_pylist()  # type: ignore[assignment]  # none is NULL
        readings = list(self._spans.measure.read(table))
        for labels, rows in self._spans.lines(table):
            for added, measured in readings:
                line = self._line(labels + added).values
                for row in rows:
                    line[positions[row]] = measured[row]

    def show(self, one: Chosen) -> None:
        """Show an exemplar: of quantiles with the lowest that is not below its value."""
        labels = tuple(label for label in one.group if label[0] != NAME)
        names = [one.group + quantile_label(q) for q in self._spans.measure.quantiles] or [one.group]
        at = self._steps.position(one.start_ns)
        lines = [self._line(name) for name in names]
        line = next((line for line in lines if _reaches(line.values[at], one.value)), lines[-1])
        line.exemplars.append(one.exemplar(labels))

    def series(self) -> list[Series]:
        """All of them that have a value."""
        lines = (line for line in self._lines.values() if any(value is not None for value in line.values))
        return [Series(line.labels, tuple(line.values), tuple(line.exemplars)) for line in lines]

    def _line(self, labels: Labels) -> _Line:
        measure = self._spans.measure
        labels = labels or ((NAME, measure.name or ""),)
        line = self._lines.get(repr(labels))
        if line is None:
            line = _Line(labels, [0.0 if measure.filled else None] * self._steps.count, [])
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
