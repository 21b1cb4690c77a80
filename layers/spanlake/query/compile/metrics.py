"""Metrics functions as SQL aggregates, and histogram buckets."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.compile import sql
from spanlake.query.compile import sql as values
from spanlake.query.compile.facets import EVERYWHERE
from spanlake.query.compile.fields import AttributeSchema, FieldCompiler, span_column
from spanlake.query.compile.filters import CompiledFilter
from spanlake.query.compile.outputs import Role
from spanlake.query.compile.scalars import Operand
from spanlake.query.compile.sql import Sql
from spanlake.query.series import Labels
from spanlake.query.time_range import Steps
from spanlake.spans.arrow import Array, float64
from spanlake.traceql import ast

_OFFSET = 2_000  # more than the power of any float, so that the sign of a code is that of its bucket
_QUICK_POWER = 40
_LARGEST = 1023  # 2 to that power is a float, 2 to the next is not


def nearest_power(number: Sql, *, is_whole: bool = False) -> Sql:
    """Compile the power of two that is nearest to a number's size, by its logarithm; NULL of zero."""
    size = exp.func("nullif", exp.Abs(this=sql.double(number.copy())), exp.Literal.number(0))
    nearest = exp.func("round", exp.func("log2", size, dialect=DuckDB))
    return exp.cast(nearest, "BIGINT") if is_whole else nearest


def bucket(number: Sql, nearest: Sql, *, is_whole: bool = False) -> Sql:
    """Return the code of the bucket of a float, or of an integer, given the nearest power of two; NULL of NULL."""
    size = exp.Abs(this=sql.double(number.copy()))
    name, of_above = ("integer_power_above", number) if is_whole else ("power_above", size)
    above = exp.Anonymous(this=name, expressions=[of_above.copy(), nearest.copy()])
    below = exp.Anonymous(this="power_below", expressions=[size, nearest])
    offset = exp.Literal.number(_OFFSET)
    zero = exp.Literal.number(0)
    negative = exp.Neg(this=exp.paren(below + offset.copy()))
    ifs = [
        exp.If(this=number.copy() > zero, true=above + offset),
        exp.If(this=number.copy() < zero.copy(), true=negative),
        exp.If(this=sql.not_null(number.copy()), true=zero.copy()),
    ]
    return exp.Case(ifs=ifs)


def whole_bucket(number: Sql) -> Sql:
    """Return the same of an integer alone.

    One half less than it is no power of two, and up to 2^40 so far from one that its logarithm decides.
    """
    less = sql.double(number.copy()) - sql.double(exp.Literal.number("0.5"))
    power = exp.Ceil(this=exp.Anonymous(this="log2", expressions=[exp.paren(less)]))
    quick = exp.cast(sql.not_negative(power), "INTEGER") + exp.Literal.number(_OFFSET)
    is_small = exp.Between(this=number.copy(), low=exp.Literal.number(1), high=exp.Literal.number(1 << _QUICK_POWER))
    return sql.case(is_small, quick, bucket(number, nearest_power(number, is_whole=True), is_whole=True))


def limit(code: int) -> float:
    """Return the largest number in a bucket."""
    if code == 0:
        return 0.0
    power = abs(code) - _OFFSET
    size = 2.0**power if power <= _LARGEST else inf
    return size if code > 0 else -size


_DIGITS = 18  # behind the point, of a quantile

_AGGREGATES = {
    ast.MetricsFunction.MIN_OVER_TIME: "min",
    ast.MetricsFunction.MAX_OVER_TIME: "max",
    ast.MetricsFunction.AVG_OVER_TIME: "avg",
    ast.MetricsFunction.SUM_OVER_TIME: "sum",
}

_EXTREMES = (ast.MetricsFunction.MIN_OVER_TIME, ast.MetricsFunction.MAX_OVER_TIME)

Row = Mapping[str, Any]
Statistic = tuple[Labels, list[float | None]]  # labels to add, and what was measured of each group


def _unlabelled(_: Row) -> Labels:
    return ()


@dataclass(frozen=True)
class Measured:
    """The number of each span that is measured, and what it is to be divided by: durations are measured in seconds.

    Of a field of events or links it is a list of numbers, of this type.
    """

    sql: Sql
    unit: float
    type: pa.DataType
    is_list: bool = False

    @property
    def is_whole(self) -> bool:
        """True where all numbers are integers."""
        return self.type == pa.int64()

    @classmethod
    def of(cls, fields: FieldCompiler, node: ast.MetricsAggregate) -> "Measured":
        """Return the number of the field that a function is about."""
        assert node.operand is not None
        operand = Operand.of(node.operand, fields)
        unit = 1e9 if operand.is_duration else 1.0
        if operand.is_list:
            whole, real = (sql if sql is not None else exp.Null() for sql in operand.columns)
            every = exp.func("list_concat", values.each(whole, values.double, "w"), real)
            return cls(every, unit, pa.float64(), is_list=True)
        if operand.real is None and operand.whole is not None:
            return cls(operand.whole, unit, pa.int64())
        return cls(operand.as_real, unit, pa.float64())


