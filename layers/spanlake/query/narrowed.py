"""Which values Tempo finds when a filter narrows a list of tags or of their values: not all that are there.

Tempo reads a block's columns with nested iterators, one a level (trace, resource, instrumentation scope, span, event or
link). An inner one hands each distinct value on once, when it first passes it. It passes more than what matches: its
first row, and the row behind each part that an outer level's condition lets through. A value first passed there is
thrown away by the outer level and never handed on again. So with ``{ resource.service.name = "cart" }`` a span name
that the service shares with others can be missing (``block_autocomplete.go`` in Tempo's vparquet encodings).

Clients compare spanlake's answers with Tempo's, so up to the size of a small Tempo block (``MOST_SPANS``) the same
values are found here. Beyond it Tempo has many blocks, one of which is bound to hand a value on; there, and for
everything that is not subject to the rule, the answer is complete.
"""

from dataclasses import dataclass
from enum import IntEnum

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.source import Source
from spanlake.traceql import values
from spanlake.traceql.conditions import comparison, conjuncts
from spanlake.traceql.fields import Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.relation import columns_needed, relation
from spanlake.traceql.tree import (
    Attribute,
    AttributeScope,
    Exists,
    Field,
    FieldExpression,
    IntrinsicField,
)
from spanlake.traceql.values import Sql

MOST_SPANS = 50_000


class Level(IntEnum):
    """The levels of Tempo's schema, from the innermost."""

    EVENT = 0
    LINK = 0
    SPAN = 1
    INSTRUMENTATION = 2
    RESOURCE = 3
    TRACE = 4


_OF_PREFIX = {
    "event:": Level.EVENT,
    "link:": Level.LINK,
    "instrumentation:": Level.INSTRUMENTATION,
    "trace": Level.TRACE,
    "root": Level.TRACE,
}
_OF_SCOPE = {
    AttributeScope.EVENT: Level.EVENT,
    AttributeScope.LINK: Level.LINK,
    AttributeScope.SPAN: Level.SPAN,
    AttributeScope.INSTRUMENTATION: Level.INSTRUMENTATION,
    AttributeScope.RESOURCE: Level.RESOURCE,
    AttributeScope.NONE: Level.SPAN,
}


def level_of(field: Field) -> Level:
    """The level at which Tempo keeps a field."""
    if isinstance(field, Attribute):
        return _OF_SCOPE[field.scope]
    name = field.intrinsic.value
    return next((level for prefix, level in _OF_PREFIX.items() if name.startswith(prefix)), Level.SPAN)


@dataclass(frozen=True)
class Narrowing:
    """A filter, as it bears on one level: what the level itself tests, and what only an outer one does."""

    inner: tuple[FieldExpression, ...]
    outer: tuple[FieldExpression, ...]

    @classmethod
    def at(cls, level: Level, wanted: FieldExpression) -> "Narrowing":
        """Split a filter; alternatives across levels all count as inner, for the rule is not about them."""
        inner: list[FieldExpression] = []
        outer: list[FieldExpression] = []
        for part in conjuncts(wanted):
            field = _field(part)
            (outer if field is not None and level_of(field) > level else inner).append(part)
        return cls(tuple(inner), tuple(outer))

    def applies(self, source: Source) -> bool:
        """Whether values can be lost, and are few enough to know which."""
        return bool(self.outer) and sum(block.spans for block in source.blocks) <= MOST_SPANS


def _field(part: FieldExpression) -> Field | None:
    found = comparison(part)
    if found is not None:
        return found.field
    if isinstance(part, Exists) and isinstance(part.operand, Attribute | IntrinsicField):
        return part.operand
    return None


def passed_on(
    source: Source, fields: Fields, narrowing: Narrowing, items: Sql, inside: Sql, *, nested: bool
) -> exp.Select:
    """``SELECT value``: the distinct items that Tempo hands on; ``items`` is a list of them for each span.

    ``nested`` says that the list's items are read one by one, and may be lists again (of one event each).
    """
    predicates = Predicates(fields)
    inner = values.all_of(predicates.filter(part) for part in narrowing.inner)
    outer = values.all_of(predicates.filter(part) for part in narrowing.outer)
    place = [fields.column(name) for name in ("trace_id", "resource_id", "scope_id")]
    arrival = exp.column("arrival", table="s")
    select = [
        *(exp.alias_(column, column.name) for column in place),
        exp.alias_(arrival, "arrival"),
        exp.alias_(exp.func("coalesce", outer, exp.false()), "matched"),
        exp.alias_(values.case(inner, items), "items"),
    ]
    spans = source.table(columns_needed(fields.needs), arrival=True)
    query = exp.select("value").from_("reported").where("matched")
    query = query.with_("level0", as_=relation(fields.needs, select, spans).where(inside))
    for name, text in (*_ORDER, ("rows", _NESTED if nested else _WHOLE), *_PASSED):
        query = query.with_(name, as_=text, dialect=DuckDB)
    return query


_ORDER = (
    (
        "grouped",
        """SELECT *, MIN(arrival) OVER (PARTITION BY trace_id, resource_id) AS resource_at,
             MIN(arrival) OVER (PARTITION BY trace_id, resource_id, scope_id) AS scope_at FROM level0""",
    ),
    (
        "placed",
        """SELECT *, ROW_NUMBER() OVER (ORDER BY trace_id, resource_at, scope_at, arrival) AS place FROM grouped""",
    ),
    (
        "counted",
        """SELECT *, SUM(CAST(matched AS INTEGER)) OVER (ORDER BY place) AS parts FROM placed""",
    ),
)
_NESTED = """SELECT place, matched, parts, UNNEST(items) AS items, GENERATE_SUBSCRIPTS(items, 1) AS at FROM counted"""
_WHOLE = "SELECT place, matched, parts, items, 1 AS at FROM counted WHERE LEN(items) > 0"
_PASSED = (
    (
        "read",
        """SELECT *, LAG(matched) OVER (ORDER BY place, at) AS was_matched,
             LAG(parts) OVER (ORDER BY place, at) AS parts_before FROM rows""",
    ),
    (
        "passed",
        """SELECT place, at, matched, UNNEST(items) AS value FROM read
           WHERE was_matched IS NULL OR was_matched OR matched OR parts > parts_before""",
    ),
    (
        "reported",
        """SELECT value, FIRST(matched ORDER BY place, at) AS matched FROM passed
           WHERE value IS NOT NULL GROUP BY value""",
    ),
)
