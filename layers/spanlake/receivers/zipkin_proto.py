"""Zipkin's protobuf: ListOfSpans, with the field numbers of zipkin-api's zipkin.proto."""

from functools import cache
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from spanlake.receivers import zipkin_address
from spanlake.receivers.zipkin import NOWHERE, Endpoint, ZipkinSpan, export, malformed
from spanlake.spans.descriptors import Messages, message_types

_ENCODING = "protobuf"
_SMALLEST = 16
"""Bytes that spans have on average, at the least."""
_FEW = 1024
_KINDS = {1: "CLIENT", 2: "SERVER", 3: "PRODUCER", 4: "CONSUMER"}

_MESSAGES: Messages = {
    "ListOfSpans": ((1, "spans", "repeated bytes"),),
    "Span": (
        (1, "trace_id", "bytes"),
        (2, "parent_id", "bytes"),
        (3, "id", "bytes"),
        (4, "kind", "int32"),
        (5, "name", "bytes"),
        (6, "timestamp", "fixed64"),
        (7, "duration", "uint64"),
        (8, "local_endpoint", "optional bytes"),
        (9, "remote_endpoint", "optional bytes"),
        (10, "annotations", "repeated Annotation"),
        (11, "tags", "repeated bytes"),
    ),
    "Endpoint": ((1, "service_name", "bytes"), (2, "ipv4", "bytes"), (3, "ipv6", "bytes"), (4, "port", "int32")),
    "Annotation": ((1, "timestamp", "fixed64"), (2, "value", "bytes")),
    "Tag": ((1, "key", "bytes"), (2, "value", "bytes")),
}


def spans(body: bytes) -> bytes:
    """Turn a ListOfSpans into an ExportTraceServiceRequest. Raises MalformedSpans."""
    types = _types()
    try:
        encoded = types["ListOfSpans"].FromString(body).spans
        if len(encoded) > _FEW + len(body) // _SMALLEST:
            raise malformed(_ENCODING, "most of its spans are empty")
        reader = _Reader(types)
        return export([reader.span(types["Span"].FromString(each)) for each in encoded], tells_absent_start=False)
    except DecodeError as error:
        raise malformed(_ENCODING, str(error).rpartition(": ")[2] or "not protobuf") from error


@cache
def _types() -> dict[str, Any]:
    types = message_types("spanlake.zipkin", _MESSAGES)
    return {name: GetMessageClass(type_) for name, type_ in types.items()}


class _Reader:
    """Reads spans; equal tags and endpoints are read once."""

    def __init__(self, types: dict[str, Any]) -> None:
        self._types = types
        self._tags: dict[bytes, tuple[str, str]] = {}
        self._endpoints: dict[bytes, Endpoint] = {}

    def span(self, message: Any) -> ZipkinSpan:
        known = self._tags
        return ZipkinSpan(
            _id(message.trace_id, 16),
            _id(message.id, 8),
            _id(message.parent_id, 8),
            _KINDS.get(message.kind, ""),
            _text(message.name),
            message.timestamp,
            message.duration,
            self._endpoint(message.local_endpoint) if message.local_endpoint else NOWHERE,
            self._endpoint(message.remote_endpoint) if message.remote_endpoint else NOWHERE,
            [(each.timestamp, _text(each.value)) for each in message.annotations],
            dict([known.get(encoded) or self._tag(encoded) for encoded in message.tags]),
        )

    def _tag(self, encoded: bytes) -> tuple[str, str]:
        tag = self._types["Tag"].FromString(encoded)
        self._tags[encoded] = _text(tag.key), _text(tag.value)
        return self._tags[encoded]

    def _endpoint(self, encoded: bytes) -> Endpoint:
        if encoded not in self._endpoints:
            endpoint = self._types["Endpoint"].FromString(encoded)
            address = endpoint.ipv6 or endpoint.ipv4
            shown = zipkin_address.from_bytes(address) if address else ""
            self._endpoints[encoded] = Endpoint(_text(endpoint.service_name), shown, endpoint.port)
        return self._endpoints[encoded]


def _id(id_: bytes, length: int) -> bytes:
    """An id of its whole length, or none."""
    if id_ and len(id_) != length:
        raise malformed(_ENCODING, f"an id has {len(id_)} bytes instead of {length}")
    return id_


def _text(encoded: bytes) -> str:
    return encoded.decode(errors="replace")
