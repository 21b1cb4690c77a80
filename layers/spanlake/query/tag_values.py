"""Distinct values of a field in a time range, for the suggestions of a query editor."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple, cast

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.compile import sql as values
from spanlake.query.compile.fields import ELEMENTS, SCOPES, FieldCompiler, hexadecimal, span_column
from spanlake.query.compile.spans import ROW_ID, Needs, compile_spans
from spanlake.query.compile.sql import Sql
from spanlake.query.engine.inputs import bound
from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.scan.block_memo import Values
from spanlake.query.scan.blocks import BlockScan, block_number
from spanlake.query.selected_spans import SelectedSpans
from spanlake.spans.columns import AttributeColumn, Scope
from spanlake.store.blocks.block import OTHER_KEYS, Block
from spanlake.traceql import ast
from spanlake.traceql.literals import format_duration

_LEAST_PLAIN, _LEAST_EXPONENT = 1e-4, 1e6  # floats that Go writes without an exponent
_WORDS: dict[ast.Type, type[ast.Status] | type[ast.Kind]] = {ast.Type.STATUS: ast.Status, ast.Type.KIND: ast.Kind}
_WITH_WORDS = {
    ast.Intrinsic.STATUS: ast.Type.STATUS,
    ast.Intrinsic.KIND: ast.Type.KIND,
}


class TagValue(NamedTuple):
    """A value as text, and Tempo's name of its type."""

    type: str
    value: str


_NOT_ASKED_FOR = ""
"""The type of a value that no query finds."""

_Read = Callable[[list[Any]], Iterable[TagValue]]


@dataclass(frozen=True)
class _Values:
    """A place where values lie: a row for each value of each span, and what reads the distinct ones."""

    value: Sql
    read: _Read

    @classmethod
    def of_list(cls, items: Sql, read: _Read) -> "_Values":
        """Place values that are items of a list."""
        return cls(exp.func("unnest", items), read)


def every_word(tag: ast.Field) -> list[TagValue]:
    """Return the words of status or kind; none of any other field."""
    type_ = _WITH_WORDS.get(tag.intrinsic) if isinstance(tag, ast.IntrinsicField) and not tag.parent else None
    return [] if type_ is None else list(_words(type_)([word.value for word in _WORDS[type_]]))


def tag_values(
    session: Session, source: BlockScan, tags: Iterable[ast.Field], selected: SelectedSpans, most: int | None = None
) -> list[TagValue]:
    """Return distinct values of some fields among the selected spans, ``most`` at most, always the same ones.

    Raises LimitExceeded when there are too many.
    """
    limit = session.limits.values
    kept = limit if most is None else min(most, limit)
    found: dict[TagValue, None] = {}
    for tag in tags if source.blocks else ():
        known = source.with_history.known if tag.parent else source.known
        for place in _places(source, FieldCompiler(known), tag):
            found.update(dict.fromkeys(place.read(_distinct(session, source, place.value, selected, kept))))
    found = _offered(found, is_narrowed=selected.filter is not None)
    if len(found) > limit and (most is None or most > limit):
        raise LimitExceeded(f"the tag has more than {limit} values: narrow it down with a filter or a shorter range")
    return list(found)[:most]


def _offered(found: Iterable[TagValue], *, is_narrowed: bool) -> dict[TagValue, None]:
    """Return the values that can be asked for; the others as text where there are none and nothing narrows them."""
    every = list(found)
    offered = [one for one in every if one.type != _NOT_ASKED_FOR]
    if not offered and not is_narrowed:
        offered = [TagValue(ast.Type.STRING.value, one.value) for one in every]
    return dict.fromkeys(offered)


def _distinct(session: Session, source: BlockScan, value: Sql, selected: SelectedSpans, most: int) -> list[Any]:
    """Return the first distinct values in their order, one more than ``most``."""
    if selected.filter is not None or Needs.of(value).whole_traces:
        return _read_distinct(session, source, value, selected, most)
    within = [block for block in source.blocks if source.only([block]).is_within(*selected.bounds)]
    known = _of_blocks(session, source.only(within), value)
    rest = source.only(block for block in source.blocks if known.get(block) is None)
    found = _read_distinct(session, rest, value, selected, most) if rest.blocks else []
    remembered = list(chain.from_iterable(one or () for one in known.values()))  # of texts and integers only
    return sorted({*found, *remembered})[: most + 1] if remembered else found


