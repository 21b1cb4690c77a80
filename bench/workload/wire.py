"""OTLP put together from encoded pieces.

Encoded protobuf messages merge when they are concatenated. A span is therefore the concatenation of pieces encoded
once (name, kind, attributes) and of the few that are its own (ids, times), which is many times quicker than an object
for every attribute.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from tests.any_values import key_values

Value = str | bool | int | float | Sequence[str]

_TRACE_ID = b"\x0a\x10"
_SPAN_ID = b"\x12\x08"
_PARENT_SPAN_ID = b"\x22\x08"
_TIMES = struct.Struct("<cQcQ")
_SCOPE_SPANS_SPAN = b"\x12"
_RESOURCE_SPANS_SCOPE_SPANS = b"\x12"
_REQUEST_RESOURCE_SPANS = b"\x0a"


def attributes_piece(attributes: Mapping[str, Value]) -> bytes:
    """The part of a span that holds these attributes."""
    return Span(attributes=key_values(attributes)).SerializeToString()


def trace_piece(trace_id: bytes) -> bytes:
    """The part of a span that holds its 16-byte trace id."""
    return _TRACE_ID + trace_id


def ids_piece(span_id: bytes, parent_span_id: bytes) -> bytes:
    """The part of a span that holds its own 8-byte id and its parent's, which is empty for a root."""
    parent = _PARENT_SPAN_ID + parent_span_id if parent_span_id else b""
    return _SPAN_ID + span_id + parent


def times_piece(start: int, end: int) -> bytes:
    """The part of a span that holds its start and end, in nanoseconds since 1970."""
    return _TIMES.pack(b"\x39", start, b"\x41", end)


def resource_piece(attributes: Mapping[str, Value]) -> bytes:
    """The part of a ResourceSpans message that holds the resource."""
    return ResourceSpans(resource=Resource(attributes=key_values(attributes))).SerializeToString()


def scope_piece(name: str, version: str) -> bytes:
    """The part of a ScopeSpans message that holds the instrumentation scope."""
    return ScopeSpans(scope=InstrumentationScope(name=name, version=version)).SerializeToString()


def scope_spans(scope: bytes, spans: Iterable[bytes]) -> bytes:
    """A ScopeSpans message, as a field of its ResourceSpans."""
    fields = b"".join([_field(_SCOPE_SPANS_SPAN, span) for span in spans])
    return _field(_RESOURCE_SPANS_SCOPE_SPANS, scope + fields)


def resource_spans(resource: bytes, scopes: Iterable[bytes]) -> bytes:
    """A ResourceSpans message, as a field of the request."""
    return _field(_REQUEST_RESOURCE_SPANS, resource + b"".join(scopes))


def _field(tag: bytes, payload: bytes) -> bytes:
    return tag + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
