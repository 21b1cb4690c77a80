"""Encodes a span table as OTLP: spans under their resources and scopes, with everything they were sent with."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from struct import pack, unpack
from typing import Any, Protocol, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status, TracesData

from spanlake.spans.arrow import Array, as_array, codes, int64, runs_of, struct_of
from spanlake.spans.columns import Scope, ValueType, attribute_columns
from spanlake.spans.otlp.encoded_columns import NOTHING, constant, delimited, eight_bytes, joined, mapped, varint
from spanlake.spans.otlp.json_decode import fill
from spanlake.spans.schema import FIXED

_UINT64 = 2**64 - 1
_FIXED32 = 5
_IDS = ("resource_id", "scope_id")
_AT_ONCE, _MOST_BYTES = 1 << 14, 1 << 28  # spans that are encoded together, and their size


def encode(table: pa.Table, *, every_message: bool = False, at_once: int = _AT_ONCE) -> bytes:
    """Write the OTLP message TracesData of the spans of one or a few traces.

    Spans are ordered by start, resources and scopes by their first span. Columns that the table lacks count as NULL;
    attribute columns are recognized by the metadata of their fields (see ``columns``). ``every_message`` adds the
    resources, scopes and statuses that were never sent, as empty messages: readers such as Grafana's access them
    without a test. ``at_once`` is the number of spans that are encoded together.
    """
    table = _without_empty_columns(table)
    table = table.take(pc.array_sort_indices(_column(table, "start_time_unix_nano").view(pa.uint64())))
    owners = codes([_column(table, name) for name in _IDS])  # in the order of their first spans
    order = pc.array_sort_indices(owners)  # stable
    first = table.take(pc.index_in(pc.unique(owners), value_set=owners))
    spans = _runs(table.take(order), owners.take(order), len(first), at_once, every_message=every_message)
    return b"".join(_resources(_Rows.of(first, Scope.RESOURCE, Scope.SCOPE), spans, every_message=every_message))


def _without_empty_columns(table: pa.Table) -> pa.Table:
    """Drop columns without a value: a few spans have values in a few of the attributes that a block has."""
    is_empty = (0 < column.null_count == table.num_rows for column in table.columns)
    return table.drop_columns([name for name, empty in zip(table.column_names, is_empty, strict=True) if empty])


def to_otlp(table: pa.Table, *, every_message: bool = False) -> TracesData:
    """Rebuild the OTLP messages of the spans of one or a few traces, as ``encode`` writes them."""
    return TracesData.FromString(encode(table, every_message=every_message))


def _runs(table: pa.Table, owners: Array, count: int, at_once: int, *, every_message: bool) -> list[list[bytes]]:
    """Return the encoded spans of each owner, in pieces: columns of bytes hold 2 GiB at most."""
    found: list[list[bytes]] = [[] for _ in range(count)]
    size = max(min(at_once, _MOST_BYTES * table.num_rows // max(table.nbytes, 1)), 1)
    for at in range(0, table.num_rows, size):
        encoded = _spans(table.slice(at, size), every_message=every_message)
        runs = runs_of(owners.slice(at, size))
        bounds = pa.concat_arrays([pa.array([0], pa.int32()), runs.run_ends])
        together: Array = pc.binary_join(pa.ListArray.from_arrays(bounds, encoded), NOTHING)
        for owner, piece in zip(runs.values.to_pylist(), together.to_pylist(), strict=True):
            found[owner].append(piece)
    return found


def _spans(table: pa.Table, *, every_message: bool) -> Array:
    """Spans as fields of ScopeSpans."""
    lists = [
        _fields(_column(table, name), partial(_elements, field=field, add=add))
        for name, field, add in (("events", b"\x5a", _event), ("links", b"\x6a", _link), ("span_rest", b"\x4a", _json))
    ]
    attributes = [
        _attributes(_column(table, column.name), column.key, column.type)
        for column in attribute_columns(table.schema)
        if column.scope is Scope.SPAN
    ]
    start = _column(table, "start_time_unix_nano")
    ends = pc.add(start, pc.fill_null(_column(table, "duration_nano"), int64(0)))  # of blocks of older versions
    parts = [
        *(part for name, tag in _TEXTS.items() for part in _delimited(tag, _column(table, name))),
        constant(b"\x39"),
        eight_bytes(start),
        constant(b"\x41"),
        eight_bytes(pc.coalesce(_column(table, "end_time_unix_nano"), ends)),
        *(mapped(_column(table, name), partial(_number, tag)) for name, tag in _NUMBERS.items()),
        *attributes,
        *lists,
        _statuses(_column(table, "status_code"), _column(table, "status_message"), every_message=every_message),
    ]
    return joined(*delimited(b"\x12", joined(*parts)))


def _delimited(tag: bytes, values: Array) -> tuple[Array, Array]:
    return delimited(tag, pc.fill_null(values.cast(pa.binary()), NOTHING))


def _column(table: pa.Table, name: str) -> Array:
    """Return a column as one array, NULL where the table lacks it."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, FIXED.field(name).type)
    column: Any = as_array(table[name])
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _number(tag: bytes, value: int | None) -> bytes:
    """Return a number as a varint, with a tag of wire type 5 as fixed32; no bytes for the default."""
    if not value:
        return b""
    return tag + (value.to_bytes(4, "little") if tag[0] & 7 == _FIXED32 else varint(value & _UINT64))


