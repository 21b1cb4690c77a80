"""The names of attributes and their values, for the suggestions of a query editor.

Names come from the index's catalog; no block is read for them unless a filter narrows them down. Two habits of Tempo's
are kept because clients see them in its answers: what it holds in dedicated columns is neither listed nor matched here
(see ``traceql.tempo``), and an unfiltered intrinsic shows its stored number where a filtered one shows its name.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.finder import place
from spanlake.query.found import named
from spanlake.query.limits import LimitExceeded
from spanlake.query.source import Source
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.store.index import CatalogEntry
from spanlake.traceql import values
from spanlake.traceql.conditions import Comparison, conditions
from spanlake.traceql.durations import format_duration
from spanlake.traceql.fields import Fields, element_scope
from spanlake.traceql.known import Known
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.relation import columns_needed, needs_arrival, relation
from spanlake.traceql.tempo import WELL_KNOWN, without_dedicated
from spanlake.traceql.tree import (
    Attribute,
    AttributeScope,
    Binary,
    Field,
    FieldExpression,
    Intrinsic,
    IntrinsicField,
    SpansetFilter,
    Type,
)
from spanlake.traceql.values import Alternative, Sql

INTRINSICS = (
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "link:spanID",
    "link:traceID",
    "name",
    "rootName",
    "rootServiceName",
    "span:duration",
    "span:id",
    "span:kind",
    "span:name",
    "span:parentID",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:id",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
)
SCOPE_NAMES = {"span": "span", "resource": "resource", "scope": "instrumentation", "event": "event", "link": "link"}

_KEYWORDS = {Type.STATUS: "keyword"}
_LEAST_PLAIN, _LEAST_EXPONENT = 1e-4, 1e6  # floats that Go writes without an exponent
_PLACES = frozenset((Intrinsic.NESTED_SET_LEFT, Intrinsic.NESTED_SET_RIGHT, Intrinsic.NESTED_SET_PARENT))


class TagValue(NamedTuple):
    """A value as text, and Tempo's name of its type."""

    type: str
    value: str


@dataclass(frozen=True)
class TimeRange:
    """An inclusive range of Unix nanoseconds."""

    start_ns: int
    end_ns: int


# names


def tag_names(
    session: Session,
    source: Source,
    catalog: Iterable[CatalogEntry],
    narrowed: SpansetFilter | None,
    when: TimeRange,
    scope: str = "",
) -> dict[str, list[str]]:
    """Attribute names by scope, sorted; ``scope`` asks for one of them, empty for all and the intrinsics."""
    entries = [entry for entry in without_dedicated(catalog) if not scope or SCOPE_NAMES[entry.scope] == scope]
    wanted = _applicable(narrowed)
    if wanted is not None:
        entries = _occurring(session, source, entries, wanted, when, paired=not scope and conditions(wanted).all_met)
    names: dict[str, set[str]] = {}
    for entry in entries:
        names.setdefault(SCOPE_NAMES[entry.scope], set()).add(entry.key)
    if not scope or scope == "intrinsic":
        names["intrinsic"] = set(INTRINSICS)
    return {name: sorted(found) for name, found in names.items()}


def _applicable(narrowed: SpansetFilter | None) -> FieldExpression | None:
    """A filter that Tempo would apply here; it ignores one that names an attribute without its scope."""
    if narrowed is None:
        return None
    found = conditions(narrowed.condition).items
    unscoped = any(isinstance(item.field, Attribute) and item.field.scope is AttributeScope.NONE for item in found)
    return None if unscoped or not found else narrowed.condition


