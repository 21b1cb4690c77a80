"""Arithmetic between numbers as SQL.

Integers, durations among them, are computed exactly. A result beyond 64 bits is a float, and so is any with a float on
a side. What has no result, as a division by zero, is nil.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.tree import BinaryOperator, Type
from spanlake.traceql.values import WHOLE, Alternative, Sql, Value

_LONGEST_POWER = 64  # factors: with more, all but 0, 1 and -1 exceed 64 bits


@dataclass(frozen=True)
class Number:
    """A number: ``whole`` where it is an integer, ``real`` where it is a float. At most one is not NULL in a row."""

    whole: Sql | None = None
    real: Sql | None = None

    @classmethod
    def of(cls, value: Value) -> "Number":
        """The number among the single values of a field or an expression; NaN is none."""
        whole = [part.sql for part in value if part.type in WHOLE and not part.is_list]
        real = [number(part.sql) for part in value if part.type is Type.FLOAT and not part.is_list]
        return cls(values.first_of(whole) if whole else None, values.first_of(real) if real else None)

    @property
    def value(self) -> Value:
        """The number as a value of a type."""
        parts = ((Type.INT, self.whole), (Type.FLOAT, self.real))
        return tuple(Alternative(type_, sql) for type_, sql in parts if sql is not None)

    @property
    def as_real(self) -> Sql:
        """The number as a float, whatever it is."""
        parts = [values.double(self.whole.copy())] if self.whole is not None else []
        parts += [self.real.copy()] if self.real is not None else []
        return values.first_of(parts) if parts else values.double(exp.Null())

    @property
    def is_nil(self) -> bool:
        """True where there is no number in any row."""
        return self.whole is None and self.real is None


def number(sql: Sql) -> Sql:
    """A float, NULL for NaN."""
    return exp.func("nullif", sql, exp.cast(exp.Literal.string("NaN"), "DOUBLE"))


def compute(op: BinaryOperator, left: Number, right: Number) -> Number:
    """The result of an operation between two numbers."""
    if left.is_nil or right.is_nil:
        return Number()
    real = _REAL.get(op, _plain(op))(left.as_real, right.as_real)
    if left.whole is None or right.whole is None:
        return Number(real=_finite(real))
    whole = _WHOLE.get(op, _exact(op))(left.whole.copy(), right.whole.copy())
    return Number(whole, values.case(values.is_null(whole.copy()), _finite(real)))


def negated(operand: Number) -> Number:
    """A number with the other sign."""
    if operand.whole is None:
        return Number(real=None if operand.real is None else exp.Neg(this=exp.paren(operand.real)))
    whole = _tried(exp.Neg(this=exp.paren(operand.whole.copy())))
    return Number(whole, values.case(values.is_null(whole.copy()), exp.Neg(this=exp.paren(operand.as_real))))


def _tried(sql: Sql) -> Sql:
    return exp.func("try", sql)


def _finite(sql: Sql) -> Sql:
    return number(_tried(sql))


def _exact(op: BinaryOperator) -> Callable[[Sql, Sql], Sql]:
    return lambda left, right: _tried(values.ARITHMETIC[op](this=exp.paren(left), expression=exp.paren(right)))


def _plain(op: BinaryOperator) -> Callable[[Sql, Sql], Sql]:
    return lambda left, right: exp.paren(values.ARITHMETIC[op](this=left, expression=right))


def _quotient(left: Sql, right: Sql) -> Sql:
    return _tried(exp.IntDiv(this=exp.paren(left), expression=_unless_zero(right)))


def _remainder(left: Sql, right: Sql) -> Sql:
    return _tried(exp.Mod(this=exp.paren(left), expression=_unless_zero(right)))


def _unless_zero(sql: Sql) -> Sql:
    return exp.func("nullif", sql, exp.Literal.number(0))


def _real_quotient(left: Sql, right: Sql) -> Sql:
    return exp.paren(exp.Div(this=left, expression=_unless_zero(right)))


def _real_remainder(left: Sql, right: Sql) -> Sql:
    return exp.paren(exp.Mod(this=left, expression=_unless_zero(right)))


def _power(base: Sql, exponent: Sql) -> Sql:
    """A product of integers, as floats would round it; the powers of 0, 1 and -1 take two factors at most."""
    zero, one, two = (exp.Literal.number(n) for n in range(3))
    most = exp.Literal.number(_LONGEST_POWER)
    is_small = exp.Between(this=exp.paren(base.copy()), low=exp.Literal.number(-1), high=one)
    is_odd = exp.Mod(this=exp.paren(exponent.copy()), expression=two.copy())
    few = exp.Least(this=exponent.copy(), expressions=[two - is_odd])
    count = values.case(is_small, few, exp.Least(this=exponent.copy(), expressions=[most]))
    product = exp.Anonymous(this="integer_power", expressions=[base, exp.cast(count, "BIGINT")])
    return values.case(exponent.copy() >= zero, _tried(product))


def _real_power(base: Sql, exponent: Sql) -> Sql:
    """Zero to a negative power, and what exceeds a float, is no number."""
    power = exp.Pow(this=base, expression=exponent)
    largest = exp.cast(exp.Literal.string("1.7976931348623157e308"), "DOUBLE")
    return values.case(exp.LTE(this=exp.Abs(this=power), expression=largest), power.copy())


_WHOLE: Mapping[BinaryOperator, Callable[[Sql, Sql], Sql]] = {
    BinaryOperator.DIVIDE: _quotient,
    BinaryOperator.MODULO: _remainder,
    BinaryOperator.POWER: _power,
}
_REAL: Mapping[BinaryOperator, Callable[[Sql, Sql], Sql]] = {
    BinaryOperator.DIVIDE: _real_quotient,
    BinaryOperator.MODULO: _real_remainder,
    BinaryOperator.POWER: _real_power,
}