def _statuses(statuses: Array, messages: Array, *, every_message: bool) -> Array:
    """Return the statuses of spans, by their distinct codes and messages."""
    both: Any = struct_of({"code": statuses, "message": messages})
    coded = codes([statuses, messages])
    different = both.take(pc.index_in(pc.unique(coded), value_set=coded)).to_pylist()
    encoded = [_status(one["code"], one["message"], every_message=every_message) for one in different]
    return pa.array(encoded, pa.binary()).take(coded)


def _status(code: int | None, message: str | None, *, every_message: bool) -> bytes:
    if code is None and not every_message:
        return b""
    return _message(b"\x7a", Status(code=cast("Status.StatusCode.ValueType", code), message=message or ""))


def _attributes(values: Array, key: str, type_: ValueType) -> Array:
    """Return the attributes of one column as fields of Span, empty where there is none."""

    def encoded(value: Any) -> bytes:
        attribute = KeyValue(key=key)
        if value is None:
            return b""
        _SETTERS[type_](attribute.value, value)
        attribute.value.SetInParent()
        return _message(b"\x4a", attribute)

    if pa.types.is_floating(values.type):  # -0.0 equals 0.0
        return mapped(values.view(pa.int64()), lambda bits: encoded(None if bits is None else _double(bits)))
    if pa.types.is_list(values.type):
        return _fields(values, encoded)
    return mapped(values, encoded)


def _double(bits: int) -> float:
    (value,) = unpack("<d", pack("<q", bits))
    return cast("float", value)


def _fields(values: Array, encoded: Callable[[Any], bytes]) -> Array:
    """Fields encoded row by row, for values that are seldom there or seldom equal; NULL gives no bytes."""
    if values.null_count == len(values):
        return constant(b"")
    return pa.array([b"" if value is None else encoded(value) for value in values.to_pylist()], pa.binary())


def _message(tag: bytes, message: Message) -> bytes:
    content = message.SerializeToString()
    return tag + varint(len(content)) + content


def _elements(values: Iterable[Any], field: bytes, add: Callable[[Any], Message]) -> bytes:
    return b"".join(_message(field, add(value)) for value in values)


def _event(event: Mapping[str, Any]) -> Message:
    time = event["time_unix_nano"] & _UINT64
    message = Span.Event(**_without_attributes(event) | {"time_unix_nano": time})
    _add_entries(message, event["attributes"])
    return message


def _link(link: Mapping[str, Any]) -> Message:
    message = Span.Link(**_without_attributes(link))
    _add_entries(message, link["attributes"])
    return message


def _json(entry: Mapping[str, Any]) -> Message:
    attribute = KeyValue(key=entry["key"])
    _set_json(attribute, entry["value"])
    return attribute


def _resources(rows: "_Rows", spans: Sequence[list[bytes]], *, every_message: bool) -> Iterator[bytes]:
    """Yield the resources with their scopes, as fields of TracesData; ``rows`` are the first spans of each scope."""
    of_resource: dict[int, list[int]] = {}
    for row, resource_id in enumerate(rows.fixed["resource_id"]):
        of_resource.setdefault(resource_id, []).append(row)
    for own in of_resource.values():
        content = [_resource(rows, own[0], every_message=every_message)]
        for row in own:
            pieces = [_scope_of(rows, row, every_message=every_message), *spans[row]]
            content += [b"\x12", varint(sum(map(len, pieces))), *pieces]
        yield b"".join((b"\x0a", varint(sum(map(len, content)))))
        yield from content


def _resource(rows: "_Rows", row: int, *, every_message: bool) -> bytes:
    message = ResourceSpans(schema_url=rows.value("resource_schema_url", row))
    dropped = rows.value("resource_dropped_attributes_count", row)
    if dropped is not None:
        message.resource.dropped_attributes_count = dropped
        rows.add_attributes(Scope.RESOURCE, row, message.resource)
    if dropped is not None or every_message:
        message.resource.SetInParent()
    for entity_ref in rows.value("resource_entity_refs", row) or ():
        message.resource.entity_refs.add(**entity_ref)
    return message.SerializeToString()