def _of_blocks(session: Session, source: BlockScan, value: Sql) -> dict[Block, Values]:
    """Return the distinct values in each block that has few of them; those not known yet are read and remembered."""
    name = value.sql(DuckDB)
    known = source.values.of(source.blocks, name)
    new = source.only(block for block in source.blocks if block not in known)
    if not new.blocks:
        return known
    columns = [exp.alias_(block_number(span_column(ROW_ID)), "block"), exp.alias_(value.copy(), "value")]
    rows = bound(session, compile_spans(columns), new).distinct(copy=False).subquery("found", copy=False)
    query = exp.select(exp.Star()).from_(rows, copy=False).where(values.not_null(exp.column("value")), copy=False)
    limit = len(new.blocks) * source.values.most
    columns_found = session.run(query.limit(limit + 1, copy=False)).columns
    numbers, found = (cast("list[Any]", column.to_pylist()) for column in columns_found)
    of_each: dict[Block, list[Any]] = {block: [] for block in new.blocks}
    for number, one in zip(numbers, found, strict=True):
        of_each[new.blocks[number]].append(one)
    # Of more rows than the limit some block's values may be there in part only.
    is_plain = len(found) <= limit and {*map(type, found)} in (set(), {str}, {int})
    source.values.add(of_each if is_plain else dict.fromkeys(new.blocks, range(source.values.most + 1)), name)
    return source.values.of(source.blocks, name)


def _read_distinct(session: Session, source: BlockScan, value: Sql, selected: SelectedSpans, most: int) -> list[Any]:
    query = selected.query(session, source, [exp.alias_(value, "value")]).distinct(copy=False)
    ordered = exp.select(exp.column("value")).from_(query.subquery("found", copy=False), copy=False)
    ordered.where(values.not_null(exp.column("value")), copy=False)
    ordered.order_by(exp.column("value"), copy=False).limit(most + 1, copy=False)
    return session.run(ordered)["value"].to_pylist()


# where values lie


def _places(source: BlockScan, fields: FieldCompiler, tag: ast.Field) -> Iterator[_Values]:
    if isinstance(tag, ast.IntrinsicField):
        yield from _of_intrinsic(fields, tag)
    elif tag.parent:
        yield from _of_value(fields, tag)
    elif tag.scope in ELEMENTS:
        found = {(tag.scope.value, tag.key), (tag.scope.value, OTHER_KEYS)}
        if any((entry.scope, entry.key) in found for entry in source.catalog):
            yield _of_elements(tag)
    else:
        for scope in SCOPES[tag.scope]:
            yield from _of_scope(fields, scope, tag.key)


def _of_scope(fields: FieldCompiler, scope: Scope, key: str) -> Iterator[_Values]:
    for column in fields.known.columns.get((scope, key), ()):
        yield _of_column(column)
    if fields.known.in_rest(scope, key):
        rest = span_column(f"{scope.value}_rest")
        entries = values.keep(rest, lambda entry: _is(values.member(entry, "key"), key), "r")
        yield _Values.of_list(values.each(entries, lambda entry: values.member(entry, "value"), "r"), _read_json)


def _of_column(column: AttributeColumn) -> _Values:
    type_, is_list = values.OF_COLUMN[column.type]
    sql = span_column(column.name)
    return _Values.of_list(sql, _reader(type_)) if is_list else _Values(sql, _reader(type_))


def _of_elements(tag: ast.Attribute) -> _Values:
    """Return the attributes of a name among those of all events, or links: structs."""
    elements = span_column(ELEMENTS[tag.scope])
    lists = values.each(elements, lambda element: values.member(element, "attributes"), "e")
    found = values.keep(exp.func("flatten", lists), lambda entry: _is(values.member(entry, "key"), tag.key), "a")
    return _Values.of_list(found, _read_entries)


def _of_intrinsic(fields: FieldCompiler, tag: ast.IntrinsicField) -> Iterator[_Values]:
    of_element = _OF_ELEMENT.get(tag.intrinsic)
    if of_element is not None and not tag.parent:
        type_, name, read = of_element
        items = values.each(span_column(name), read, "e")
        yield _Values.of_list(items, _reader(type_))
        return
    if tag.intrinsic is not ast.Intrinsic.PARENT:  # which can only be compared with nil
        yield from _of_value(fields, tag)


def _of_value(fields: FieldCompiler, tag: ast.Field) -> Iterator[_Values]:
    for part in fields.value(tag):
        if part.type is not None:
            reader = _reader(part.type)
            yield _Values.of_list(part.sql, reader) if part.is_list else _Values(part.sql, reader)


def _since_start(event: Sql) -> Sql:
    return values.member(event, "time_unix_nano") - span_column("start_time_unix_nano")