@dataclass(frozen=True)
class Aggregate:
    """A metrics function compiled: columns to group by, tests, an aggregate VALUE, and the reading of their result.

    ``read`` makes of a table with VALUE, a row a group, the values of each group, once for each of the labels
    that are to be added; ``labels`` gives, for a row of ``groups``, the labels that all of these have. ``filled`` says
    that a series has a value at every point. Of series without other labels ``name`` is the label, if there is one.
    """

    value: Sql | None
    type: pa.DataType
    read: Callable[[pa.Table], Iterable[Statistic]]
    operand: Measured | None = None
    groups: tuple[exp.Expr, ...] = ()
    labels: Callable[[Row], Labels] = _unlabelled
    quantiles: tuple[float, ...] = ()
    tests: tuple[Sql, ...] = ()
    bucket: Sql | None = None
    filled: bool = False
    name: str | None = None

    @property
    def unit(self) -> float:
        """Divisor of the measured number, so that durations are in seconds."""
        return 1.0 if self.operand is None else self.operand.unit

    @property
    def is_always_there(self) -> bool:
        """True where there is a series even if no span is found, unless it is grouped."""
        return self.filled and self.name is not None


def aggregate_of(fields: FieldCompiler, node: ast.MetricsAggregate, steps: Steps) -> Aggregate:
    """Compile the aggregate that a metrics function measures."""
    return _MEASURES[node.function](fields, node, steps)


def compared(fields: FieldCompiler, node: ast.Compare) -> Aggregate:
    """Compile the side of a compare() that a span is on, as labels of the series that count all spans of a side."""
    side = exp.func("coalesce", selected(fields.known, node), exp.false())

    def labels(row: Row) -> Labels:
        return (("__meta_type", "selection_total" if row[Role.SIDE] else "baseline_total"), (EVERYWHERE, None))

    return Aggregate(None, pa.null(), lambda _: (), groups=(exp.alias_(side, Role.SIDE),), labels=labels)


def selected(schema: AttributeSchema, node: ast.Compare) -> Sql:
    """Return the test of the spans that a compare() selects."""
    found = CompiledFilter.of(node.selection.condition, schema).sql
    if not node.start_ns:
        return found
    start = span_column("start_time_unix_nano")
    return exp.and_(start > values.number(node.start_ns), start.copy() <= values.number(node.end_ns), found)


def quantile_label(quantile: float) -> Labels:
    """Return the label that tells one quantile's series from another's."""
    return (("p", quantile),)


def _count(_: FieldCompiler, node: ast.MetricsAggregate, steps: Steps) -> Aggregate:
    per = steps.seconds if node.function is ast.MetricsFunction.RATE else 1.0
    return Aggregate(
        exp.Count(this=exp.Star()),
        pa.int64(),
        lambda table: [((), _scaled(table[Role.VALUE], per))],
        filled=True,
        name=node.function.value,
    )


def _aggregate(fields: FieldCompiler, node: ast.MetricsAggregate, _: Steps) -> Aggregate:
    operand = Measured.of(fields, node)
    return Aggregate(
        exp.func(_AGGREGATES[node.function], exp.column(Role.VALUE)),
        operand.type if node.function in _EXTREMES else pa.float64(),
        lambda table: [((), _scaled(table[Role.VALUE], operand.unit))],
        operand=operand,
        tests=(values.not_null(exp.column(Role.VALUE)),),
        name=node.function.value,
    )


def _quantiles(fields: FieldCompiler, node: ast.MetricsAggregate, _: Steps) -> Aggregate:
    """Return the smallest values that are not below these shares of all values."""
    operand, quantiles = Measured.of(fields, node), node.quantiles
    wanted = exp.Array(expressions=[_share(q) for q in quantiles])

    def read(table: pa.Table) -> Iterable[Statistic]:
        for at, q in enumerate(quantiles):
            yield quantile_label(q), _scaled(pc.list_element(table[Role.VALUE], at), operand.unit)

    return Aggregate(
        exp.func("quantile_disc", exp.column(Role.VALUE), wanted),
        pa.list_(operand.type),
        read,
        operand=operand,
        quantiles=quantiles,
        tests=(values.not_null(exp.column(Role.VALUE)),),
    )


def _share(quantile: float) -> Sql:
    """Return a quantile as it is written, so that a share of a number of values is exact."""
    return exp.cast(exp.Literal.string(f"{Decimal(repr(quantile)):.{_DIGITS}f}"), f"DECIMAL(38, {_DIGITS})")


def _histogram(fields: FieldCompiler, node: ast.MetricsAggregate, _: Steps) -> Aggregate:
    """Compile counts by powers of two."""
    operand, value = Measured.of(fields, node), exp.column(Role.VALUE)

    def labels(row: Row) -> Labels:
        return (("__bucket", limit(row[Role.BUCKET]) / operand.unit),)

    return Aggregate(
        exp.Count(this=exp.Star()),
        pa.int64(),
        lambda table: [((), _scaled(table[Role.VALUE], 1.0))],
        operand=operand,
        bucket=whole_bucket(value) if operand.is_whole else bucket(value, exp.column(Role.POWER)),
        labels=labels,
        tests=(values.not_null(exp.column(Role.VALUE)),),
        filled=True,
    )


def _scaled(column: Array, unit: float) -> list[float | None]:
    found: list[float | None] = pc.divide(column.cast(pa.float64(), safe=False), float64(unit)).to_pylist()
    return found


_MEASURES: Mapping[ast.MetricsFunction, Callable[[FieldCompiler, ast.MetricsAggregate, Steps], Aggregate]] = {
    **dict.fromkeys(_AGGREGATES, _aggregate),
    ast.MetricsFunction.RATE: _count,
    ast.MetricsFunction.COUNT_OVER_TIME: _count,
    ast.MetricsFunction.QUANTILE_OVER_TIME: _quantiles,
    ast.MetricsFunction.HISTOGRAM_OVER_TIME: _histogram,
}
