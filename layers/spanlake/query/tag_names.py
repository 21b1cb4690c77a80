"""The names of attributes, for the suggestions of a query editor.

They come from the index's catalog; no block is read for them unless a filter narrows them down.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import span_column
from spanlake.query.compile.sql import Sql
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.selected_spans import SelectedSpans
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.store.blocks.block import OTHER_KEYS, CatalogEntry

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
_ELEMENTS = {"event": "events", "link": "links"}


def tag_names(
    session: Session,
    source: BlockScan,
    catalog: Iterable[CatalogEntry],
    selected: SelectedSpans | None,
    scope: str = "",
) -> dict[str, list[str]]:
    """List attribute names by scope, sorted; ``scope`` asks for one scope, empty for all and the intrinsics.

    Without ``selected`` they are all names of the catalog.
    """
    listed = (entry for entry in catalog if entry.key != OTHER_KEYS)
    entries = [entry for entry in listed if not scope or SCOPE_NAMES[entry.scope] == scope]
    if selected is not None:
        entries = _occurring(session, source, entries, selected)
    names: dict[str, set[str]] = {}
    for entry in entries:
        names.setdefault(SCOPE_NAMES[entry.scope], set()).add(entry.key)
    if not scope or scope == "intrinsic":
        names["intrinsic"] = set(INTRINSICS)
    return {name: sorted(found) for name, found in names.items()}


def _occurring(
    session: Session, source: BlockScan, entries: Sequence[CatalogEntry], selected: SelectedSpans
) -> list[CatalogEntry]:
    """Return the entries that occur in a selected span. Most are seen in a sample, and not looked for in all blocks."""
    if not source.blocks or not entries:
        return []
    sample = source.sampled(session.policy.sampled_blocks, session.policy.sampled_spans)
    seen: set[CatalogEntry] = set()
    if sample.spans < source.spans and source.is_local and selected.are_judged_alone(source):
        seen = _seen(session, sample, entries, selected)
    rest = [entry for entry in entries if entry not in seen]
    if rest:
        seen |= _seen(session, source, rest, selected)
    return [entry for entry in entries if entry in seen]


def _seen(
    session: Session, source: BlockScan, entries: Sequence[CatalogEntry], selected: SelectedSpans
) -> set[CatalogEntry]:
    """Return the entries that occur in a selected span of the blocks."""
    columns = {column: (column.scope.value, column.key) for column in map(_column, entries) if column}
    lists = sorted({entry.scope for entry in entries if _column(entry) is None})
    select = [_has_value(column) for column in columns]
    select += [exp.alias_(_key_sets(_keys(scope)), f"{scope}_keys") for scope in lists]
    (row,) = session.run(selected.query(session, source, select)).to_pylist()
    kept = {place for column, place in columns.items() if row[column.name]}
    kept |= {(scope, key) for scope in lists for keys in row[f"{scope}_keys"] or () for key in keys or ()}
    return {entry for entry in entries if (entry.scope, entry.key) in kept}


def _column(entry: CatalogEntry) -> AttributeColumn | None:
    """Return the column of an attribute; None of one that lies in a list of keys and values."""
    if entry.scope in ("event", "link") or entry.type == "rest":
        return None
    return AttributeColumn(Scope(entry.scope), entry.key, ValueType(entry.type))


def _has_value(column: AttributeColumn) -> exp.Expr:
    return exp.alias_(exp.func("bool_or", sql.not_null(span_column(column.name))), column.name)


def _key_sets(keys: Sql) -> Sql:
    """Return the different lists of keys: spans of one kind have the same, so that they are few."""
    return exp.ArrayAgg(this=exp.Distinct(expressions=[keys]))


def _keys(scope: str) -> Sql:
    """Return the keys of a span's attributes that have no column, or of the attributes of its events or links."""

    def keys(items: Sql, is_present: Callable[[Sql], Sql]) -> Sql:
        return sql.each(sql.keep(items, is_present, "p"), lambda item: sql.member(item, "key"), "a")

    if scope not in _ELEMENTS:
        rest = span_column(f"{scope}_rest")
        return keys(rest, lambda item: sql.json_present(sql.member(item, "value")))
    elements = span_column(_ELEMENTS[scope])
    found = sql.each(elements, lambda e: keys(sql.member(e, "attributes"), _is_present), "e")
    return exp.func("flatten", found)


def _is_present(item: Sql) -> Sql:
    """True where an attribute of an event or link has a value."""
    typed = (sql.not_null(sql.member(item.copy(), name)) for name in ("string", "int", "double", "bool"))
    return exp.or_(*typed, sql.json_present(sql.member(item.copy(), "rest")))
