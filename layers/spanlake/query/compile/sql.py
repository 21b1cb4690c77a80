"""Typed SQL values, an expression of a dynamic language in columns of one type each; and Arrow tables in SQL.

The tree of a query holds the rows of Arrow tables, so that it says by itself what it reads. An engine that runs the
query asks for them with ``memory_tables``. Names are for readers of the SQL; different rows in one query have
different names.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.spans.columns import ValueType
from spanlake.traceql import ast

Sql = exp.Expr


@dataclass(frozen=True)
class TypedSql:
    """A value where it has one type, NULL where it has another; a list holds any number of them.

    An alternative without a type is OTLP JSON: a list, a map or bytes, for results and grouping only.
    """

    type: ast.Type | None
    sql: Sql
    is_list: bool = False


TypedValue = tuple[TypedSql, ...]
"""Alternatives of a value, by type. No alternative at all is nil in every row.

In a row at most one single value is not NULL, and none beside a list. A list of several types is split into a list for
each type; an empty list is an empty list of every type.
"""

OF_COLUMN: dict[ValueType, tuple[ast.Type, bool]] = {
    ValueType.STRING: (ast.Type.STRING, False),
    ValueType.INT: (ast.Type.INT, False),
    ValueType.DOUBLE: (ast.Type.FLOAT, False),
    ValueType.BOOL: (ast.Type.BOOL, False),
    ValueType.STRINGS: (ast.Type.STRING, True),
    ValueType.INTS: (ast.Type.INT, True),
    ValueType.DOUBLES: (ast.Type.FLOAT, True),
    ValueType.BOOLS: (ast.Type.BOOL, True),
}
NUMERIC = frozenset((ast.Type.INT, ast.Type.FLOAT, ast.Type.DURATION))
WHOLE = frozenset((ast.Type.INT, ast.Type.DURATION))
COMPARISONS: dict[ast.BinaryOperator, type[exp.Expr]] = {
    ast.BinaryOperator.EQUAL: exp.EQ,
    ast.BinaryOperator.NOT_EQUAL: exp.NEQ,
    ast.BinaryOperator.LESS: exp.LT,
    ast.BinaryOperator.LESS_EQUAL: exp.LTE,
    ast.BinaryOperator.GREATER: exp.GT,
    ast.BinaryOperator.GREATER_EQUAL: exp.GTE,
}
ARITHMETIC: dict[ast.BinaryOperator, type[exp.Expr]] = {
    ast.BinaryOperator.ADD: exp.Add,
    ast.BinaryOperator.SUBTRACT: exp.Sub,
    ast.BinaryOperator.MULTIPLY: exp.Mul,
    ast.BinaryOperator.DIVIDE: exp.Div,
    ast.BinaryOperator.MODULO: exp.Mod,
    ast.BinaryOperator.POWER: exp.Pow,
}


def literal(static: ast.Static) -> Sql:
    """Write a literal as SQL: enums by number, durations as nanoseconds."""
    if static.type is ast.Type.STRING:
        return text(str(static.value))
    if static.type is ast.Type.BOOL:
        return exp.Boolean(this=bool(static.value))
    if static.type is ast.Type.FLOAT:
        return exp.cast(exp.Literal.string(repr(float(static.value))), "DOUBLE")
    return number(int(static.value))


def text(value: str) -> Sql:
    """Write a string; U+0000 cannot be in an SQL literal."""
    if "\0" not in value:
        return exp.Literal.string(value)
    parts = [exp.Literal.string(part) for part in value.split("\0")]
    return exp.func("array_to_string", exp.Array(expressions=parts), exp.func("chr", exp.Literal.number(0)))


def number(value: int) -> Sql:
    """Write a 64-bit integer; the smallest has no literal in SQL."""
    if value < -(2**63) + 1:
        return exp.cast(exp.Literal.string(str(value)), "BIGINT")
    return exp.Literal.number(value)


def false() -> Sql:
    """Return the term FALSE."""
    return exp.false()


def any_of(tests: Iterable[Sql]) -> Sql:
    """Combine tests with OR, leaving out constants; false for none."""
    found = [test for test in tests if test != exp.false()]
    if exp.true() in found:
        return exp.true()
    return exp.or_(*found, copy=False) if found else false()


def all_of(tests: Iterable[Sql]) -> Sql:
    """Combine tests with AND, leaving out constants; true for none."""
    found = [test for test in tests if test != exp.true()]
    if exp.false() in found:
        return exp.false()
    return exp.and_(*found, copy=False) if found else exp.true()


def denied(test: Sql) -> Sql:
    """Negate a test; NULL counts as false."""
    if isinstance(test, exp.Boolean):
        return exp.Boolean(this=not test.this)
    return exp.not_(exp.func("coalesce", test, exp.false()))


def opposite(test: Sql) -> Sql:
    """Negate a test; NULL stays NULL."""
    if isinstance(test, exp.Boolean):
        return exp.Boolean(this=not test.this)
    return exp.not_(exp.paren(test))


def first_of(found: Iterable[Sql]) -> Sql:
    """Return the first value that is not NULL; there must be at least one expression."""
    one, *others = found
    return exp.func("coalesce", one, *others) if others else one


def double(sql: Sql) -> Sql:
    """Cast a number to a float."""
    return exp.cast(sql, "DOUBLE")


def not_negative(sql: Sql) -> Sql:
    """Raise negative numbers to 0: a span that ends before it starts has the duration 0."""
    return exp.Greatest(this=sql, expressions=[exp.Literal.number(0)], ignore_nulls=True)


def is_null(sql: Sql) -> Sql:
    """Return ``sql IS NULL``."""
    return exp.Is(this=sql, expression=exp.Null())


def not_null(sql: Sql) -> Sql:
    """Return ``NOT sql IS NULL``."""
    return exp.Not(this=is_null(sql))


def case(when: Sql, then: Sql, otherwise: Sql | None = None) -> Sql:
    """Build ``CASE WHEN when THEN then ELSE otherwise END``; NULL without ``otherwise``."""
    return exp.Case(ifs=[exp.If(this=when, true=then)], default=otherwise)


def keep(items: Sql, test: Callable[[Sql], Sql], variable: str = "x") -> Sql:
    """Filter the items of a list; ``variable`` names an item, and must differ from those of enclosing lists."""
    body = exp.Lambda(this=test(exp.column(variable)), expressions=[exp.to_identifier(variable)])
    return exp.ArrayFilter(this=items, expression=body)


def each(items: Sql, change: Callable[[Sql], Sql], variable: str = "x") -> Sql:
    """Transform every item of a list."""
    body = exp.Lambda(this=change(exp.column(variable)), expressions=[exp.to_identifier(variable)])
    return exp.func("list_transform", items, body)


def some(items: Sql, test: Callable[[Sql], Sql], variable: str = "x") -> Sql:
    """Test whether any item of a list passes a test; NULL for a NULL list."""
    return exp.GT(this=exp.func("len", keep(items, test, variable)), expression=exp.Literal.number(0))


def first(items: Sql) -> Sql:
    """Return the first item of a list, NULL for an empty one."""
    return exp.func("list_extract", items, exp.Literal.number(1))


def member(struct: Sql, name: str | int) -> Sql:
    """Return a field of a struct, by name, or, where it has none, by position from 1."""
    key = exp.Literal.string(name) if isinstance(name, str) else exp.Literal.number(name)
    return exp.func("struct_extract", struct, key)


def present(value: TypedValue) -> Sql:
    """Test whether a value of any type is present."""
    return any_of(not_null(alternative.sql) for alternative in value)


def some_row(test: Sql) -> Sql:
    """Test whether any row of a group passes a test."""
    return exp.func("bool_or", exp.func("coalesce", test, exp.false()))


JSON_MEMBERS: dict[ast.Type, tuple[str, str]] = {
    ast.Type.STRING: ("stringValue", "VARCHAR"),
    ast.Type.INT: ("intValue", "BIGINT"),
    ast.Type.FLOAT: ("doubleValue", "DOUBLE"),
    ast.Type.BOOL: ("boolValue", "BOOLEAN"),
}
"""Member of OTLP JSON that holds a value of a type, and SQL's name of the type."""
_ITEMS = "$.arrayValue.values[*]"


