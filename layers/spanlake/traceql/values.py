"""Typed SQL values: how an expression of a dynamic language is held in columns of one type each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlglot import exp

from spanlake.spans.columns import ValueType
from spanlake.traceql.tree import BinaryOperator, Static, Type

Sql = exp.Expr


@dataclass(frozen=True)
class Alternative:
    """The value where it is of one type, NULL where it is of another; a list holds any number of them.

    An alternative without a type is OTLP JSON: a list, a map or bytes, which are shown and grouped by, not compared.
    """

    type: Type | None
    sql: Sql
    is_list: bool = False


Value = tuple[Alternative, ...]
"""The types that a value can have. No alternative at all is nil in every row.

In a row at most one single value is not NULL, and none beside a list. A list of several types has its items of each
type in a list of their own; an empty list is an empty list of every type.
"""

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
WHOLE = frozenset((Type.INT, Type.DURATION))
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
    """OR of tests without those that are constant, false of none."""
    found = [test for test in tests if test != exp.false()]
    if exp.true() in found:
        return exp.true()
    return exp.or_(*found, copy=False) if found else false()


def all_of(tests: Iterable[Sql]) -> Sql:
    """AND of tests without those that are constant, true of none."""
    found = [test for test in tests if test != exp.true()]
    if exp.false() in found:
        return exp.false()
    return exp.and_(*found, copy=False) if found else exp.true()


def denied(test: Sql) -> Sql:
    """The opposite of a test, where NULL counts as false."""
    if isinstance(test, exp.Boolean):
        return exp.Boolean(this=not test.this)
    return exp.not_(exp.func("coalesce", test, exp.false()))


def opposite(test: Sql) -> Sql:
    """The opposite of a test, NULL of NULL."""
    if isinstance(test, exp.Boolean):
        return exp.Boolean(this=not test.this)
    return exp.not_(exp.paren(test))


def first_of(found: Iterable[Sql]) -> Sql:
    """The first value that is not NULL; there must be one expression."""
    one, *others = found
    return exp.func("coalesce", one, *others) if others else one


def double(sql: Sql) -> Sql:
    """A number as a float."""
    return exp.cast(sql, "DOUBLE")


def not_negative(sql: Sql) -> Sql:
    """A number, or 0 where it is below: a span that ends before it starts has lasted 0."""
    return exp.Greatest(this=sql, expressions=[exp.Literal.number(0)], ignore_nulls=True)


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


JSON_MEMBERS: dict[Type, tuple[str, str]] = {
    Type.STRING: ("stringValue", "VARCHAR"),
    Type.INT: ("intValue", "BIGINT"),
    Type.FLOAT: ("doubleValue", "DOUBLE"),
    Type.BOOL: ("boolValue", "BOOLEAN"),
}
"""The member of a value in OTLP JSON that holds a type, and SQL's name of the type."""
_ITEMS = "$.arrayValue.values[*]"


def json_member(json: Sql, type_: Type) -> Sql:
    """The value of a type in OTLP JSON, NULL where it has another."""
    name, sql_type = JSON_MEMBERS[type_]
    text = exp.func("json_extract_string", json, exp.Literal.string(f"$.{name}"))
    return exp.TryCast(this=text, to=exp.DataType.build(sql_type))


def json_items(json: Sql, type_: Type) -> Sql:
    """The items of a type of a list in OTLP JSON: NULL where it has others only, and where it is no list."""
    name, sql_type = JSON_MEMBERS[type_]
    texts = exp.func("json_extract_string", json, exp.Literal.string(f"{_ITEMS}.{name}"))
    typed = exp.TryCast(this=texts, to=exp.DataType.build(f"{sql_type}[]", dialect="duckdb"))
    has_some = exp.GT(this=exp.func("len", texts.copy()), expression=exp.Literal.number(0))
    is_empty = exp.EQ(this=json.copy(), expression=exp.Literal.string('{"arrayValue":{}}'))
    return case(exp.or_(has_some, is_empty), typed)


def json_list(json: Sql) -> Sql:
    """The items of a list in OTLP JSON, as JSON themselves; NULL where it is no list."""
    is_list = exp.func("starts_with", json, exp.Literal.string('{"arrayValue"'))
    return case(is_list, exp.func("json_extract", json.copy(), exp.Literal.string(_ITEMS)))


def json_nested(json: Sql) -> Sql:
    """OTLP JSON of a list, a map or bytes; NULL of other values and of none."""
    tests = (
        exp.func("starts_with", json.copy(), exp.Literal.string(f'{{"{name}'))
        for name in ("arrayValue", "kvlistValue", "bytesValue")
    )
    return case(exp.or_(*tests), json)


def json_present(json: Sql) -> Sql:
    """True where there is a value."""
    absent = exp.In(this=json, expressions=[exp.Literal.string("{}"), exp.Literal.string("null")])
    return exp.func("coalesce", exp.not_(absent), exp.false())


def struct(members: Iterable[Sql]) -> Sql:
    """A struct of members named ``v0``, ``v1`` and so on."""
    named = (exp.PropertyEQ(this=exp.to_identifier(f"v{n}"), expression=sql) for n, sql in enumerate(members))
    return exp.Struct(expressions=list(named))
