"""The spans of an OTLP request in the encodings of other protocols, as their clients would send them."""

import json
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from spanlake.receivers.jaeger.protobuf import MESSAGES as JAEGER
from spanlake.receivers.opencensus.messages import MESSAGES as OPENCENSUS
from spanlake.spans.otlp.protobuf import Messages, message_types

_MESSAGES: dict[str, Messages] = {"bench.jaeger": JAEGER, "bench.opencensus": OPENCENSUS}
_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


def zipkin_json(request: ExportTraceServiceRequest) -> Iterator[bytes]:
    """Yields all spans as a single list."""
    spans = [
        _zipkin(span, _service(resource))
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    yield json.dumps(spans, separators=(",", ":")).encode()


def jaeger_thrift(request: ExportTraceServiceRequest) -> Iterator[bytes]:
    """A batch for each resource, in the binary protocol."""
    for resource in request.resource_spans:
        tags = _thrift_tags([item for item in resource.resource.attributes if item.key != "service.name"])
        process = b"\x0b\x00\x01" + _thrift_text(_service(resource)) + b"\x0f\x00\x02" + tags + b"\x00"
        spans = [_thrift_span(span) for scope in resource.scope_spans for span in scope.spans]
        yield b"\x0c\x00\x01" + process + b"\x0f\x00\x02" + _thrift_list(spans) + b"\x00"


def jaeger_proto(request: ExportTraceServiceRequest) -> Iterator[bytes]:
    """A PostSpansRequest for each resource."""
    types = _types("bench.jaeger")
    for resource in request.resource_spans:
        tags = [item for item in resource.resource.attributes if item.key != "service.name"]
        process = types["Process"](service_name=_service(resource).encode(), tags=[_jaeger_tag(item) for item in tags])
        spans = [_jaeger_span(span) for scope in resource.scope_spans for span in scope.spans]
        batch = types["Batch"](spans=spans, process=process.SerializeToString())
        yield types["PostSpansRequest"](batch=batch).SerializeToString()


def opencensus(request: ExportTraceServiceRequest) -> Iterator[bytes]:
    """An ExportTraceServiceRequest of the agent for each resource."""
    types = _types("bench.opencensus")
    for resource in request.resource_spans:
        node = types["Node"](service_info={"name": _service(resource).encode()})
        labels = [
            {"key": item.key.encode(), "value": _text(item.value).encode()} for item in resource.resource.attributes
        ]
        spans = [_opencensus_span(span) for scope in resource.scope_spans for span in scope.spans]
        message = types["Request"](
            node=node.SerializeToString(),
            resource=types["Resource"](labels=labels).SerializeToString(),
            spans=spans,
        )
        yield message.SerializeToString()


@cache
def _types(package: str) -> dict[str, Any]:
    types = message_types(package, _MESSAGES[package])
    return {name: GetMessageClass(type_) for name, type_ in types.items()}


def _service(resource: ResourceSpans) -> str:
    return next(item.value.string_value for item in resource.resource.attributes if item.key == "service.name")


def _text(value: AnyValue) -> str:
    field = value.WhichOneof("value")
    found = getattr(value, field) if field else ""
    return found if isinstance(found, str) else json.dumps(found, default=str)


def _zipkin(span: Span, service: str) -> dict[str, Any]:
    found = {
        "traceId": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "name": span.name,
        "timestamp": span.start_time_unix_nano // 1000,
        "duration": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
        "localEndpoint": {"serviceName": service, "ipv4": "10.0.0.7"},
        "tags": {item.key: _text(item.value) for item in span.attributes},
        "annotations": [{"timestamp": event.time_unix_nano // 1000, "value": event.name} for event in span.events],
    }
    if span.parent_span_id:
        found["parentId"] = span.parent_span_id.hex()
    if span.kind > 1:
        found["kind"] = _KINDS[span.kind].upper()
    return found


def _thrift_text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">i", len(encoded)) + encoded


def _thrift_list(structs: list[bytes]) -> bytes:
    return b"\x0c" + struct.pack(">i", len(structs)) + b"".join(structs)


def _thrift_tags(attributes: Any) -> bytes:
    return _thrift_list([_thrift_tag(item.key, item.value) for item in attributes])


def _thrift_tag(key: str, value: AnyValue) -> bytes:
    match value.WhichOneof("value"):
        case "int_value":
            type_, encoded = 3, b"\x0a\x00\x06" + struct.pack(">q", value.int_value)
        case "double_value":
            type_, encoded = 1, b"\x04\x00\x04" + struct.pack(">d", value.double_value)
        case "bool_value":
            type_, encoded = 2, b"\x02\x00\x05" + bytes([value.bool_value])
        case _:
            type_, encoded = 0, b"\x0b\x00\x03" + _thrift_text(_text(value))
    return b"\x0b\x00\x01" + _thrift_text(key) + b"\x08\x00\x02" + struct.pack(">i", type_) + encoded + b"\x00"


def _thrift_span(span: Span) -> bytes:
    low, high = span.trace_id[8:], span.trace_id[:8]
    start = span.start_time_unix_nano // 1000
    duration = (span.end_time_unix_nano - span.start_time_unix_nano) // 1000
    kind = KeyValue(key="span.kind", value=AnyValue(string_value=_KINDS[span.kind or 1]))
    logs = [
        b"\x0a\x00\x01"
        + struct.pack(">q", event.time_unix_nano // 1000)
        + b"\x0f\x00\x02"
        + _thrift_tags(event.attributes)
        + b"\x00"
        for event in span.events
    ]
    return b"".join(
        (
            b"\x0a\x00\x01" + low + b"\x0a\x00\x02" + high + b"\x0a\x00\x03" + span.span_id,
            b"\x0a\x00\x04" + (span.parent_span_id or bytes(8)) + b"\x0b\x00\x05" + _thrift_text(span.name),
            b"\x08\x00\x07" + struct.pack(">i", 1) + b"\x0a\x00\x08" + struct.pack(">q", start),
            b"\x0a\x00\x09" + struct.pack(">q", duration) + b"\x0f\x00\x0a" + _thrift_tags([*span.attributes, kind]),
            b"\x0f\x00\x0b" + _thrift_list(logs) + b"\x00",
        )
    )


def _jaeger_tag(item: KeyValue) -> bytes:
    tag = _types("bench.jaeger")["KeyValue"](key=item.key.encode())
    match item.value.WhichOneof("value"):
        case "int_value":
            tag.type, tag.integer = 2, item.value.int_value
        case "double_value":
            tag.type, tag.double = 3, item.value.double_value
        case "bool_value":
            tag.type, tag.boolean = 1, item.value.bool_value
        case _:
            tag.string = _text(item.value).encode()
    encoded: bytes = tag.SerializeToString()
    return encoded


def _jaeger_span(span: Span) -> bytes:
    kind = KeyValue(key="span.kind", value=AnyValue(string_value=_KINDS[span.kind or 1]))
    parents = [{"trace_id": span.trace_id, "span_id": span.parent_span_id}] if span.parent_span_id else []
    return _jaeger(
        "Span",
        trace_id=span.trace_id,
        span_id=span.span_id,
        operation_name=span.name.encode(),
        references=[_jaeger("Reference", **parent) for parent in parents],
        start_time=_time(span.start_time_unix_nano),
        duration=_time(span.end_time_unix_nano - span.start_time_unix_nano),
        tags=[_jaeger_tag(item) for item in (*span.attributes, kind)],
        logs=[
            _jaeger(
                "Log", timestamp=_time(event.time_unix_nano), fields=[_jaeger_tag(item) for item in event.attributes]
            )
            for event in span.events
        ],
    )


def _jaeger(message: str, **fields: Any) -> bytes:
    encoded: bytes = _types("bench.jaeger")[message](**fields).SerializeToString()
    return encoded


def _time(nanoseconds: int) -> dict[str, int]:
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    return {"seconds": seconds, "nanos": nanos}


def _entry(item: KeyValue) -> bytes:
    match item.value.WhichOneof("value"):
        case "int_value":
            value: dict[str, Any] = {"int_value": item.value.int_value}
        case "double_value":
            value = {"double_value": item.value.double_value}
        case "bool_value":
            value = {"bool_value": item.value.bool_value}
        case _:
            value = {"string_value": {"value": _text(item.value).encode()}}
    entry = _types("bench.opencensus")["Entry"](key=item.key.encode(), value=value)
    encoded: bytes = entry.SerializeToString()
    return encoded


def _opencensus_span(span: Span) -> bytes:
    events = [
        {
            "time": _time(event.time_unix_nano),
            "annotation": {
                "description": {"value": event.name.encode()},
                "attributes": {"attribute_map": [_entry(item) for item in event.attributes]},
            },
        }
        for event in span.events
    ]
    census = _types("bench.opencensus")
    message = census["Span"](
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name={"value": span.name.encode()},
        start_time=_time(span.start_time_unix_nano),
        end_time=_time(span.end_time_unix_nano),
        attributes={"attribute_map": [_entry(item) for item in span.attributes]},
        time_events=census["TimeEvents"](time_event=events).SerializeToString(),
        status=census["Status"](code=span.status.code).SerializeToString(),
        kind={2: 1, 3: 2}.get(span.kind, 0),
    )
    encoded: bytes = message.SerializeToString()
    return encoded