def _occurring(
    session: Session,
    source: Source,
    entries: Sequence[CatalogEntry],
    wanted: FieldExpression,
    when: TimeRange,
    *,
    paired: bool,
) -> list[CatalogEntry]:
    """The entries that occur in a span of the filter's.

    ``paired`` is for names of all scopes together, where all conditions must be met: Tempo then sees only spans with
    an event and a link that both have attributes, the first with the first and so on: it reads them side by side.
    """
    if not source.blocks:
        return []
    fields = Fields(visible(source.known))
    elements, further = {"event": fields.column("events"), "link": fields.column("links")}, []
    if paired:
        pairs = _paired(fields)
        elements = _sides(pairs)
        further += [values.not_null(fields.column(name)) for name in ("events", "links")]  # quickly told
        further.append(exp.GT(this=exp.func("len", pairs), expression=exp.Literal.number(0)))
    kept = {(entry.scope, entry.key) for entry in entries} & WELL_KNOWN
    if paired and not {"event", "link"} <= {entry.scope for entry in source.catalog}:
        return [entry for entry in entries if (entry.scope, entry.key) in kept]
    columns = {column: (column.scope.value, column.key) for column in map(_column, entries) if column}
    lists = sorted({entry.scope for entry in entries if _column(entry) is None})
    select = [_has_value(fields, column) for column in columns]
    select += [exp.alias_(_key_sets(_keys(fields, scope, elements)), f"{scope}_keys") for scope in lists]
    if select:
        (row,) = _select(session, source, fields, select, wanted, when, *further).to_pylist()
        kept |= {place for column, place in columns.items() if row[column.name]}
        kept |= {(scope, key) for scope in lists for keys in row[f"{scope}_keys"] or () for key in keys or ()}
    return [entry for entry in entries if (entry.scope, entry.key) in kept]


def _column(entry: CatalogEntry) -> AttributeColumn | None:
    """The column of an attribute; None of one that lies in a list of keys and values."""
    if entry.scope in ("event", "link") or entry.type == "rest":
        return None
    return AttributeColumn(Scope(entry.scope), entry.key, ValueType(entry.type))


def _has_value(fields: Fields, column: AttributeColumn) -> exp.Expr:
    return exp.alias_(exp.func("bool_or", values.not_null(fields.column(column.name))), column.name)


def _key_sets(keys: Sql) -> Sql:
    """The different lists of keys: spans of one kind have the same, so that they are few."""
    return exp.ArrayAgg(this=exp.Distinct(expressions=[keys]))


def _keys(fields: Fields, scope: str, elements: dict[str, Sql]) -> Sql:
    """The keys of a span's attributes that have no column, or of these of its events or links."""

    def keys(items: Sql) -> Sql:
        return values.each(items, lambda item: values.member(item, "key"), "a")

    if scope not in elements:
        return keys(fields.column(f"{scope}_rest"))
    return exp.func("flatten", values.each(elements[scope], lambda e: keys(values.member(e, "attributes")), "e"))


def _paired(fields: Fields) -> Sql:
    """A span's events and links side by side, those pairs of which both have attributes."""

    def both(pair: Sql) -> Sql:
        attributes = (values.member(values.member(pair, place), "attributes") for place in (1, 2))
        zero = exp.Literal.number(0)
        return values.all_of(exp.GT(this=exp.func("len", found), expression=zero) for found in attributes)

    pairs = exp.func("list_zip", fields.column("events"), fields.column("links"), exp.true())
    return values.keep(pairs, both, "pair")


def _sides(pairs: Sql) -> dict[str, Sql]:
    """The events and the links of pairs."""
    return {
        "event": values.each(pairs, lambda pair: values.member(pair, 1), "pair"),
        "link": values.each(pairs, lambda pair: values.member(pair, 2), "pair"),
    }


# values


def tag_values(
    session: Session, source: Source, tag: Field, narrowed: SpansetFilter | None, when: TimeRange
) -> list[TagValue]:
    """The distinct values of a field, in no order. Raises LimitExceeded when there are too many."""
    if not source.blocks:
        return []
    wanted = _applicable(narrowed)
    if wanted is not None and _is_well_known(tag):
        wanted = _about(tag, wanted) or wanted
    fields = Fields(visible(source.known))
    found: dict[TagValue, None] = {}
    for alternative in _alternatives(fields, tag):
        type_, texts = _form(tag, alternative.type, filtered=wanted is not None)
        distinct = _distinct(session, source, fields, alternative, wanted, when)
        found.update(dict.fromkeys(map(partial(TagValue, type_), texts(distinct))))
    return list(found)


def _is_well_known(tag: Field) -> bool:
    return isinstance(tag, Attribute) and (tag.scope.value, tag.key) in WELL_KNOWN


def _about(tag: Field, wanted: FieldExpression) -> FieldExpression | None:
    """The filter's own comparison of the tag: Tempo lets the values of a well-known column through by it alone."""
    own = [item for item in conditions(wanted).items if item.field == tag and isinstance(item, Comparison)]
    return _comparison_of(own[0]) if len(own) == 1 else None


def _comparison_of(item: Comparison) -> FieldExpression | None:
    return Binary(item.op, item.field, item.statics[0]) if len(item.statics) == 1 else None