_OF_ELEMENT: dict[ast.Intrinsic, tuple[ast.Type, str, Callable[[Sql], Sql]]] = {
    ast.Intrinsic.EVENT_NAME: (ast.Type.STRING, "events", lambda event: values.member(event, "name")),
    ast.Intrinsic.EVENT_TIME_SINCE_START: (ast.Type.DURATION, "events", _since_start),
    ast.Intrinsic.LINK_TRACE_ID: (
        ast.Type.STRING,
        "links",
        lambda link: hexadecimal(values.member(link, "trace_id")),
    ),
    ast.Intrinsic.LINK_SPAN_ID: (ast.Type.STRING, "links", lambda link: hexadecimal(values.member(link, "span_id"))),
}


def _is(sql: Sql, text: str) -> Sql:
    return exp.EQ(this=sql, expression=values.text(text))


# how they are written


def _reader(type_: ast.Type) -> _Read:
    if type_ in _WORDS:
        return _words(type_)
    name = "duration" if type_ is ast.Type.DURATION else type_.value
    return lambda found: map(partial(TagValue, name), _TEXTS[type_](found))


def _words(type_: ast.Type) -> _Read:
    """Read the numbers of an enum; one without a word cannot stand in a query."""
    words = {word.value: TagValue("keyword", word.name.lower()) for word in _WORDS[type_]}
    return lambda found: (words[number] for number in found if number in words)


def _read_json(found: Sequence[str]) -> Iterator[TagValue]:
    """Read values that are written as OTLP's JSON."""
    for text in found:
        yield from _of_any_value(json.loads(text))


def _read_entries(found: Sequence[dict[str, Any]]) -> Iterator[TagValue]:
    """Read attributes of events or links."""
    for entry in found:
        if entry["rest"] is not None:
            yield from _of_any_value(json.loads(entry["rest"]))
        for name, type_ in _ENTRY_TYPES.items():
            if entry[name] is not None:
                yield from _reader(type_)([entry[name]])


def _of_any_value(value: Any) -> Iterator[TagValue]:
    """Yield the value, or each item of a list; an empty list, a map, and bytes, as text that is not asked for."""
    items = value["arrayValue"].get("values") or [value] if "arrayValue" in value else [value]
    for item in items:
        plain = _plain(item)
        if "bytesValue" not in item and isinstance(plain, str | bool | int | float):
            yield from _reader(_type_of(plain))([plain])
        elif plain is not None:
            text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
            yield TagValue(_NOT_ASKED_FOR, text)


def _type_of(value: str | bool | float) -> ast.Type:
    if isinstance(value, bool):
        return ast.Type.BOOL
    return ast.Type.STRING if isinstance(value, str) else ast.Type.FLOAT if isinstance(value, float) else ast.Type.INT


def _plain(value: Any) -> Any:
    """Convert OTLP's AnyValue in JSON to a value of JSON; None where there is none."""
    if not value:
        return None
    [(kind, held)] = value.items()
    if kind == "arrayValue":
        return [_plain(item) for item in held.get("values", ())]
    if kind == "kvlistValue":
        return {entry.get("key", ""): _plain(entry.get("value")) for entry in held.get("values", ())}
    return _SCALARS.get(kind, str)(held)


def go_floats(found: list[float]) -> Iterable[str]:
    """Return each as ``go_float`` writes it; at once where Python writes all of them so."""
    plain = all(_LEAST_PLAIN <= abs(value) < _LEAST_EXPONENT for value in found)
    return map(repr if plain else go_float, found)


def go_float(value: float) -> str:
    """Return a float as Tempo writes it in tag values.

    Go's shortest form, with ``.0`` where it would look like an integer.
    """
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


def _bools(found: list[Any]) -> Iterable[str]:
    return ("true" if value else "false" for value in found)


_TEXTS: dict[ast.Type, Callable[[list[Any]], Iterable[str]]] = {
    ast.Type.STRING: partial(map, str),
    ast.Type.INT: partial(map, str),
    ast.Type.FLOAT: go_floats,
    ast.Type.BOOL: _bools,
    ast.Type.DURATION: partial(map, format_duration),
}
_ENTRY_TYPES = {"string": ast.Type.STRING, "int": ast.Type.INT, "double": ast.Type.FLOAT, "bool": ast.Type.BOOL}
_SCALARS: dict[str, Callable[[Any], Any]] = {"intValue": int, "doubleValue": float, "boolValue": bool}
EVERY_SCOPE = (
    ast.AttributeScope.SPAN,
    ast.AttributeScope.RESOURCE,
    ast.AttributeScope.INSTRUMENTATION,
    ast.AttributeScope.EVENT,
    ast.AttributeScope.LINK,
)
"""The scopes that an attribute of the API's first version, which has none, is looked for in."""
