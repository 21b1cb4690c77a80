"""Reads OTLP/JSON into messages; of malformed values it keeps as much as possible.

The rules are those of OTLP/JSON (OTLP specification 1.10, "JSON Protobuf Encoding"): ids are hexadecimal, enums numbers
or names, integers numbers or strings, and unknown members are passed over. Names may also be the original ones of the
proto files.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from spanlake.spans.otlp.json_values import INTEGERS, Unreadable, conversion, double, text
from spanlake.spans.otlp.rest import TOO_DEEP

_LEVELS = 92
"""Nesting limit in messages within a resource, scope or span: with the messages around it that makes protobuf's 100."""
_INT64 = INTEGERS[FieldDescriptor.TYPE_INT64]
_REQUIRED = {
    "trace_id": "invalid_trace_id",
    "span_id": "invalid_span_id",
    "start_time_unix_nano": "invalid_start_time",
}
"""Reason to reject a span in which the field cannot be read."""
_SPANS = frozenset(("resource_spans", "scope_spans", "spans"))
"""Fields read separately, since the spans in them are counted."""

_Reader = Callable[[Any, Any, int], None]
"""Reads a JSON value into a field of a message; the integer is the number of levels that messages may still nest."""


class _Rejected(ValueError):  # noqa: N818
    """A span that cannot be kept; the text is the reason (see ``rejections``)."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request without the spans that cannot be kept, and their counts."""

    message: ExportTraceServiceRequest = field(default_factory=ExportTraceServiceRequest)
    rejected: Counter[str] = field(default_factory=Counter)
    """Counts of rejected spans by reason."""


def read_request(value: object) -> ReadRequest:
    """Read an ExportTraceServiceRequest from parsed JSON. Raises ValueError for JSON that plainly is not a request."""
    read = ReadRequest()
    for resource_spans in read_members(_resource_spans(value), read.rejected):
        _read_resource_spans(read.message.resource_spans.add(), resource_spans, read.rejected)
    return read


def fill(message: Message, value: Mapping[str, Any], levels: int = _LEVELS) -> None:
    """Fill a message from a parsed JSON object.

    Values that a field cannot hold are left out. Attribute values that do not have their declared type keep their
    actual type. Values nested deeper than ``levels`` messages are replaced by a text.
    """
    readers = _readers(message.DESCRIPTOR)
    for name, member in value.items():
        if member is not None and name in readers:
            readers[name](message, member, levels - 1)


def _resource_spans(value: object) -> list[Any]:
    if not isinstance(value, dict):
        kind = {list: "an array", str: "a string", type(None): "null"}.get(type(value), "something else")
        raise ValueError(f"the body must be an object with resourceSpans, it is {kind}")
    names = [name for name in ("resourceSpans", "resource_spans") if name in value]
    if value and not names:
        others = ", ".join(f"{name[:40]!r}" for name in list(value)[:3])
        raise ValueError(f"the body has no resourceSpans, but {others}")
    found = value[names[0]] if names else None
    if found and not isinstance(found, list):
        raise ValueError("resourceSpans must be an array")
    return found or []


