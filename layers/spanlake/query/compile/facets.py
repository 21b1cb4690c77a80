"""Facets of compare(): the attributes and intrinsics whose values it counts.

These are the attributes of span, resource and instrumentation scope and the intrinsics below, besides those that
depend on other spans of the trace (``metrics.trace_intrinsics``). Ids, times and durations are left out because
hardly two spans share them, events and links because a span has several.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from spanlake.query.compile.fields import AttributeSchema, FieldCompiler
from spanlake.query.compile.sql import Sql
from spanlake.spans.columns import Scope
from spanlake.traceql import ast
from spanlake.traceql.printer import print_field

_SCOPES = {
    Scope.RESOURCE: ast.AttributeScope.RESOURCE,
    Scope.SPAN: ast.AttributeScope.SPAN,
    Scope.SCOPE: ast.AttributeScope.INSTRUMENTATION,
}


class Level(Enum):
    """The owner of a facet: facets of resources are equal for all spans of one resource and scope.

    Of intrinsics few combinations occur: spans of one name are much the same.
    """

    RESOURCE = auto()
    INTRINSIC = auto()
    SPAN = auto()


INTRINSICS = {
    ast.Intrinsic.NAME: Level.INTRINSIC,
    ast.Intrinsic.KIND: Level.INTRINSIC,
    ast.Intrinsic.STATUS: Level.INTRINSIC,
    ast.Intrinsic.STATUS_MESSAGE: Level.INTRINSIC,
    ast.Intrinsic.INSTRUMENTATION_NAME: Level.RESOURCE,
    ast.Intrinsic.INSTRUMENTATION_VERSION: Level.RESOURCE,
}
EVERYWHERE = print_field(ast.IntrinsicField(ast.Intrinsic.NAME))  # a facet that every span has


@dataclass(frozen=True)
class Facet:
    """An attribute's values of one type, NULL where there is none."""

    name: str
    type: ast.Type | None
    level: Level
    sql: Sql
    is_list: bool = False


def facets(known: AttributeSchema) -> list[Facet]:
    """List the facets of spans with these attributes."""
    keys = sorted({*known.columns, *known.rest})
    found = [_of_intrinsic(intrinsic, level) for intrinsic, level in INTRINSICS.items()]
    for scope, key in keys:
        found += _of_attribute(known, scope, key)
    return found


def _of_intrinsic(intrinsic: ast.Intrinsic, level: Level) -> Facet:
    field = ast.IntrinsicField(intrinsic)
    (value,) = FieldCompiler(AttributeSchema()).value(field)
    return Facet(print_field(field), value.type, level, value.sql)


def _of_attribute(known: AttributeSchema, scope: Scope, key: str) -> Iterator[Facet]:
    attribute = ast.Attribute(_SCOPES[scope], key)
    level = Level.SPAN if scope is Scope.SPAN else Level.RESOURCE
    for part in FieldCompiler(known).whole(attribute):
        yield Facet(print_field(attribute), part.type, level, part.sql, part.is_list)
