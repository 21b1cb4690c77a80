"""OpenCensus: the ExportTraceServiceRequest of its agent, as the OpenTelemetry Collector translates it.

The field numbers are those of opencensus-proto 0.4. Entries of attribute maps are left as bytes, for most of them
repeat, and each different one is looked at once; strings are bytes because nobody vouches for their being UTF-8.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from spanlake.receivers.errors import MalformedSpans
from spanlake.receivers.export import (
    REMEMBERED,
    SHORT,
    Export,
    Span,
    Value,
    attribute,
    event,
    link,
    resource,
    status,
)
from spanlake.receivers.opencensus_messages import MESSAGES
from spanlake.spans.descriptors import message_types

_FORMAT = "OpenCensus"
_SMALLEST = 16
"""Bytes that spans have on average, at the least."""
_FEW = 1024
_SERVER, _CLIENT = 1, 2
_KINDS = {_SERVER: 2, _CLIENT: 3}
_KINDS_OF_TAGS = {"internal": 1, "producer": 4, "consumer": 5}
_ERROR = 2
_LANGUAGES = {
    1: "cpp", 2: "dotnet", 3: "erlang", 4: "go", 5: "java", 6: "nodejs", 7: "php", 8: "python", 9: "ruby", 10: "webjs",
}  # fmt: skip
_MESSAGE_TYPES = {0: "TYPE_UNSPECIFIED", 1: "SENT", 2: "RECEIVED"}
_RENAMED = {"cloud.zone": "cloud.availability_zone"}
_UNKNOWN_VALUE = "<Unknown OpenCensus attribute value type>"
_UNKNOWN_EVENT = "An unknown OpenCensus TimeEvent type was detected when translating"

Attributes = dict[str, tuple[Value, bytes]]
"""By key, value and encoded attribute."""


class Stream:
    """What a stream of requests has said so far: node and resource hold until a later request says others."""

    def __init__(self) -> None:
        self._node = b""
        self._resource = b""

    def complete(self, body: bytes) -> bytes:
        """The same request with node and resource in it, so that it can be understood alone. Raises MalformedSpans."""
        types = _types()
        try:
            head = types["Head"].FromString(body)
        except DecodeError as error:
            raise _malformed(error) from error
        missing = b""
        if head.HasField("node"):
            self._node = head.node
        else:
            missing += types["Head"](node=self._node).SerializeToString() if self._node else b""
        if head.HasField("resource"):
            self._resource = head.resource
        else:
            missing += types["Head"](resource=self._resource).SerializeToString() if self._resource else b""
        return missing + body


def export_request(body: bytes) -> bytes:
    """Turn an ExportTraceServiceRequest of OpenCensus into OTLP's. Raises MalformedSpans."""
    types = _types()
    try:
        request = types["Request"].FromString(body)
        if len(request.spans) > _FEW + len(body) // _SMALLEST:
            raise MalformedSpans(_FORMAT, "most of its spans are empty")
        writer = _Writer(types, request.node)
        for span in request.spans:
            writer.add(types["Span"].FromString(span), request.resource)
    except DecodeError as error:
        raise _malformed(error) from error
    return writer.export.to_bytes()


def _malformed(error: DecodeError) -> MalformedSpans:
    return MalformedSpans(_FORMAT, str(error).rpartition(": ")[2] or "not protobuf")


@cache
def _types() -> dict[str, Any]:
    return {name: GetMessageClass(type_) for name, type_ in message_types("spanlake.opencensus", MESSAGES).items()}


class _Writer:
    """Writes spans of one node; equal attributes and resources are read once."""

    def __init__(self, types: dict[str, Any], node: bytes) -> None:
        self.export = Export()
        self._types = types
        self._node = types["Node"].FromString(node)
        self._resources: dict[bytes, bytes] = {}
        self._entries: dict[bytes, tuple[str, tuple[Value, bytes]]] = {}

    def add(self, message: Any, resource: bytes) -> None:
        """Add a span; a resource of its own goes before that of the request."""
        attributes = self._read(message.attributes)
        kind = _KINDS.get(message.kind, 0) or _kind_of(attributes)
        encoded_status = _status(message, attributes)
        if message.HasField("same_process_as_parent_span"):
            key, value = "opencensus.same_process_as_parent_span", bool(message.same_process_as_parent_span.value)
            attributes[key] = value, attribute(key, value)
        span = Span(
            _id(message.trace_id, 16),
            _id(message.span_id, 8),
            _id(message.parent_span_id, 8),
            _text(message.name.value),
            kind,
            _nanoseconds(message.start_time),
            _nanoseconds(message.end_time),
            [encoded for _, encoded in attributes.values()],
            [self._event(each) for each in message.time_events.time_event] if message.HasField("time_events") else (),
            [self._link(each) for each in message.links.link] if message.HasField("links") else (),
            encoded_status,
            _trace_state(message.tracestate) if message.HasField("tracestate") else "",
            _dropped(message),
        )
        own = message.resource if message.HasField("resource") else resource
        self.export.add(self._resource(own), b"", span.encode())

    def _resource(self, encoded: bytes) -> bytes:
        if encoded not in self._resources:
            labels = self._types["Resource"].FromString(encoded)
            attributes = [attribute(*item) for item in _resource_attributes(self._node, labels).items()]
            self._resources[encoded] = resource(attributes)
        return self._resources[encoded]

    def _read(self, attributes: Any) -> Attributes:
        known = self._entries
        return dict([known.get(encoded) or self._entry(encoded) for encoded in attributes.attribute_map])

    def _entry(self, encoded: bytes) -> tuple[str, tuple[Value, bytes]]:
        entry = self._entries[encoded] = _short_entry(encoded) if len(encoded) <= SHORT else _entry(encoded)
        return entry

    def _encoded(self, attributes: Any) -> list[bytes]:
        return [encoded for _, encoded in self._read(attributes).values()]

    def _event(self, message: Any) -> bytes:
        time = _nanoseconds(message.time)
        match message.WhichOneof("value"):
            case "annotation":
                attributes = message.annotation.attributes
                name = _text(message.annotation.description.value)
                return event(time, name, self._encoded(attributes), _count(attributes.dropped))
            case "message_event":
                return event(time, "message", _of_message(message.message_event))
            case _:
                return event(time, _UNKNOWN_EVENT)

    def _link(self, message: Any) -> bytes:
        return link(
            _id(message.trace_id, 16),
            _id(message.span_id, 8),
            self._encoded(message.attributes),
            _trace_state(message.tracestate),
            _count(message.attributes.dropped),
        )


