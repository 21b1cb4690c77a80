"""Aggregates over the spans of a set, as SQL: exact sums and means of integers, floats where one value is a float.

A span has one number, or one for each of its events or links that the expression reads. Values that are not numbers are
ignored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.arithmetic import Number
from spanlake.query.compile.fields import FieldCompiler
from spanlake.query.compile.predicates import PredicateCompiler, element_scopes
from spanlake.query.compile.sql import NUMERIC, Sql, TypedSql, TypedValue
from spanlake.traceql import ast

Over = Callable[[exp.Expr], Sql]
"""Applies an SQL aggregate to the spans of a set."""


@dataclass(frozen=True)
class Operand:
    """The numbers of each span: integers and floats, or lists of them; a column is None where there can be none."""

    whole: Sql | None
    real: Sql | None
    is_list: bool
    is_duration: bool

    @classmethod
    def of(cls, expression: ast.FieldExpression, fields: FieldCompiler) -> "Operand":
        """Compile an expression to the numbers that it has for a span."""
        predicates = PredicateCompiler(fields)
        types = {part.type for part in _numbers(expression, predicates)}
        is_duration = bool(types) and types == {ast.Type.DURATION}
        if not element_scopes(expression):
            number = Number.of(predicates.value(expression))
            return cls(number.whole, number.real, is_list=False, is_duration=is_duration)
        whole, real = (
            values.keep(items, values.not_null, "i") for items in predicates.each(expression, _pair_of(expression))
        )
        return cls(whole, real, is_list=True, is_duration=is_duration)

    @property
    def columns(self) -> Sequence[Sql | None]:
        """The columns of integers and of floats."""
        return self.whole, self.real

    @property
    def as_real(self) -> Sql:
        """The numbers as floats."""
        parts = [values.double(self.whole)] if self.whole is not None else []
        parts += [self.real] if self.real is not None else []
        return values.first_of(parts) if parts else values.double(exp.Null())

    def named(self, names: Sequence[str | None]) -> "Operand":
        """Return the operand read from columns with these names."""
        whole, real = (None if name is None else exp.column(name) for name in names)
        return Operand(whole, real, self.is_list, self.is_duration)


def _numbers(expression: ast.FieldExpression, predicates: PredicateCompiler) -> TypedValue:
    for scope in element_scopes(expression):
        predicates = PredicateCompiler(predicates.fields.bound(scope, exp.column("e")))
    return tuple(part for part in predicates.value(expression) if part.type in NUMERIC and not part.is_list)


def _pair_of(expression: ast.FieldExpression) -> Callable[[PredicateCompiler], list[Sql]]:
    def pair(predicates: PredicateCompiler) -> list[Sql]:
        number = Number.of(predicates.value(expression))
        whole, real = number.whole or exp.Null(), number.real or exp.Null()
        return [exp.cast(whole, "BIGINT"), values.double(real)]

    return pair


@dataclass(frozen=True)
class SpansetAggregates:
    """Aggregates of an operand over the spans of a set."""

    operand: Operand
    over: Over

    def value(self, function: ast.AggregateFunction) -> TypedValue:
        """Return the aggregate for comparisons and arithmetic."""
        if function in (ast.AggregateFunction.MAX, ast.AggregateFunction.MIN):
            return self._typed(*self._extreme(function))
        if function is ast.AggregateFunction.SUM:
            return self._typed(*self._total())
        return self._typed(*self._mean())

    def result(self, function: ast.AggregateFunction) -> TypedValue:
        """Return the aggregate for results: a mean of durations is truncated to nanoseconds."""
        if function is not ast.AggregateFunction.AVG or not self.operand.is_duration:
            return self.value(function)
        mean = exp.cast(exp.IntDiv(this=self._sum_whole, expression=self._count), "BIGINT")
        return (TypedSql(ast.Type.DURATION, mean),)

    def _typed(self, whole: Sql | None, real: Sql | None) -> TypedValue:
        type_ = ast.Type.DURATION if self.operand.is_duration else ast.Type.INT
        parts = ((type_, whole), (ast.Type.FLOAT, real))
        return tuple(TypedSql(type_, sql) for type_, sql in parts if sql is not None)

    def _extreme(self, function: ast.AggregateFunction) -> tuple[Sql | None, Sql | None]:
        whole, real = (self._of(column, function.value) for column in self.operand.columns)
        if whole is None or real is None:
            return whole, real
        compare = exp.GTE if function is ast.AggregateFunction.MAX else exp.LTE
        is_whole = compare(this=values.double(whole.copy()), expression=real.copy())
        first = exp.or_(values.is_null(real.copy()), is_whole)
        return values.case(first, whole), values.case(values.denied(first.copy()), real)

    def _total(self) -> tuple[Sql | None, Sql | None]:
        if self.operand.whole is None:
            return None, self._sum_real
        whole = exp.TryCast(this=self._sum_whole, to=exp.DataType.build("BIGINT"))
        both = values.double(self._sum_whole)
        if self.operand.real is None:
            return whole, values.case(values.is_null(whole.copy()), both)
        real = self._sum_real
        only_whole = values.is_null(real.copy())
        every = exp.func("coalesce", both + real, real.copy(), both.copy())
        return values.case(only_whole, whole), values.case(
            exp.or_(values.not_null(real.copy()), values.is_null(whole.copy())), every
        )

    def _mean(self) -> tuple[Sql | None, Sql | None]:
        if self.operand.is_duration:
            total, count = self._sum_whole, self._count
            is_even = exp.EQ(this=exp.Mod(this=total, expression=count), expression=exp.Literal.number(0))
            whole = exp.cast(exp.IntDiv(this=total.copy(), expression=count.copy()), "BIGINT")
            real = values.double(total.copy()) / values.double(count.copy())
            return values.case(is_even, whole), values.case(values.denied(is_even.copy()), real)
        sums = [values.double(self._sum_whole)] if self.operand.whole is not None else []
        sums += [self._sum_real] if self.operand.real is not None else []
        if not sums:
            return None, None
        total = exp.func("coalesce", sums[0] + sums[1], sums[1].copy(), sums[0].copy()) if len(sums) > 1 else sums[0]
        return None, exp.Div(this=total, expression=values.double(self._count))

    @property
    def _sum_whole(self) -> Sql:
        return self._of(self.operand.whole, "sum") or exp.Null()

    @property
    def _sum_real(self) -> Sql:
        return self._of(self.operand.real, "sum") or exp.Null()

    @cached_property
    def _count(self) -> Sql:
        """Count the numbers; NULL for none."""
        counts = [self.over(self._counting(column)) for column in self.operand.columns if column is not None]
        total = sum(counts[1:], counts[0])
        return exp.func("nullif", exp.paren(total), exp.Literal.number(0))

    def _counting(self, column: Sql) -> exp.Expr:
        if self.operand.is_list:
            return exp.Sum(this=exp.func("coalesce", exp.func("len", column.copy()), exp.Literal.number(0)))
        return exp.Count(this=column.copy())

    def _of(self, column: Sql | None, function: str) -> Sql | None:
        if column is None:
            return None
        of_span = exp.func(f"list_{function}", column.copy()) if self.operand.is_list else column.copy()
        return self.over(exp.func(function, of_span))


def count(over: Over) -> TypedValue:
    """Count the spans."""
    return (TypedSql(ast.Type.INT, over(exp.Count(this=exp.Star()))),)


def operand_of(node: ast.Aggregate, fields: FieldCompiler) -> Operand | None:
    """Compile the operand of an aggregate; None where spans are counted."""
    return None if node.operand is None else Operand.of(node.operand, fields)