def _scope_of(rows: "_Rows", row: int, *, every_message: bool) -> bytes:
    message = ScopeSpans(schema_url=rows.value("scope_schema_url", row))
    dropped = rows.value("scope_dropped_attributes_count", row)
    if dropped is not None:
        message.scope.name, message.scope.version = rows.value("scope_name", row), rows.value("scope_version", row)
        message.scope.dropped_attributes_count = dropped
        rows.add_attributes(Scope.SCOPE, row, message.scope)
    if dropped is not None or every_message:
        message.scope.SetInParent()
    return message.SerializeToString()


class _Attributes(Protocol):
    """A message's attributes."""

    def add(self, *, key: str) -> KeyValue: ...


class _Attributed(Protocol):
    """A message that has attributes."""

    @property
    def attributes(self) -> _Attributes: ...


@dataclass(frozen=True, slots=True)
class _Rows:
    """The columns of a span table as Python lists."""

    count: int
    fixed: Mapping[str, Sequence[Any]]
    """Values by column name; all None for a column that the table lacks."""
    attributes: Mapping[Scope, Sequence[tuple[str, "_Setter", Sequence[Any]]]]
    """Key, the function that sets a value, and the values."""

    @classmethod
    def of(cls, table: pa.Table, *scopes: Scope) -> "_Rows":
        """Read the columns of these scopes."""
        names = [name for name in FIXED.names if name in _IDS or _scope(name) in scopes]
        present = set(table.column_names)
        missing = [None] * table.num_rows
        fixed = {name: table.column(name).to_pylist() if name in present else missing for name in names}
        attributes: dict[Scope, list[tuple[str, _Setter, Sequence[Any]]]] = {scope: [] for scope in scopes}
        for column in attribute_columns(table.schema):
            if column.scope in scopes:
                values = table.column(column.name).to_pylist()
                attributes[column.scope].append((column.key, _SETTERS[column.type], values))
        return cls(table.num_rows, fixed, attributes)

    def value(self, name: str, row: int) -> Any:
        return self.fixed[name][row]

    def add_attributes(self, scope: Scope, row: int, message: _Attributed) -> None:
        """Add the attributes of a row in a scope to a message."""
        for key, set_value, values in self.attributes[scope]:
            if values[row] is not None:
                set_value(message.attributes.add(key=key).value, values[row])
        for entry in self.fixed[f"{scope}_rest"][row] or ():
            _set_json(message.attributes.add(key=entry["key"]), entry["value"])


def _scope(name: str) -> Scope:
    """Return the scope that a fixed column belongs to."""
    prefix = name.partition("_")[0]
    return Scope(prefix) if prefix in (Scope.RESOURCE, Scope.SCOPE) else Scope.SPAN


def _without_attributes(element: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in element.items() if name != "attributes"}


def _add_entries(element: _Attributed, entries: Iterable[Mapping[str, Any]] | None) -> None:
    for entry in entries or ():
        added = element.attributes.add(key=entry["key"])
        if entry["rest"] is not None:
            _set_json(added, entry["rest"])
        for name, set_value in _ENTRY_SETTERS.items():
            if entry[name] is not None:
                set_value(added.value, entry[name])


def _set_json(key_value: KeyValue, text: str) -> None:
    value = json.loads(text)
    if value is not None:
        key_value.value.SetInParent()
        fill(key_value.value, value)


_Setter: TypeAlias = Callable[[AnyValue, Any], None]


def _scalar(field: str) -> _Setter:
    return lambda any_value, value: setattr(any_value, field, value)


def _list(field: str) -> _Setter:
    def set_values(any_value: AnyValue, values: Iterable[Any]) -> None:
        for value in values:
            setattr(any_value.array_value.values.add(), field, value)

    return set_values


_SETTERS: dict[ValueType, _Setter] = {
    ValueType.STRING: _scalar("string_value"),
    ValueType.INT: _scalar("int_value"),
    ValueType.DOUBLE: _scalar("double_value"),
    ValueType.BOOL: _scalar("bool_value"),
    ValueType.STRINGS: _list("string_value"),
    ValueType.INTS: _list("int_value"),
    ValueType.DOUBLES: _list("double_value"),
    ValueType.BOOLS: _list("bool_value"),
}
_ENTRY_SETTERS = {
    "string": _scalar("string_value"),
    "int": _scalar("int_value"),
    "double": _scalar("double_value"),
    "bool": _scalar("bool_value"),
}
_TEXTS = {
    "trace_id": b"\x0a",
    "span_id": b"\x12",
    "trace_state": b"\x1a",
    "parent_span_id": b"\x22",
    "name": b"\x2a",
}
_NUMBERS = {
    "kind": b"\x30",
    "dropped_attributes_count": b"\x50",
    "dropped_events_count": b"\x60",
    "dropped_links_count": b"\x70",
    "flags": b"\x85\x01",
}