def _entry(encoded: bytes) -> tuple[str, tuple[Value, bytes]]:
    entry = _types()["Entry"].FromString(encoded)
    key, value = _text(entry.key), _value(entry.value)
    return key, (value, attribute(key, value))


_short_entry = lru_cache(REMEMBERED)(_entry)


def _resource_attributes(node: Any, labels: Any) -> Mapping[str, Value]:
    """What is known of where spans are from; later lines beat earlier ones."""
    attributes: dict[str, Value] = {}
    for label in labels.labels:
        key = _text(label.key)
        attributes[_RENAMED.get(key, key)] = _text(label.value)
    attributes |= {_text(entry.key): _text(entry.value) for entry in node.attributes}
    special: dict[str, Value] = {
        "service.name": _text(node.service_info.name),
        "opencensus.starttime": _start_time(node.identifier),
        "host.name": _text(node.identifier.host_name),
        "process.pid": node.identifier.pid,
        "telemetry.sdk.version": _text(node.library_info.core_library_version),
        "opencensus.exporterversion": _text(node.library_info.exporter_version),
        "telemetry.sdk.language": _LANGUAGES.get(node.library_info.language, ""),
        "opencensus.resourcetype": _text(labels.type),
    }
    return attributes | {key: value for key, value in special.items() if value}


def _start_time(identifier: Any) -> str:
    """When a process was started, as RFC 3339 has it, to the nanosecond."""
    if not identifier.HasField("start_timestamp"):
        return ""
    seconds, nanos = divmod(_nanoseconds(identifier.start_timestamp), 1_000_000_000)
    try:
        whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{whole:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _kind_of(attributes: Attributes) -> int:
    """The kinds that OpenCensus lacks, told by an attribute, which then is none."""
    value = attributes.get("span.kind", ("", b""))[0]
    kind = _KINDS_OF_TAGS.get(value, 0) if isinstance(value, str) else 0
    if kind:
        del attributes["span.kind"]
    return kind


def _status(message: Any, attributes: Attributes) -> bytes:
    """A code of gRPC's, of which all but the first are errors; an attribute knows better."""
    if not message.HasField("status"):
        return b""
    code = _ERROR if message.status.code else 0
    if "otel.status_code" in attributes:
        value = attributes.pop("otel.status_code")[0]
        code = value if isinstance(value, int) and not isinstance(value, bool) else 0
    return status(code, _text(message.status.message))


def _value(message: Any) -> Value:
    match message.WhichOneof("value"):
        case "string_value":
            return _text(message.string_value.value)
        case "int_value":
            return int(message.int_value)
        case "bool_value":
            return bool(message.bool_value)
        case "double_value":
            return float(message.double_value)
        case _:
            return _UNKNOWN_VALUE


def _of_message(message: Any) -> list[bytes]:
    attributes: dict[str, Value] = {
        "message.type": _MESSAGE_TYPES.get(message.type, str(message.type)),
        "messaging.message_id": _signed(message.id),
        "messaging.message_payload_size_bytes": _signed(message.uncompressed_size),
        "messaging.message_payload_compressed_size_bytes": _signed(message.compressed_size),
    }
    return [attribute(key, value) for key, value in attributes.items()]


def _trace_state(message: Any) -> str:
    """Entries in the form of W3C's header."""
    return ",".join(f"{_text(entry.key)}={_text(entry.value)}" for entry in message.entries)


def _dropped(message: Any) -> tuple[int, int, int]:
    attributes, events, links = _count(message.attributes.dropped), 0, 0
    if message.HasField("time_events"):
        events = message.time_events.dropped_annotations + message.time_events.dropped_message_events
    if message.HasField("links"):
        links = message.links.dropped
    return attributes, _count(events), _count(links)


def _count(number: int) -> int:
    """An int32 that counts, as the uint32 that it is in OTLP."""
    return number & 0xFFFFFFFF


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _id(id_: bytes, length: int) -> bytes:
    """An id padded with zeros on the left; the bytes of one that is too long do not count past that."""
    return id_ if len(id_) in (0, length) else id_[:length].rjust(length, b"\0")


def _text(encoded: bytes) -> str:
    return encoded.decode(errors="replace")


def _nanoseconds(time: Any) -> int:
    return int(time.seconds * 1_000_000_000 + time.nanos)
