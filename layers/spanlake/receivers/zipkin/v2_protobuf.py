"""Zipkin's protobuf: ListOfSpans, with the field numbers of zipkin-api's zipkin.proto."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from spanlake.receivers.translation import MOST_EVENTS, MOST_SPANS, Translated
from spanlake.receivers.zipkin import v2
from spanlake.receivers.zipkin.v2 import NOWHERE, Endpoint, ZipkinSpan, export, malformed
from spanlake.spans.otlp.limits import MOST_ATTRIBUTES, TooMuch
from spanlake.spans.otlp.nesting import refuse_small_fields
from spanlake.spans.otlp.protobuf import Messages, message_types

_ENCODING = "protobuf"
_SMALLEST = 16
"""Minimum average size of spans in bytes."""
_SMALLEST_FIELD = 8
"""Minimum average size of a span's fields in bytes."""
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


def spans(body: bytes) -> Translated:
    """Convert a ListOfSpans to an ExportTraceServiceRequest, without the spans that are not protobuf.

    Raises MalformedSpans when the body is not protobuf.
    """
    types = _types()
    try:
        refuse_small_fields(body, _SMALLEST)
        encoded = types["ListOfSpans"].FromString(body).spans
    except TooMuch as error:
        raise malformed(_ENCODING, str(error)) from None
    except DecodeError as error:
        raise malformed(_ENCODING, str(error).rpartition(": ")[2] or "not protobuf") from error
    if len(encoded) > _FEW + len(body) // _SMALLEST:
        raise malformed(_ENCODING, "most of its spans are empty")
    if len(encoded) > MOST_SPANS:
        raise malformed(_ENCODING, f"it has more than {MOST_SPANS} spans: send fewer at a time")
    found = list(_Reader(types).spans(encoded))
    return Translated.without(len(encoded) - len(found), export(found, tells_absent_start=False))


@cache
def _types() -> dict[str, Any]:
    types = message_types("spanlake.zipkin", _MESSAGES)
    return {name: GetMessageClass(type_) for name, type_ in types.items()}


class _Reader:
    """A reader of spans; equal tags and endpoints are read once."""

    def __init__(self, types: dict[str, Any]) -> None:
        self._types = types
        self._tags: dict[bytes, tuple[str, str]] = {}
        self._endpoints: dict[bytes, Endpoint] = {}

    def spans(self, encoded: Iterable[bytes]) -> Iterator[ZipkinSpan]:
        """Yield the spans that can be read."""
        read = self._types["Span"].FromString
        for each in encoded:
            try:
                refuse_small_fields(each, _SMALLEST_FIELD)
                message = read(each)
            except (DecodeError, TooMuch):
                continue
            yield self._span(message)

    def _span(self, message: Any) -> ZipkinSpan:
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
            [(each.timestamp, _text(each.value)) for each in message.annotations[: MOST_EVENTS + 1]],
            self._tags_of(message.tags[:MOST_ATTRIBUTES]),
            max(len(message.tags) - MOST_ATTRIBUTES, 0),
        )

    def _tags_of(self, tags: Iterable[bytes]) -> dict[str, str]:
        known = self._tags
        try:
            return dict([known.get(encoded) or self._tag(encoded) for encoded in tags])
        except DecodeError:
            return dict(self._readable(tags))

    def _readable(self, tags: Iterable[bytes]) -> Iterator[tuple[str, str]]:
        """Yield the tags that are protobuf."""
        for encoded in tags:
            try:
                yield self._tag(encoded)
            except DecodeError:
                continue

    def _tag(self, encoded: bytes) -> tuple[str, str]:
        tag = self._types["Tag"].FromString(encoded)
        self._tags[encoded] = _text(tag.key), _text(tag.value)
        return self._tags[encoded]

    def _endpoint(self, encoded: bytes) -> Endpoint:
        found = self._endpoints.get(encoded)
        if found is None:
            found = self._endpoints[encoded] = self._read_endpoint(encoded)
        return found

    def _read_endpoint(self, encoded: bytes) -> Endpoint:
        try:
            endpoint = self._types["Endpoint"].FromString(encoded)
        except DecodeError:
            return NOWHERE
        address = v2.from_bytes(endpoint.ipv6) or v2.from_bytes(endpoint.ipv4)
        port = endpoint.port if 0 < endpoint.port < 1 << 16 else 0
        return Endpoint(_text(endpoint.service_name), address, port)


_LENGTHS: Mapping[int, tuple[int, ...]] = {16: (16, 8), 8: (8,)}
"""Lengths in which ids are sent, by the length in bytes: trace ids of Zipkin's own clients may have 64 bits."""


def _id(id_: bytes, length: int) -> bytes:
    """Pad an id with zeros on the left; empty when its length is not that of an id."""
    return id_ if len(id_) == length else id_.rjust(length, b"\0") if len(id_) in _LENGTHS[length] else b""


def _text(encoded: bytes) -> str:
    return encoded.decode(errors="replace")
