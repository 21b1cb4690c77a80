"""Attributes of spans in search results: every field that the query names, with its whole value."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from spanlake.query.compile.fields import Fields, element_scope
from spanlake.query.compile.predicates import Predicates
from spanlake.query.compile.sql import Alternative, Sql
from spanlake.traceql import ast


@dataclass(frozen=True)
class Shown:
    """A result attribute: its key and the possible types of its value.

    ``items`` is None for a field with one value. For a field of events or links it is the list of the values of all of
    them: structs with a member for each of the parts, whose ``sql`` is then unused.
    """

    key: str
    parts: tuple[Alternative, ...]
    items: Sql | None = None


def shown(fields: Fields, wanted: Iterable[ast.Field]) -> list[Shown]:
    """Compile the result attribute of each field."""
    return [_of_elements(fields, field) if element_scope(field) else _of_span(fields, field) for field in wanted]


def _of_span(fields: Fields, field: ast.Field) -> Shown:
    return Shown(_key(field), fields.whole(field))


def _of_elements(fields: Fields, field: ast.Field) -> Shown:
    types, items = Predicates(fields).structs(field)
    return Shown(_key(field), tuple(Alternative(type_, exp.Null()) for type_ in types), items)


def _key(field: ast.Field) -> str:
    key = field.key if isinstance(field, ast.Attribute) else field.intrinsic.value
    return f"parent.{key}" if field.parent else key


def columns_of(entries: Iterable[Shown], prefix: str) -> list[exp.Expr]:
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