def read_members(value: object, rejected: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects in an array. Any other item may be a span, and is counted as unreadable."""
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict) or each == []:
                yield each or {}
            elif each is not None:
                rejected["malformed"] += 1
    elif value:
        rejected["malformed"] += 1


def _read_resource_spans(message: ResourceSpans, value: Mapping[str, Any], rejected: Counter[str]) -> None:
    fill(message, value)
    scopes = _member(value, "scopeSpans", "scope_spans")
    for each in read_members(scopes or _former(value, rejected), rejected):
        _read_scope_spans(message.scope_spans.add(), each, rejected)


def _former(value: Mapping[str, Any], rejected: Counter[str]) -> list[dict[str, Any]]:
    """Return instrumentationLibrarySpans, of OTLP before 0.16, under today's names."""
    found = _member(value, "instrumentationLibrarySpans", "instrumentation_library_spans")
    return [
        {"scope": _member(each, "instrumentationLibrary", "instrumentation_library")} | each
        for each in read_members(found, rejected)
    ]


def _read_scope_spans(message: ScopeSpans, value: Mapping[str, Any], rejected: Counter[str]) -> None:
    fill(message, value)
    for span in read_members(value.get("spans"), rejected):
        try:
            fill(message.spans.add(), span)
        except _Rejected as error:
            del message.spans[-1]
            rejected[str(error)] += 1


def _member(value: Mapping[str, Any], *names: str) -> object:
    return next((value[name] for name in names if value.get(name)), None)


@cache
def _readers(descriptor: Descriptor) -> Mapping[str, _Reader]:
    if descriptor is AnyValue.DESCRIPTOR:
        return {name: reader for each in descriptor.fields for name, reader in _named(each, _typed_value_reader(each))}
    fields = [each for each in descriptor.fields if each.name not in _SPANS]
    return {name: reader for each in fields for name, reader in _named(each, _reader(each))}


def _named(of: FieldDescriptor, reader: _Reader) -> list[tuple[str, _Reader]]:
    return [(of.json_name, reader), (of.name, reader)]


def _reader(of: FieldDescriptor) -> _Reader:
    if of.message_type is AnyValue.DESCRIPTOR:
        return _any_values_reader(of) if of.is_repeated else _any_value_reader(of)
    if of.message_type:
        return _messages_reader(of) if of.is_repeated else _message_reader(of)
    if of.is_repeated:
        return _values_reader(of)
    return _value_reader(of, _REQUIRED.get(of.name) if of.containing_type is Span.DESCRIPTOR else None)


def _any_value_reader(of: FieldDescriptor) -> _Reader:
    def read(message: Any, value: Any, levels: int) -> None:
        part = getattr(message, of.name)
        part.SetInParent()
        _read_any_value(part, value, levels)

    return read


def _any_values_reader(of: FieldDescriptor) -> _Reader:
    def read(message: Any, value: Any, levels: int) -> None:
        parts = getattr(message, of.name)
        for item in value if isinstance(value, list) else ():
            _read_any_value(parts.add(), item, levels)

    return read


def _read_any_value(message: AnyValue, value: Any, levels: int) -> None:
    if isinstance(value, dict):
        fill(message, value, levels)
    elif value is not None and value != []:
        _set_as_it_is(message, value)


def _typed_value_reader(of: FieldDescriptor) -> _Reader:
    """Make the reader of a typed field of AnyValue: a value of another type keeps its actual type."""
    if of.message_type:
        return _nested_value_reader(of)
    convert = conversion(of)

    def read(message: AnyValue, value: Any, _: int) -> None:
        try:
            setattr(message, of.name, convert(value))
        except Unreadable:
            set_otherwise(message, value)

    set_otherwise = _set_double if of.name == "int_value" else _set_as_it_is
    return read


def _nested_value_reader(of: FieldDescriptor) -> _Reader:
    def read(message: AnyValue, value: Any, levels: int) -> None:
        if levels < 0:
            message.string_value = TOO_DEEP
        elif isinstance(value, dict) or value == []:
            part = getattr(message, of.name)
            part.SetInParent()
            fill(part, value or {}, levels)
        else:
            _set_as_it_is(message, value)

    return read


def _set_as_it_is(message: AnyValue, value: Any) -> None:
    if isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int) and value in _INT64:
        message.int_value = value
    elif isinstance(value, int | float):
        message.double_value = double(value)
    else:
        message.string_value = text(value)


def _set_double(message: AnyValue, value: Any) -> None:
    """Set a number that is not a 64-bit integer: larger, or with a fraction."""
    try:
        message.double_value = double(value)
    except Unreadable:
        _set_as_it_is(message, value)


def _message_reader(of: FieldDescriptor) -> _Reader:
    def read(message: Any, value: Any, levels: int) -> None:
        if isinstance(value, dict) or value == []:
            part = getattr(message, of.name)
            part.SetInParent()
            fill(part, value or {}, levels)

    return read


def _messages_reader(of: FieldDescriptor) -> _Reader:
    def read(message: Any, value: Any, levels: int) -> None:
        parts = getattr(message, of.name)
        for item in value if isinstance(value, list) else ():
            if isinstance(item, dict) or item == []:
                fill(parts.add(), item or {}, levels)

    return read


def _value_reader(of: FieldDescriptor, rejection: str | None) -> _Reader:
    convert = conversion(of)

    def read(message: Any, value: Any, _: int) -> None:
        try:
            setattr(message, of.name, convert(value))
        except Unreadable:
            if rejection:
                raise _Rejected(rejection) from None

    return read


def _values_reader(of: FieldDescriptor) -> _Reader:
    convert = conversion(of)

    def read(message: Any, value: Any, _: int) -> None:
        values = getattr(message, of.name)
        for item in value if isinstance(value, list) else ():
            try:
                values.append(convert(item))
            except Unreadable:
                continue

    return read
