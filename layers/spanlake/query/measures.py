"""What a metrics function measures, as SQL over the matching spans, and how to read the result."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query import buckets, lossy_sums
from spanlake.query.series import Labels
from spanlake.query.steps import Steps
from spanlake.spans.arrays import Array, float64
from spanlake.traceql import values
from spanlake.traceql.facets import EVERYWHERE
from spanlake.traceql.fields import Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.tree import Compare, IntrinsicField, MetricsAggregate, MetricsFunction, Static, Type
from spanlake.traceql.values import Alternative, Sql

VALUE = "value"
BUCKET, COUNT = "bucket", "count"
_COUNTS, _POWERS = "counts", "powers"
_LISTS = {BUCKET: _POWERS, COUNT: _COUNTS}
_BATCH = 8192  # rows that are Python objects at once
_NAN = exp.cast(exp.Literal.string("NaN"), "DOUBLE")

_BUCKETED = frozenset((Type.INT, Type.DURATION))  # Tempo's histograms, which its quantiles come from, leave out floats
_AGGREGATES = {
    MetricsFunction.MIN_OVER_TIME: "min",
    MetricsFunction.MAX_OVER_TIME: "max",
    MetricsFunction.AVG_OVER_TIME: "avg",
    MetricsFunction.SUM_OVER_TIME: "sum",
}

Row = Mapping[str, Any]
Reading = tuple[Labels, list[float | None]]  # labels to add, and what was measured of each group


def _unlabelled(_: Row) -> Labels:
    return ()


@dataclass(frozen=True)
class Measure:
    """What is measured: columns to group by, tests, aggregates, and the reading of their result.

    ``read`` makes of a table of the aggregates, a row a group, the values of each group, once for each of the labels
    that are to be added; ``labels`` gives, for a row of ``groups``, the labels that all of these have. ``unit`` is what
    the operand is to be divided by.
    """

    aggregates: list[exp.Expr]
    read: Callable[[pa.Table], Iterable[Reading]]
    operand: Sql | None = None
    unit: float = 1.0
    groups: tuple[exp.Expr, ...] = ()
    labels: Callable[[Row], Labels] = _unlabelled
    quantiles: tuple[float, ...] = ()
    tests: tuple[Sql, ...] = ()
    filled: bool = False
    bucket: Sql | None = None  # of the operand; the aggregates are of buckets then, of which each has a COUNT
    is_lossy: bool = False  # a sum to which the order of spans matters, and those that fail the tests
    name: str | None = None  # of series without labels


@dataclass(frozen=True)
class Asked:
    """A metrics function, the points it is asked for, and how many spans each one that is measured stands for."""

    node: MetricsAggregate
    steps: Steps
    scale: float = 1.0


def measure_of(fields: Fields, asked: Asked, *, exact: bool) -> Measure:
    """What a metrics function measures, ``exact`` or as Tempo estimates it."""
    exactly = _EXACT.get(asked.node.function) if exact else None
    return (exactly or _MEASURES[asked.node.function])(fields, asked)


def compared(fields: Fields, node: Compare) -> Measure:
    """Nothing but the side of a compare() that a span is on, told by the labels of the series that counts them all."""
    selected = Predicates(fields).truth(node.selection.condition)
    if node.start_ns:
        start = fields.column("start_time_unix_nano")
        selected = exp.and_(start >= values.number(node.start_ns), start < values.number(node.end_ns), selected)
    side = exp.func("coalesce", selected, exp.false())

    def labels(row: Row) -> Labels:
        return (("__meta_type", "selection_total" if row["selected"] else "baseline_total"), (EVERYWHERE, "nil"))

    return Measure([], lambda _: (), groups=(exp.alias_(side, "selected"),), labels=labels)


def quantile_label(quantile: float) -> Labels:
    """The label that tells one quantile's series from another's."""
    return (("p", quantile),)


def _count(_: Fields, asked: Asked) -> Measure:
    per = asked.steps.seconds if asked.node.function is MetricsFunction.RATE else 1.0
    return Measure(
        [exp.alias_(exp.Count(this=exp.Star()), VALUE)],
        lambda table: [((), _scaled(table[VALUE], per, asked.scale))],
        filled=True,
        name=asked.node.function.value,
    )


def _aggregate(fields: Fields, asked: Asked) -> Measure:
    operand, unit = _numbers(fields, asked.node)
    function = asked.node.function
    scale = asked.scale if function is MetricsFunction.SUM_OVER_TIME else 1.0
    return Measure(
        [exp.alias_(exp.func(_AGGREGATES[function], exp.column(VALUE)), VALUE)],
        lambda table: [((), _scaled(table[VALUE], unit, scale))],
        operand=operand,
        unit=unit,
        tests=(values.not_null(exp.column(VALUE)),),
        name=function.value,
    )


def _lossy_sum(fields: Fields, asked: Asked) -> Measure:
    """The sum of what some spans may lack, as Tempo makes it."""
    if isinstance(asked.node.operand, IntrinsicField):
        return _aggregate(fields, asked)
    operand, unit = _numbers(fields, asked.node)

    def read(table: pa.Table) -> Iterable[Reading]:
        totals = (lossy_sums.read(row) for batch in table.to_batches(max_chunksize=_BATCH) for row in batch.to_pylist())
        return [((), [None if total is None else total / unit * asked.scale for total in totals])]

    return Measure(
        lossy_sums.aggregates(exp.column(VALUE)),
        read,
        operand=operand,
        unit=unit,
        tests=(values.not_null(exp.column(VALUE)),),
        is_lossy=True,
        name=asked.node.function.value,
    )


def _estimates(fields: Fields, asked: Asked) -> Measure:
    """Quantiles as Tempo estimates them from the buckets of a histogram."""
    operand, unit = _numbers(fields, asked.node, _BUCKETED)
    quantiles = asked.node.quantiles

    def read(table: pa.Table) -> Iterable[Reading]:
        powers, counts = table[_POWERS].combine_chunks(), table[_COUNTS].combine_chunks()
        for q, found in zip(quantiles, buckets.estimates(powers, counts, quantiles, asked.scale), strict=True):
            yield quantile_label(q), _scaled(found, unit)

    return Measure(
        [exp.alias_(exp.ArrayAgg(this=exp.column(name)), lists) for name, lists in _LISTS.items()],
        read,
        operand=operand,
        unit=unit,
        quantiles=quantiles,
        tests=(exp.GTE(this=exp.column(VALUE), expression=exp.Literal.number(buckets.LEAST)),),
        filled=True,
        bucket=buckets.bucket(operand.copy()),
    )


def _quantiles(fields: Fields, asked: Asked) -> Measure:
    """Exact quantiles: the smallest value that is not below that share of all the values."""
    operand, unit = _numbers(fields, asked.node)
    quantiles = asked.node.quantiles
    wanted = exp.Array(expressions=[values.literal(Static(Type.FLOAT, q)) for q in quantiles])
    least = exp.Literal.number(buckets.LEAST if unit > 1 else 0)

    def read(table: pa.Table) -> Iterable[Reading]:
        for at, q in enumerate(quantiles):
            yield quantile_label(q), _scaled(pc.list_element(table[VALUE], at), unit)

    return Measure(
        [exp.alias_(exp.func("quantile_disc", exp.column(VALUE), wanted), VALUE)],
        read,
        operand=operand,
        unit=unit,
        quantiles=quantiles,
        tests=(exp.GTE(this=exp.column(VALUE), expression=least),),
        filled=True,
    )


def _histogram(fields: Fields, asked: Asked) -> Measure:
    """Counts by powers of two."""
    return _counted_by_bucket(*_numbers(fields, asked.node, _BUCKETED), asked.scale)


def _histogram_of_all(fields: Fields, asked: Asked) -> Measure:
    """The same, of floats too."""
    return _counted_by_bucket(*_numbers(fields, asked.node), asked.scale)


def _counted_by_bucket(operand: Sql, unit: float, scale: float) -> Measure:
    def labels(row: Row) -> Labels:
        return (("__bucket", buckets.limit(row[BUCKET]) / unit),)

    return Measure(
        [exp.alias_(exp.Count(this=exp.Star()), VALUE)],
        lambda table: [((), _scaled(table[VALUE], 1.0, scale))],
        groups=(exp.alias_(buckets.bucket(operand), BUCKET),),
        labels=labels,
        tests=(values.not_null(exp.column(BUCKET)),),
        filled=True,
    )


def _scaled(column: Array, unit: float, scale: float = 1.0) -> list[float | None]:
    numbers = pc.divide(column.cast(pa.float64()), float64(unit))
    found: list[float | None] = pc.multiply(numbers, float64(scale)).to_pylist()
    return found


def _numbers(fields: Fields, node: MetricsAggregate, types: Container[Type] = values.NUMERIC) -> tuple[Sql, float]:
    """The operand's number, of some types, and what it is to be divided by: durations are measured in seconds."""
    assert node.operand is not None
    parts = [part for part in fields.fetched(node.operand) if part.type in types and not part.is_list]
    unit = 1e9 if any(part.type is Type.DURATION for part in parts) else 1.0
    numbers = [_number(part) for part in parts] or [exp.cast(exp.Null(), "DOUBLE")]
    return (numbers[0] if len(numbers) == 1 else exp.func("coalesce", *numbers)), unit


def _number(part: Alternative) -> Sql:
    """A value as a float, NULL for one that is not a number."""
    number = exp.cast(part.sql, "DOUBLE")
    return exp.func("nullif", number, _NAN.copy()) if part.type is Type.FLOAT else number


_Measures = Mapping[MetricsFunction, Callable[[Fields, Asked], Measure]]

_EXACT: _Measures = {
    MetricsFunction.SUM_OVER_TIME: _aggregate,
    MetricsFunction.QUANTILE_OVER_TIME: _quantiles,
    MetricsFunction.HISTOGRAM_OVER_TIME: _histogram_of_all,
}
_MEASURES: _Measures = dict.fromkeys(_AGGREGATES, _aggregate) | {
    MetricsFunction.RATE: _count,
    MetricsFunction.COUNT_OVER_TIME: _count,
    MetricsFunction.SUM_OVER_TIME: _lossy_sum,
    MetricsFunction.QUANTILE_OVER_TIME: _estimates,
    MetricsFunction.HISTOGRAM_OVER_TIME: _histogram,
}
