"""What a metrics function measures, as SQL over the matching spans, and how to read the result."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlglot import exp

from spanlake.query.series import Labels
from spanlake.query.steps import Steps
from spanlake.traceql import values
from spanlake.traceql.facets import EVERYWHERE
from spanlake.traceql.fields import Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.tree import Compare, MetricsAggregate, MetricsFunction, Static, Type
from spanlake.traceql.values import Sql

VALUE = "value"

_LEAST_MEASURED = 2  # nanoseconds: Tempo's histograms, which its quantiles come from, leave out shorter durations
_LARGEST_BUCKET = 1023  # 2 to that power is a float, 2 to the next is not
_AGGREGATES = {
    MetricsFunction.MIN_OVER_TIME: "min",
    MetricsFunction.MAX_OVER_TIME: "max",
    MetricsFunction.AVG_OVER_TIME: "avg",
    MetricsFunction.SUM_OVER_TIME: "sum",
}

Row = Mapping[str, Any]


def _unlabelled(_: Row) -> Labels:
    return ()


@dataclass(frozen=True)
class Measure:
    """What is measured: columns to group by, tests, aggregates, and the reading of their result.

    ``read`` gives, for a row of the aggregates, labels to add and values; ``labels`` gives, for a row of the groups
    alone, the labels that all of these have. ``unit`` is what the operand is to be divided by.
    """

    aggregates: list[exp.Expr]
    read: Callable[[Row], Iterable[tuple[Labels, float | None]]]
    operand: Sql | None = None
    unit: float = 1.0
    groups: tuple[exp.Expr, ...] = ()
    labels: Callable[[Row], Labels] = _unlabelled
    quantiles: tuple[float, ...] = ()
    tests: tuple[Sql, ...] = ()
    filled: bool = False
    name: str | None = None  # of series without labels


def measure_of(fields: Fields, node: MetricsAggregate, steps: Steps) -> Measure:
    """What a metrics function measures."""
    return _MEASURES[node.function](fields, node, steps)


def compared(fields: Fields, node: Compare) -> Measure:
    """Nothing but the side of a compare() that a span is on, told by the labels of the series that counts them all."""
    selected = Predicates(fields).truth(node.selection.condition)
    if node.start_ns:
        start = fields.column("start_time_unix_nano")
        selected = exp.and_(start >= values.number(node.start_ns), start < values.number(node.end_ns), selected)
    side = exp.func("coalesce", selected, exp.false())

    def labels(row: Row) -> Labels:
        return (("__meta_type", "selection_total" if row["selected"] else "baseline_total"), (EVERYWHERE, "nil"))

    return Measure([], lambda _: [], groups=(exp.alias_(side, "selected"),), labels=labels)


def quantile_label(quantile: float) -> Labels:
    """The label that tells one quantile's series from another's."""
    return (("p", quantile),)


def _count(_: Fields, node: MetricsAggregate, steps: Steps) -> Measure:
    per = steps.seconds if node.function is MetricsFunction.RATE else 1.0
    return Measure(
        [exp.alias_(exp.Count(this=exp.Star()), VALUE)],
        lambda row: [((), row[VALUE] / per)],
        filled=True,
        name=node.function.value,
    )


def _aggregate(fields: Fields, node: MetricsAggregate, _: Steps) -> Measure:
    operand, unit = _numbers(fields, node)
    return Measure(
        [exp.alias_(exp.func(_AGGREGATES[node.function], exp.column(VALUE)), VALUE)],
        lambda row: [((), row[VALUE] / unit)],
        operand=operand,
        unit=unit,
        tests=(values.not_null(exp.column(VALUE)),),
        name=node.function.value,
    )


def _quantiles(fields: Fields, node: MetricsAggregate, _: Steps) -> Measure:
    """Exact quantiles: the smallest value that is not below that share of all the values."""
    operand, unit = _numbers(fields, node)
    wanted = exp.Array(expressions=[values.literal(Static(Type.FLOAT, q)) for q in node.quantiles])
    least = exp.Literal.number(_LEAST_MEASURED if unit > 1 else 0)

    def read(row: Row) -> Iterable[tuple[Labels, float | None]]:
        return [(quantile_label(q), value / unit) for q, value in zip(node.quantiles, row[VALUE], strict=True)]

    return Measure(
        [exp.alias_(exp.func("quantile_disc", exp.column(VALUE), wanted), VALUE)],
        read,
        operand=operand,
        unit=unit,
        quantiles=node.quantiles,
        tests=(exp.GTE(this=exp.column(VALUE), expression=least),),
        filled=True,
    )


def _histogram(fields: Fields, node: MetricsAggregate, _: Steps) -> Measure:
    """Counts by powers of two: a bucket holds what is above half of its label and not above it."""
    operand, unit = _numbers(fields, node)
    bucket = exp.TryCast(this=exp.Ceil(this=exp.func("log2", operand)), to=exp.DataType.build("INTEGER"))

    def labels(row: Row) -> Labels:
        limit = 2.0 ** row["bucket"] if row["bucket"] <= _LARGEST_BUCKET else inf
        return (("__bucket", limit / unit),)

    return Measure(
        [exp.alias_(exp.Count(this=exp.Star()), VALUE)],
        lambda row: [(labels(row), float(row[VALUE]))],
        groups=(exp.alias_(values.case(operand >= exp.Literal.number(_LEAST_MEASURED), bucket), "bucket"),),
        labels=labels,
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


_MEASURES: Mapping[MetricsFunction, Callable[[Fields, MetricsAggregate, Steps], Measure]] = {
    MetricsFunction.RATE: _count,
    MetricsFunction.COUNT_OVER_TIME: _count,
    MetricsFunction.QUANTILE_OVER_TIME: _quantiles,
    MetricsFunction.HISTOGRAM_OVER_TIME: _histogram,
} | dict.fromkeys(_AGGREGATES, _aggregate)