def _alternatives(fields: Fields, tag: Field) -> list[Alternative]:
    """Where values of a tag lie: an attribute without a scope is looked for in every scope, unshadowed."""
    if element_scope(tag):
        return _of_elements(fields, tag)
    if isinstance(tag, IntrinsicField) or tag.scope is not AttributeScope.NONE:
        return list(fields.value(tag))
    return [alternative for scope in Scope for alternative in fields.scoped(scope, tag)]


def _of_elements(fields: Fields, tag: Field) -> list[Alternative]:
    types, items = Predicates(fields).structs(tag)
    return [
        Alternative(type_, values.each(items.copy(), lambda item, n=n: values.member(item, f"v{n}"), "i"), is_list=True)
        for n, type_ in enumerate(types)
    ]


def _distinct(
    session: Session,
    source: Source,
    fields: Fields,
    alternative: Alternative,
    wanted: FieldExpression | None,
    when: TimeRange,
) -> list[Any]:
    value = exp.func("unnest", alternative.sql) if alternative.is_list else alternative.sql
    found = _select(session, source, fields, [exp.alias_(value, "value")], wanted, when, distinct=True)
    limit = session.limits.values
    if found.num_rows > limit:
        raise LimitExceeded(f"the tag has more than {limit} values: narrow it down with a filter or a shorter range")
    return [value for value in found["value"].to_pylist() if value is not None]


def _select(
    session: Session,
    source: Source,
    fields: Fields,
    select: list[exp.Expr],
    wanted: FieldExpression | None,
    when: TimeRange,
    *further: Sql,
    distinct: bool = False,
) -> Any:
    tests = [_inside(fields, when), *further]
    if wanted is not None:
        tests.append(Predicates(fields).filter(wanted))
    spans = source.table(columns_needed(fields.needs), arrival=needs_arrival(fields.needs))
    if fields.needs.tree:
        place(session, lambda query: query.with_("spans", as_=spans.copy(), copy=False))
    query = relation(fields.needs, select, spans).where(*tests, copy=False)
    if distinct:
        query = query.distinct(copy=False).limit(session.limits.values + 1, copy=False)
    return session.table(query)


def _inside(fields: Fields, when: TimeRange) -> Sql:
    start = fields.column("start_time_unix_nano")
    return exp.Between(this=start, low=values.number(when.start_ns), high=values.number(when.end_ns))


def visible(known: Known) -> Known:
    """What is known, without what Tempo does not show here."""
    columns = {key: kept for key, found in known.columns.items() if (kept := tuple(without_dedicated(found)))}
    return Known(columns, known.rest)


def _form(tag: Field, type_: Type, *, filtered: bool) -> tuple[str, Callable[[list[Any]], Iterable[str]]]:
    """Tempo's name of the values' type, and what writes such values as text."""
    if type_ is Type.BOOL:
        return "bool", partial(map, lambda value: "true" if value else "false")
    if type_ is Type.FLOAT:
        return "float", go_floats
    if type_ in (Type.STRING, Type.INT) and not (filtered and _is_place(tag)):
        return type_.value, partial(map, str)
    if not filtered:
        return "int", partial(map, str)
    if type_ is Type.DURATION:
        return "duration", partial(map, format_duration)
    if type_ in _KEYWORDS:
        return _KEYWORDS[type_], partial(map, partial(named, type_))
    return "", partial(map, lambda _: "")  # Tempo's tag values have no type for it


def _is_place(tag: Field) -> bool:
    return isinstance(tag, IntrinsicField) and tag.intrinsic in _PLACES


def go_floats(values: list[float]) -> Iterable[str]:
    """Each as ``go_float`` writes it; at once where Python writes all of them so."""
    plain = all(_LEAST_PLAIN <= abs(value) < _LEAST_EXPONENT for value in values)
    return map(repr if plain else go_float, values)


def go_float(value: float) -> str:
    """A float as Tempo writes it in tag values: Go's shortest form, with ``.0`` where it would look like an integer."""
    if value == 0 or _LEAST_PLAIN <= abs(value) < _LEAST_EXPONENT:
        return repr(value)
    if not isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) + exponent - 1
    first, *others = map(str, digits)
    fraction = f".{''.join(others)}" if others else ""
    return f"{'-' if sign else ''}{first}{fraction}e{power:+03d}"
