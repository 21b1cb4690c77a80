"""Metrics: time series computed from spans.

The first stage is one SQL aggregation over the matching spans; what follows works on its series.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlglot import exp

from spanlake.query import series as later
from spanlake.query.compare import compare
from spanlake.query.duck import Session
from spanlake.query.finder import with_spans
from spanlake.query.found import named
from spanlake.query.limits import LimitExceeded
from spanlake.query.positions import inside, position
from spanlake.query.series import NAME, Labels, LabelValue, Series
from spanlake.query.source import Source
from spanlake.query.steps import Steps
from spanlake.traceql import values
from spanlake.traceql.errors import Unsupported
from spanlake.traceql.fields import Fields
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.printer import print_field
from spanlake.traceql.probe import Probe
from spanlake.traceql.tree import (
    Compare,
    Field,
    MetricsAggregate,
    MetricsExpression,
    MetricsFunction,
    MetricsOperation,
    MetricsPipeline,
    Query,
    Rank,
    SeriesFilter,
    Static,
    Type,
)
from spanlake.traceql.values import Alternative, Sql

_LEAST_MEASURED = 2  # nanoseconds: Tempo's histograms, which its quantiles come from, leave out shorter durations
_LARGEST_BUCKET = 1023  # 2 to that power is a float, 2 to the next is not
_VALUE = "value"
_AGGREGATES = {
    MetricsFunction.MIN_OVER_TIME: "min",
    MetricsFunction.MAX_OVER_TIME: "max",
    MetricsFunction.AVG_OVER_TIME: "avg",
    MetricsFunction.SUM_OVER_TIME: "sum",
}


@dataclass(frozen=True)
class Metrics:
    """A metrics query over the spans of some blocks."""

    session: Session
    source: Source
    query: Query
    steps: Steps

    def series(self) -> list[Series]:
        """The series, in no order. Raises LimitExceeded, and Unsupported for what is not executed yet."""
        if isinstance(self.query.body, Static):
            return [Series((), (float(self.query.body.value),) * self.steps.count)]
        return self._evaluate(self.query.body)  # type: ignore[arg-type]

    def _evaluate(self, node: MetricsExpression) -> list[Series]:
        match node:
            case MetricsPipeline():
                return self._first_stage(node)
            case Rank():
                return later.rank(self._evaluate(node.series), node.function, node.limit)
            case SeriesFilter():
                return later.compare(self._evaluate(node.series), node.op, node.value)
            case MetricsOperation():
                return self._operation(node)
            case _:
                raise Unsupported("a number alone is no time series", self.query.text, node.at)

    def _operation(self, node: MetricsOperation) -> list[Series]:
        left, right = node.left, node.right
        if isinstance(left, Static):
            return later.combine_scalar(self._evaluate(right), node.op, float(left.value), scalar_first=True)
        if isinstance(right, Static):
            return later.combine_scalar(self._evaluate(left), node.op, float(right.value), scalar_first=False)
        return later.combine(self._evaluate(left), node.op, self._evaluate(right))

    # the first stage

    def _first_stage(self, node: MetricsPipeline) -> list[Series]:
        if not self.source.blocks:
            return []
        plan = SearchPlan(node.spans, self.query)
        if isinstance(node.aggregate, Compare):
            return compare(self.session, self.source, plan, node.aggregate, self.steps)
        fields = Fields(self.source.known)
        labels = [_Label(fields, field, n) for n, field in enumerate(node.aggregate.by)]
        measure = _MEASURES[node.aggregate.function](fields, node.aggregate, self.steps)
        rows = self._rows(plan, fields, labels, measure)
        return _assemble(rows, labels, measure, self.steps, self.session.limits.points)

    def _rows(
        self, plan: SearchPlan, fields: Fields, labels: list["_Label"], measure: "_Measure"
    ) -> list[dict[str, Any]]:
        start = fields.column("start_time_unix_nano")
        groups = [exp.alias_(position(self.steps, start), "position"), *measure.groups]
        groups += [column for label in labels for column in label.columns]
        select = [*groups, *([exp.alias_(measure.operand, _VALUE)] if measure.operand is not None else [])]
        spans = plan.select(fields, select, where=inside(self.steps, start))
        aggregated = exp.select(*(exp.column(column.alias) for column in groups), *measure.aggregates)
        limit = self.session.limits.values
        query = (
            with_spans(aggregated, self.source, Probe.of(plan, self.source.known), fields)
            .from_(spans.subquery("matching", copy=False), copy=False)
            .where(*measure.tests, copy=False)
            .group_by(*(exp.column(column.alias) for column in groups), copy=False)
            .limit(limit + 1, copy=False)
        )
        rows = self.session.table(query).to_pylist()
        if len(rows) > limit:
            raise LimitExceeded(f"the query makes more than {limit} samples: group by fewer attributes or ask for less")
        return rows


class _Label:
    """A grouping field: its columns, and how to read them back."""

    def __init__(self, fields: Fields, field: Field, n: int) -> None:
        self.name = print_field(field)
        self._parts = fields.fetched(field)
        self.columns = [exp.alias_(_single(part), f"label{n}_{k}") for k, part in enumerate(self._parts)]

    def read(self, row: dict[str, Any]) -> LabelValue:
        """The value of the label in a row; ``nil`` where the span has none."""
        for part, column in zip(self._parts, self.columns, strict=True):
            if (value := row[column.alias]) is not None:
                read: LabelValue = named(part.type, value)
                return read
        return "nil"


def _single(part: Alternative) -> Sql:
    """A value to group by: of a list its last item."""
    return values.last(part.sql) if part.is_list else part.sql


@dataclass(frozen=True)
class _Measure:
    """What is measured: columns to group by, tests, aggregates, and the reading of their result.

    ``read`` gives, for a row, labels to add and values.
    """

    aggregates: list[exp.Expr]
    read: Callable[[dict[str, Any]], Iterable[tuple[Labels, float | None]]]
    operand: Sql | None = None
    groups: tuple[exp.Expr, ...] = ()
    tests: tuple[Sql, ...] = ()
    filled: bool = False
    name: str | None = None  # of series without labels


def _count(_: Fields, node: MetricsAggregate, steps: Steps) -> _Measure:
    per = steps.seconds if node.function is MetricsFunction.RATE else 1.0
    return _Measure(
        [exp.alias_(exp.Count(this=exp.Star()), _VALUE)],
        lambda row: [((), row[_VALUE] / per)],
        filled=True,
        name=node.function.value,
    )


def _aggregate(fields: Fields, node: MetricsAggregate, _: Steps) -> _Measure:
    operand, unit = _numbers(fields, node)
    return _Measure(
        [exp.alias_(exp.func(_AGGREGATES[node.function], exp.column(_VALUE)), _VALUE)],
        lambda row: [((), row[_VALUE] / unit)],
        operand=operand,
        tests=(values.not_null(exp.column(_VALUE)),),
        name=node.function.value,
    )


def _quantiles(fields: Fields, node: MetricsAggregate, _: Steps) -> _Measure:
    operand, unit = _numbers(fields, node)
    wanted = exp.Array(expressions=[values.literal(Static(Type.FLOAT, q)) for q in node.quantiles])
    least = exp.Literal.number(_LEAST_MEASURED if unit > 1 else 0)

    def read(row: dict[str, Any]) -> Iterable[tuple[Labels, float | None]]:
        return [((("p", q),), value / unit) for q, value in zip(node.quantiles, row[_VALUE], strict=True)]

    return _Measure(
        [exp.alias_(exp.func("quantile_disc", exp.column(_VALUE), wanted), _VALUE)],
        read,
        operand=operand,
        tests=(exp.GTE(this=exp.column(_VALUE), expression=least),),
        filled=True,
    )


def _histogram(fields: Fields, node: MetricsAggregate, _: Steps) -> _Measure:
    """Counts by powers of two: a bucket holds what is above half of its label and not above it."""
    operand, unit = _numbers(fields, node)
    assert operand is not None
    bucket = exp.TryCast(this=exp.Ceil(this=exp.func("log2", operand)), to=exp.DataType.build("INTEGER"))

    def read(row: dict[str, Any]) -> Iterable[tuple[Labels, float | None]]:
        limit = 2.0 ** row["bucket"] if row["bucket"] <= _LARGEST_BUCKET else inf
        return [((("__bucket", limit / unit),), float(row[_VALUE]))]

    return _Measure(
        [exp.alias_(exp.Count(this=exp.Star()), _VALUE)],
        read,
        groups=(exp.alias_(values.case(operand >= exp.Literal.number(_LEAST_MEASURED), bucket), "bucket"),),
        tests=(values.not_null(exp.column("bucket")),),
        filled=True,
    )


def _numbers(fields: Fields, node: MetricsAggregate) -> tuple[Sql, float]:
    """The operand's number, and what it is to be divided by: durations are measured in seconds."""
    assert node.operand is not None
    parts = [part for part in fields.fetched(node.operand) if part.type in values.NUMERIC and not part.is_list]
    unit = 1e9 if any(part.type is Type.DURATION for part in parts) else 1.0
    numbers = [exp.cast(part.sql, "DOUBLE") for part in parts] or [exp.cast(exp.Null(), "DOUBLE")]
    return (numbers[0] if len(numbers) == 1 else exp.func("coalesce", *numbers)), unit


_MEASURES: Mapping[MetricsFunction, Callable[[Fields, MetricsAggregate, Steps], _Measure]] = {
    MetricsFunction.RATE: _count,
    MetricsFunction.COUNT_OVER_TIME: _count,
    MetricsFunction.QUANTILE_OVER_TIME: _quantiles,
    MetricsFunction.HISTOGRAM_OVER_TIME: _histogram,
} | dict.fromkeys(_AGGREGATES, _aggregate)


def _assemble(
    rows: list[dict[str, Any]], labels: list[_Label], measure: _Measure, steps: Steps, limit: int
) -> list[Series]:
    lines: dict[str, tuple[Labels, list[float | None]]] = {}
    for row in rows:
        grouped = tuple((label.name, label.read(row)) for label in labels)
        for added, value in measure.read(row):
            key = grouped + added or ((NAME, measure.name or ""),)
            _, line = lines.setdefault(repr(key), (key, [0.0 if measure.filled else None] * steps.count))
            line[row["position"]] = value
            if len(lines) * steps.count > limit:
                raise LimitExceeded(
                    f"the query makes more than {limit} points: group by fewer attributes, or ask for a longer step "
                    "or a shorter range"
                )
    return [Series(key, tuple(line)) for key, line in lines.values()]
