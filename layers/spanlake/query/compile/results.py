"""Attributes of spans in search results: every field that the query names, with its whole value."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from spanlake.query.compile.fields import FieldCompiler, element_scope
from spanlake.query.compile.predicates import PredicateCompiler
from spanlake.query.compile.sql import Sql, TypedSql
from spanlake.traceql import ast


@dataclass(frozen=True)
class ResultAttribute:
    """A result attribute: its key and the possible types of its value.

    ``items`` is None for a field with one value. For a field of events or links it is the list of the values of all of
    them: structs with a member for each of the parts, whose ``sql`` is then unused.
    """

    key: str
    parts: tuple[TypedSql, ...]
    items: Sql | None = None


def result_attributes(fields: FieldCompiler, wanted: Iterable[ast.Field]) -> list[ResultAttribute]:
    """Compile the result attribute of each field."""
    return [_of_elements(fields, field) if element_scope(field) else _of_span(fields, field) for field in wanted]


def _of_span(fields: FieldCompiler, field: ast.Field) -> ResultAttribute:
    return ResultAttribute(_key(field), fields.whole(field))


def _of_elements(fields: FieldCompiler, field: ast.Field) -> ResultAttribute:
    types, items = PredicateCompiler(fields).structs(field)
    return ResultAttribute(_key(field), tuple(TypedSql(type_, exp.Null()) for type_ in types), items)


def _key(field: ast.Field) -> str:
    key = field.key if isinstance(field, ast.Attribute) else field.intrinsic.value
    return f"parent.{key}" if field.parent else key


def columns_of(entries: Iterable[ResultAttribute], prefix: str) -> list[exp.Expr]:
    """Return SQL columns with the values of result attributes, named by position: ``{prefix}{n}_{part}`` or
    ``{prefix}{n}``.
    """
    columns: list[exp.Expr] = []
    for n, item in enumerate(entries):
        if item.items is not None:
            columns.append(exp.alias_(item.items, f"{prefix}{n}"))
        else:
            columns += [exp.alias_(part.sql, f"{prefix}{n}_{k}") for k, part in enumerate(item.parts)]
    return columns
