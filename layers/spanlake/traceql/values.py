"""Typed SQL values: how an expression of a dynamic language is held in columns of one type each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlglot import exp

from spanlake.spans.columns import ValueType
from spanlake.traceql.tree import BinaryOperator, Static, Type

Sql = exp.Expr


@dataclass(frozen=True)
class Alternative:
    """The value where it is of one type, NULL where it is of another; a list holds any number of them."""

    type: Type
    sql: Sql
    is_list: bool = False


Value = tuple[Alternative, ...]  # at most one of them is not NULL in a row; none at all is nil everywhere

OF_COLUMN: dict[ValueType, tuple[Type, bool]] = {
    ValueType.STRING: (Type.STRING, False),
    ValueType.INT: (Type.INT, False),
    ValueType.DOUBLE: (Type.FLOAT, False),
    ValueType.BOOL: (Type.BOOL, False),
    ValueType.STRINGS: (Type.STRING, True),
    ValueType.INTS: (Type.INT, True),
    ValueType.DOUBLES: (Type.FLOAT, True),
    ValueType.BOOLS: (Type.BOOL, True),
}
NUMERIC = frozenset((Type.INT, Type.FLOAT, Type.DURATION))
COMPARISONS: dict[BinaryOperator, type[exp.Expr]] = {
    BinaryOperator.EQUAL: exp.EQ,
    BinaryOperator.NOT_EQUAL: exp.NEQ,
    BinaryOperator.LESS: exp.LT,
    BinaryOperator.LESS_EQUAL: exp.LTE,
    BinaryOperator.GREATER: exp.GT,
    BinaryOperator.GREATER_EQUAL: exp.GTE,
}
ARITHMETIC: dict[BinaryOperator, type[exp.Expr]] = {
    BinaryOperator.ADD: exp.Add,
    BinaryOperator.SUBTRACT: exp.Sub,
    BinaryOperator.MULTIPLY: exp.Mul,
    BinaryOperator.DIVIDE: exp.Div,
    BinaryOperator.MODULO: exp.Mod,
    BinaryOperator.POWER: exp.Pow,
}


def literal(static: Static) -> Sql:
    """A literal as SQL: enums by number, durations as nanoseconds."""
    if static.type is Type.STRING:
        return text(str(static.value))
    if static.type is Type.BOOL:
        return exp.Boolean(this=bool(static.value))
    if static.type is Type.FLOAT:
        return exp.cast(exp.Literal.string(repr(float(static.value))), "DOUBLE")
    return number(int(static.value))


def text(value: str) -> Sql:
    """A string; U+0000 can not stand in SQL's own literals."""
    if "\0" not in value:
        return exp.Literal.string(value)
    parts = [exp.Literal.string(part) for part in value.split("\0")]
    return exp.func("array_to_string", exp.Array(expressions=parts), exp.func("chr", exp.Literal.number(0)))


def number(value: int) -> Sql:
    """A 64-bit integer; the smallest has no literal of its own in SQL."""
    if value < -(2**63) + 1:
        return exp.cast(exp.Literal.string(str(value)), "BIGINT")
    return exp.Literal.number(value)


def false() -> Sql:
    return exp.false()


def any_of(tests: Iterable[Sql]) -> Sql:
    """OR of tests, false of none."""
    found = list(tests)
    return exp.or_(*found, copy=False) if found else false()


def all_of(tests: Iterable[Sql]) -> Sql:
    """AND of tests, true of none."""
    found = list(tests)
    return exp.and_(*found, copy=False) if found else exp.true()


def not_negative(sql: Sql) -> Sql:
    """A number, or 0 where it is below: a span that ends before it starts has lasted 0."""
    return exp.Greatest(this=sql, expressions=[exp.Literal.number(0)], ignore_nulls=True)


def compared(op: BinaryOperator, sql: Sql, literal: Sql) -> Sql:
    """A comparison of a number with a literal, of a plain column where that says the same: storage skips rows by it."""
    if isinstance(sql, exp.Greatest) and literal.is_int and int(literal.name) > 0:
        sql = sql.this
    return COMPARISONS[op](this=sql, expression=literal)


def is_null(sql: Sql) -> Sql:
    return exp.Is(this=sql, expression=exp.Null())


def not_null(sql: Sql) -> Sql:
    return exp.Not(this=is_null(sql))


def case(when: Sql, then: Sql, otherwise: Sql | None = None) -> Sql:
    """``CASE WHEN when THEN then ELSE otherwise END``; NULL where there is no otherwise."""
    return exp.Case(ifs=[exp.If(this=when, true=then)], default=otherwise)


def keep(items: Sql, test: Callable[[Sql], Sql], variable: str = "x") -> Sql:
    """The items of a list that pass a test; ``variable`` names one, different from those of lists around it."""
    body = exp.Lambda(this=test(exp.column(variable)), expressions=[exp.to_identifier(variable)])
    return exp.ArrayFilter(this=items, expression=body)


def each(items: Sql, change: Callable[[Sql], Sql], variable: str = "x") -> Sql:
    """A list with every item changed."""
    body = exp.Lambda(this=change(exp.column(variable)), expressions=[exp.to_identifier(variable)])
    return exp.func("list_transform", items, body)


def some(items: Sql, test: Callable[[Sql], Sql], variable: str = "x") -> Sql:
    """Whether an item of a list passes a test; NULL of no list."""
    return exp.GT(this=exp.func("len", keep(items, test, variable)), expression=exp.Literal.number(0))


def last(items: Sql) -> Sql:
    """The last item of a list, NULL of an empty one."""
    return exp.func("list_extract", items, exp.Literal.number(-1))


def first(items: Sql) -> Sql:
    """The first item of a list, NULL of an empty one."""
    return exp.func("list_extract", items, exp.Literal.number(1))


def member(struct: Sql, name: str | int) -> Sql:
    """A field of a struct, by its name, or by its place, from 1, where it has none."""
    key = exp.Literal.string(name) if isinstance(name, str) else exp.Literal.number(name)
    return exp.func("struct_extract", struct, key)


def present(value: Value) -> Sql:
    """Whether a value is there, of whatever type."""
    return any_of(not_null(alternative.sql) for alternative in value)


def some_row(test: Sql) -> Sql:
    """Whether a test holds in some row of a group."""
    return exp.func("bool_or", exp.func("coalesce", test, exp.false()))
