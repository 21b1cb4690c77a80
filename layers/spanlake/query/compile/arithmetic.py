"""Arithmetic between numbers as SQL.

Integers, including durations, are computed exactly. A result beyond 64 bits is a float, and so is the result where an
operand is a float. An undefined result, such as a division by zero, is nil.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.sql import WHOLE, Sql, TypedSql, TypedValue
from spanlake.traceql import ast

_NAN = "NaN"
_QUIET = (ast.BinaryOperator.ADD, ast.BinaryOperator.SUBTRACT, ast.BinaryOperator.MULTIPLY)
"""Operators that raise no error with floats; what they make of NaN is NaN."""
_LONGEST_POWER = 64  # factors: the powers of all integers but 0, 1 and -1 exceed 64 bits with more


Build = Callable[[], Sql]
"""Builds an expression anew: it is part of several others, and copying nested copies would take long."""


@dataclass(frozen=True)
class Number:
    """A number: ``whole`` where it is an integer, ``real`` where it is a float. At most one is not NULL in a row."""

    make_whole: Build | None = None
    make_real: Build | None = None

    @classmethod
    def of(cls, value: TypedValue) -> "Number":
        """Select the number among the single values of a field or an expression; NaN is not a number here."""
        whole = [part.sql for part in value if part.type in WHOLE and not part.is_list]
        real = [part.sql for part in value if part.type is ast.Type.FLOAT and not part.is_list]
        return cls(
            (lambda: _first_of([sql.copy() for sql in whole])) if whole else None,
            (lambda: _first_of([number(sql.copy()) for sql in real])) if real else None,
        )

    @property
    def whole(self) -> Sql | None:
        """The integer, None where no row has an integer."""
        return None if self.make_whole is None else self.make_whole()

    @property
    def real(self) -> Sql | None:
        """The float, None where no row has a float."""
        return None if self.make_real is None else self.make_real()

    @property
    def value(self) -> TypedValue:
        """The number as a typed value."""
        parts = ((ast.Type.INT, self.whole), (ast.Type.FLOAT, self.real))
        return tuple(TypedSql(type_, sql) for type_, sql in parts if sql is not None)

    def as_real(self) -> Sql:
        """Return the number as a float, whatever its type."""
        parts = [_double(self.make_whole())] if self.make_whole is not None else []
        parts += [self.make_real()] if self.make_real is not None else []
        return _first_of(parts) if parts else _double(exp.Null())

    @property
    def is_nil(self) -> bool:
        """True where no row has a number."""
        return self.make_whole is None and self.make_real is None


def number(sql: Sql) -> Sql:
    """Return a float, NULL for NaN."""
    return exp.Nullif(this=sql, expression=_double(exp.Literal.string(_NAN)))


def bare(sql: Sql) -> Sql:
    """Return a float, perhaps NaN where ``number`` returned NULL: SQL computes what stands in NULLIF() twice."""
    if isinstance(sql, exp.Nullif) and isinstance(sql.expression, exp.Cast) and sql.expression.this.name == _NAN:
        found: Sql = sql.this
        return found
    if isinstance(sql, exp.Case) and len(sql.args["ifs"]) == 1 and sql.args.get("default") is None:
        (one,) = sql.args["ifs"]
        inside = bare(one.args["true"])
        return sql if inside is one.args["true"] else _case(one.this.copy(), inside.copy())
    return sql


def compute(op: ast.BinaryOperator, left: Number, right: Number) -> Number:
    """Compile an operation between two numbers."""
    if left.is_nil or right.is_nil:
        return Number()

    def real() -> Sql:
        if op in _QUIET:
            return number(_plain(op)(lambda: bare(left.as_real()), lambda: bare(right.as_real())))
        return number(exp.Try(this=_REAL.get(op, _plain(op))(left.as_real, right.as_real)))

    one, other = left.make_whole, right.make_whole
    if one is None or other is None:
        return Number(make_real=real)
    whole = partial(_WHOLE.get(op, _exact(op)), one, other)
    return Number(whole, lambda: _where_null(whole, real))


def negated(operand: Number) -> Number:
    """Compile the negation of a number."""
    make_whole, make_real = operand.make_whole, operand.make_real
    if make_whole is None:
        return Number(make_real=None if make_real is None else lambda: exp.Neg(this=exp.Paren(this=make_real())))

    def whole() -> Sql:
        return exp.Try(this=exp.Neg(this=exp.Paren(this=make_whole())))

    return Number(whole, lambda: _where_null(whole, lambda: exp.Neg(this=exp.Paren(this=operand.as_real()))))


def _where_null(whole: Build, real: Build) -> Sql:
    return _case(exp.Is(this=whole(), expression=exp.Null()), real())


def _first_of(parts: list[Sql]) -> Sql:
    return exp.Coalesce(this=parts[0], expressions=parts[1:]) if len(parts) > 1 else parts[0]


def _double(sql: Sql) -> Sql:
    return exp.Cast(this=sql, to=exp.DataType.build("DOUBLE"))


def _case(when: Sql, then: Sql) -> Sql:
    return exp.Case(ifs=[exp.If(this=when, true=then)])


def _unless_zero(sql: Sql) -> Sql:
    return exp.Nullif(this=sql, expression=exp.Literal.number(0))


def _exact(op: ast.BinaryOperator) -> Callable[[Build, Build], Sql]:
    def exact(left: Build, right: Build) -> Sql:
        return exp.Try(this=values.ARITHMETIC[op](this=exp.Paren(this=left()), expression=exp.Paren(this=right())))

    return exact


def _plain(op: ast.BinaryOperator) -> Callable[[Build, Build], Sql]:
    return lambda left, right: exp.Paren(this=values.ARITHMETIC[op](this=left(), expression=right()))


def _quotient(left: Build, right: Build) -> Sql:
    return exp.Try(this=exp.IntDiv(this=exp.Paren(this=left()), expression=_unless_zero(right())))


def _remainder(left: Build, right: Build) -> Sql:
    return exp.Try(this=exp.Mod(this=exp.Paren(this=left()), expression=_unless_zero(right())))


def _real_quotient(left: Build, right: Build) -> Sql:
    return exp.Paren(this=exp.Div(this=left(), expression=_unless_zero(right())))


def _real_remainder(left: Build, right: Build) -> Sql:
    return exp.Paren(this=exp.Mod(this=left(), expression=_unless_zero(right())))


def _power(base: Build, exponent: Build) -> Sql:
    """Compile a product of integers, rounded like floats; powers of 0, 1 and -1 take two factors at most."""
    zero, one, two = (exp.Literal.number(n) for n in range(3))
    most = exp.Literal.number(_LONGEST_POWER)
    is_small = exp.Between(this=exp.Paren(this=base()), low=exp.Literal.number(-1), high=one)
    is_odd = exp.Mod(this=exp.Paren(this=exponent()), expression=two.copy())
    few = exp.Least(this=exponent(), expressions=[exp.Paren(this=exp.Sub(this=two, expression=is_odd))])
    many = exp.Least(this=exponent(), expressions=[most])
    count = exp.Case(ifs=[exp.If(this=is_small, true=few)], default=many)
    counted = exp.Cast(this=count, to=exp.DataType.build("BIGINT"))
    product = exp.Anonymous(this="integer_power", expressions=[base(), counted])
    return _case(exp.GTE(this=exp.Paren(this=exponent()), expression=zero), exp.Try(this=product))


def _real_power(base: Build, exponent: Build) -> Sql:
    """Compile a power of floats; 0 to a negative power, and results beyond the range of floats, are NULL."""
    largest = _double(exp.Literal.string("1.7976931348623157e308"))
    is_finite = exp.LTE(this=exp.Abs(this=exp.Pow(this=base(), expression=exponent())), expression=largest)
    return _case(is_finite, exp.Pow(this=base(), expression=exponent()))


_WHOLE: Mapping[ast.BinaryOperator, Callable[[Build, Build], Sql]] = {
    ast.BinaryOperator.DIVIDE: _quotient,
    ast.BinaryOperator.MODULO: _remainder,
    ast.BinaryOperator.POWER: _power,
}
_REAL: Mapping[ast.BinaryOperator, Callable[[Build, Build], Sql]] = {
    ast.BinaryOperator.DIVIDE: _real_quotient,
    ast.BinaryOperator.MODULO: _real_remainder,
    ast.BinaryOperator.POWER: _real_power,
}
