"""Jaeger's protobuf: PostSpansRequest of api_v2, whose spans may each have a process of their own.

The field numbers are those of jaeger-idl's model.proto and collector.proto. Tags and processes are left as bytes, for
most of them repeat, and each different one is looked at once; strings are bytes because some clients send no UTF-8.
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from spanlake.receivers import jaeger
from spanlake.receivers.errors import MalformedSpans
from spanlake.receivers.export import REMEMBERED, SHORT, Export, Span, Value, scope
from spanlake.receivers.jaeger import Attribute, Reference, Tag
from spanlake.spans.descriptors import Messages, message_types

_FORMAT = "Jaeger's protobuf"
_SMALLEST = 16
"""Bytes that spans have on average, at the least."""
_FEW = 1024
_NO_SERVICE = "OTLPResourceNoServiceName"
"""What the Collector calls the service of spans that have none."""

MESSAGES: Messages = {
    "PostSpansRequest": ((1, "batch", "Batch"),),
    "Batch": ((1, "spans", "repeated bytes"), (2, "process", "bytes")),
    "Process": ((1, "service_name", "bytes"), (2, "tags", "repeated bytes")),
    "Span": (
        (1, "trace_id", "bytes"),
        (2, "span_id", "bytes"),
        (3, "operation_name", "bytes"),
        (4, "references", "repeated Reference"),
        (6, "start_time", "Time"),
        (7, "duration", "Time"),
        (8, "tags", "repeated bytes"),
        (9, "logs", "repeated Log"),
        (10, "process", "optional bytes"),
    ),
    "Reference": ((1, "trace_id", "bytes"), (2, "span_id", "bytes"), (3, "type", "int32")),
    "Time": ((1, "seconds", "int64"), (2, "nanos", "int32")),
    "Log": ((1, "timestamp", "Time"), (2, "fields", "repeated bytes")),
    "KeyValue": (
        (1, "key", "bytes"),
        (2, "type", "int32"),
        (3, "string", "bytes"),
        (4, "boolean", "bool"),
        (5, "integer", "int64"),
        (6, "double", "double"),
        (7, "binary", "bytes"),
    ),
}


def post_spans(body: bytes) -> bytes:
    """Turn a PostSpansRequest into an ExportTraceServiceRequest. Raises MalformedSpans."""
    types = _types()
    try:
        batch = types["PostSpansRequest"].FromString(body).batch
        spans = batch.spans
        if len(spans) > _FEW + len(body) // _SMALLEST:
            raise MalformedSpans(_FORMAT, "most of its spans are empty")
        return _Batch(types).export(batch.process, map(types["Span"].FromString, spans))
    except DecodeError as error:
        raise MalformedSpans(_FORMAT, str(error).rpartition(": ")[2] or "not protobuf") from error


@cache
def _types() -> dict[str, Any]:
    types = message_types("spanlake.jaeger", MESSAGES)
    return {name: GetMessageClass(type_) for name, type_ in types.items()}


class _Batch:
    """Reads one batch; equal tags and processes in it are read once."""

    def __init__(self, types: dict[str, Any]) -> None:
        self._types = types
        self._tags: dict[bytes, Tag] = {}
        self._processes: dict[bytes, bytes] = {}

    def export(self, process: bytes, spans: Iterable[Any]) -> bytes:
        export = Export()
        for span in spans:
            resource = self._process(span.process if span.HasField("process") else process)
            tags = self._read(span.tags)
            export.add(resource, _scope(tags) if "otel.scope.name" in tags else b"", self._span(span, tags))
        return export.to_bytes()

    def _span(self, message: Any, tags: dict[str, Attribute]) -> bytes:
        start = _nanoseconds(message.start_time)
        span = Span(
            _id(message.trace_id, 16),
            _id(message.span_id, 8),
            b"",
            message.operation_name.decode(errors="replace"),
            kind=0,
            start_ns=start,
            end_ns=start + _nanoseconds(message.duration),
            attributes=(),
        )
        if message.logs:
            span.events = [
                jaeger.log(_nanoseconds(log.timestamp), self._read(log.fields).items()) for log in message.logs
            ]
        state = tags.pop("w3c.tracestate", None)
        if state is not None and isinstance(state[0], str):
            span.trace_state = state[0]
        return jaeger.complete(span, tags, [_reference(reference) for reference in message.references])

    def _process(self, encoded: bytes) -> bytes:
        if encoded not in self._processes:
            process = self._types["Process"].FromString(encoded)
            name = process.service_name.decode(errors="replace")
            tags = self._read(process.tags).items()
            self._processes[encoded] = b"" if name == _NO_SERVICE else jaeger.process(name, tags)
        return self._processes[encoded]

    def _read(self, encoded: Iterable[bytes]) -> dict[str, Attribute]:
        """The tags by key."""
        known = self._tags
        return dict([known.get(each) or self._tag(each) for each in encoded])

    def _tag(self, encoded: bytes) -> Tag:
        tag = self._tags[encoded] = _short_tag(encoded) if len(encoded) <= SHORT else _tag(encoded)
        return tag


def _tag(encoded: bytes) -> Tag:
    message = _types()["KeyValue"].FromString(encoded)
    return jaeger.tag(message.key.decode(errors="replace"), _value(message))


_short_tag = lru_cache(REMEMBERED)(_tag)


def _value(message: Any) -> Value:
    match message.type:
        case 0:
            return str(message.string.decode(errors="replace"))
        case 1:
            return bool(message.boolean)
        case 2:
            return int(message.integer)
        case 3:
            return float(message.double)
        case 4:
            return bytes(message.binary)
        case unknown:
            return f"<Unknown Jaeger TagType {unknown}>"


def _scope(tags: dict[str, Attribute]) -> bytes:
    """The scope that tags name, which are attributes no longer."""
    name, version = (tags.pop(f"otel.scope.{part}", ("", b""))[0] for part in ("name", "version"))
    return scope(name if isinstance(name, str) else "", version if isinstance(version, str) else "")


def _reference(message: Any) -> Reference:
    return message.type, _id(message.trace_id, 16), _id(message.span_id, 8)


def _id(id_: bytes, length: int) -> bytes:
    """An id, padded with zeros on the left; none stays none."""
    if len(id_) == length:
        return id_
    if len(id_) > length:
        raise MalformedSpans(_FORMAT, f"an id has {len(id_)} bytes, {length} are the most")
    return id_.rjust(length, b"\0") if id_ else id_


def _nanoseconds(time: Any) -> int:
    return int(time.seconds * 1_000_000_000 + time.nanos)
