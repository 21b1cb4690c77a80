"""Encodes a span table as OTLP: spans under their resources and scopes, with everything they were sent with."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from spanlake.spans.columns import Scope, ValueType, attribute_columns
from spanlake.spans.otlp.json_decode import fill
from spanlake.spans.schema import FIXED

_Id: TypeAlias = tuple[int, int]  # of a resource and of one of its scopes

_UINT64 = 2**64 - 1
_IDS = ("resource_id", "scope_id")


def to_otlp(table: pa.Table) -> TracesData:
    """Rebuild the OTLP messages of the spans of one or a few traces.

    Spans are ordered by start, resources and scopes by their first span. Columns that the table lacks count as NULL;
    attribute columns are recognized by the metadata of their fields (see ``columns``).
    """
    rows = _Rows.of(table, Scope.SPAN)
    owner = {row: (rows.value("resource_id", row), rows.value("scope_id", row)) for row in rows.by_start()}
    first = {id_: row for row, id_ in reversed(owner.items())}
    owners = list(dict.fromkeys(owner.values()))
    traces = TracesData()
    scopes = _add_scopes(traces, table.take(pa.array([first[id_] for id_ in owners], pa.int64())), owners)
    rows.add_attributes(Scope.SPAN, {row: _add_span(scopes[id_], rows, row) for row, id_ in owner.items()})
    return traces


def with_every_message(traces: TracesData) -> TracesData:
    """Add the resources, scopes and statuses that were never sent, as empty messages; returns the same object.

    Readers such as Grafana's access them without a test.
    """
    for resource_spans in traces.resource_spans:
        resource_spans.resource.SetInParent()
        for scope_spans in resource_spans.scope_spans:
            scope_spans.scope.SetInParent()
            for span in scope_spans.spans:
                span.status.SetInParent()
    return traces


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

    def by_start(self) -> list[int]:
        starts = self.fixed["start_time_unix_nano"]
        return sorted(range(self.count), key=lambda row: starts[row] & _UINT64)

    def add_attributes(self, scope: Scope, messages: Mapping[int, _Attributed]) -> None:
        """Add to messages, given by row, the attributes of their rows in a scope."""
        for key, set_value, values in self.attributes[scope]:
            for row, message in messages.items():
                if values[row] is not None:
                    set_value(message.attributes.add(key=key).value, values[row])
        rest = self.fixed[f"{scope}_rest"]
        for row, message in messages.items():
            for entry in rest[row] or ():
                _set_json(message.attributes.add(key=entry["key"]), entry["value"])


def _scope(name: str) -> Scope:
    """Return the scope that a fixed column belongs to."""
    prefix = name.partition("_")[0]
    return Scope(prefix) if prefix in (Scope.RESOURCE, Scope.SCOPE) else Scope.SPAN


def _add_scopes(traces: TracesData, table: pa.Table, ids: Sequence[_Id]) -> dict[_Id, ScopeSpans]:
    """Add the resources and scopes of the rows, whose ids these are."""
    rows = _Rows.of(table, Scope.RESOURCE, Scope.SCOPE)
    resources: dict[int, ResourceSpans] = {}
    scopes: dict[_Id, ScopeSpans] = {}
    for row, (resource_id, scope_id) in enumerate(ids):
        if resource_id not in resources:
            resources[resource_id] = _add_resource(traces, rows, row)
        scopes[resource_id, scope_id] = _add_scope(resources[resource_id], rows, row)
    return scopes


def _add_resource(traces: TracesData, rows: _Rows, row: int) -> ResourceSpans:
    added = traces.resource_spans.add(schema_url=rows.value("resource_schema_url", row))
    dropped = rows.value("resource_dropped_attributes_count", row)
    if dropped is not None:
        added.resource.SetInParent()
        added.resource.dropped_attributes_count = dropped
        rows.add_attributes(Scope.RESOURCE, {row: added.resource})
    for entity_ref in rows.value("resource_entity_refs", row) or ():
        added.resource.entity_refs.add(**entity_ref)
    return added


def _add_scope(resource_spans: ResourceSpans, rows: _Rows, row: int) -> ScopeSpans:
    added = resource_spans.scope_spans.add(schema_url=rows.value("scope_schema_url", row))
    dropped = rows.value("scope_dropped_attributes_count", row)
    if dropped is not None:
        added.scope.name, added.scope.version = rows.value("scope_name", row), rows.value("scope_version", row)
        added.scope.dropped_attributes_count = dropped
        added.scope.SetInParent()
        rows.add_attributes(Scope.SCOPE, {row: added.scope})
    return added


def _add_span(scope_spans: ScopeSpans, rows: _Rows, row: int) -> Span:
    start = rows.value("start_time_unix_nano", row)
    span = scope_spans.spans.add(
        **{name: rows.value(name, row) for name in _AS_THEY_ARE},
        start_time_unix_nano=start & _UINT64,
        end_time_unix_nano=_end(rows, row) & _UINT64,
    )
    if rows.value("status_code", row) is not None:
        span.status.SetInParent()
        span.status.code, span.status.message = rows.value("status_code", row), rows.value("status_message", row)
    for event in rows.value("events", row) or ():
        time = event["time_unix_nano"] & _UINT64
        _add_entries(span.events.add(**_without_attributes(event) | {"time_unix_nano": time}), event["attributes"])
    for link in rows.value("links", row) or ():
        _add_entries(span.links.add(**_without_attributes(link)), link["attributes"])
    return span


def _end(rows: _Rows, row: int) -> int:
    """Return the end that was sent; in blocks of older versions, start plus the stored duration."""
    sent: int | None = rows.value("end_time_unix_nano", row)
    start, duration = rows.value("start_time_unix_nano", row), rows.value("duration_nano", row)
    return start + duration if sent is None else sent


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
_AS_THEY_ARE = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "trace_state",
    "flags",
    "dropped_attributes_count",
    "dropped_events_count",
    "dropped_links_count",
)