def json_member(json: Sql, type_: ast.Type) -> Sql:
    """Return the value of a type in OTLP JSON, NULL where it has another type."""
    name, sql_type = JSON_MEMBERS[type_]
    text = exp.func("json_extract_string", json, exp.Literal.string(f"$.{name}"))
    return exp.TryCast(this=text, to=exp.DataType.build(sql_type))


def json_items(json: Sql, type_: ast.Type) -> Sql:
    """Return the items of a type in OTLP JSON of a list; NULL if all have other types, or if it is not a list."""
    name, sql_type = JSON_MEMBERS[type_]
    texts = exp.func("json_extract_string", json, exp.Literal.string(f"{_ITEMS}.{name}"))
    typed = exp.TryCast(this=texts, to=exp.DataType.build(f"{sql_type}[]", dialect="duckdb"))
    has_some = exp.GT(this=exp.func("len", texts.copy()), expression=exp.Literal.number(0))
    is_empty = exp.EQ(this=json.copy(), expression=exp.Literal.string('{"arrayValue":{}}'))
    return case(exp.or_(has_some, is_empty), typed)


def json_list(json: Sql) -> Sql:
    """Return the items of a list in OTLP JSON, as JSON; NULL for other values."""
    is_list = exp.func("starts_with", json, exp.Literal.string('{"arrayValue"'))
    return case(is_list, exp.func("json_extract", json.copy(), exp.Literal.string(_ITEMS)))


def json_nested(json: Sql) -> Sql:
    """Return OTLP JSON of a list, a map or bytes; NULL for other values and for none."""
    tests = (
        exp.func("starts_with", json.copy(), exp.Literal.string(f'{{"{name}'))
        for name in ("arrayValue", "kvlistValue", "bytesValue")
    )
    return case(exp.or_(*tests), json)


def json_present(json: Sql) -> Sql:
    """Test whether OTLP JSON has a value."""
    absent = exp.In(this=json, expressions=[exp.Literal.string("{}"), exp.Literal.string("null")])
    return exp.func("coalesce", exp.not_(absent), exp.false())


def struct(members: Iterable[Sql]) -> Sql:
    """Build a struct with members named ``v0``, ``v1`` and so on."""
    named = (exp.PropertyEQ(this=exp.to_identifier(f"v{n}"), expression=sql) for n, sql in enumerate(members))
    return exp.Struct(expressions=list(named))


def parsed(text: str) -> exp.Select:
    """Return a query whose text is part of the program."""
    return _remembered(text).copy()


@lru_cache(maxsize=64)
def _remembered(text: str) -> exp.Select:
    found: exp.Select = exp.maybe_parse(text, dialect=DuckDB)
    return found


def id_literal(trace_id: bytes) -> exp.Expr:
    """Return an id as SQL."""
    return exp.HexString(this=trace_id.hex().upper())


_ROWS = "rows"


@dataclass(frozen=True, eq=False)
class _Rows:
    """The argument of a node: trees that are compared or copied share it."""

    table: pa.Table


def memory_table(name: str, rows: pa.Table) -> exp.Table:
    """Return a table with these rows, for a FROM or a JOIN."""
    node = exp.table_(name)
    node.set(_ROWS, _Rows(rows))
    return node


def bind_rows(query: exp.Select, tables: Mapping[str, pa.Table]) -> exp.Select:
    """Give the tables of a query their rows, by name; changes the query."""
    for node in query.find_all(exp.Table):
        if node.name in tables:
            node.set(_ROWS, _Rows(tables[node.name]))
    return query


def is_in(column: exp.Column, name: str, rows: pa.Table) -> exp.Expr:
    """Return the test that a column has one of the values of the column of its name in the rows."""
    found = exp.select(exp.column(column.name)).from_(memory_table(name, rows), copy=False)
    return exp.In(this=column, query=found.subquery(copy=False))


def memory_tables(query: exp.Query) -> dict[str, pa.Table]:
    """Return the rows of the Arrow tables that a query reads, by name."""
    found: dict[str, _Rows] = {}
    for node in query.find_all(exp.Table):
        rows = node.args.get(_ROWS)
        if rows is not None:
            known = found.setdefault(node.name, rows)
            assert known is rows or known.table.equals(rows.table), f"two tables are named {node.name}"
    return {name: rows.table for name, rows in found.items()}
