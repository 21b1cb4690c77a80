"""Requests of OTLP in the encodings of other clients, from which the same spans are stored."""

import json

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.receivers.messages import jaeger

_SECOND = 10**9
_INTEGER = 2  # a ValueType of Jaeger


def in_json(body: bytes) -> bytes:
    """OTLP JSON, whose ids are hexadecimal."""
    request = ExportTraceServiceRequest.FromString(body)
    message = MessageToDict(request)
    for resource, resource_sent in zip(message["resourceSpans"], request.resource_spans, strict=True):
        for scope, scope_sent in zip(resource["scopeSpans"], resource_sent.scope_spans, strict=True):
            for span, sent in zip(scope["spans"], scope_sent.spans, strict=True):
                span["traceId"], span["spanId"] = sent.trace_id.hex(), sent.span_id.hex()
                if sent.parent_span_id:
                    span["parentSpanId"] = sent.parent_span_id.hex()
    return json.dumps(message).encode()


def in_jaegers_protobuf(body: bytes) -> bytes:
    """A PostSpansRequest of Jaeger, for requests with one resource whose only attribute is the service's name."""
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    (service,) = resource.resource.attributes
    spans = [_jaegers(span) for scope in resource.scope_spans for span in scope.spans]
    process = jaeger("Process", service_name=service.value.string_value.encode())
    return jaeger("PostSpansRequest", batch={"spans": spans, "process": process})


def _jaegers(span: Span) -> bytes:
    parents = [jaeger("Reference", trace_id=span.trace_id, span_id=span.parent_span_id)]
    return jaeger(
        "Span",
        trace_id=span.trace_id,
        span_id=span.span_id,
        operation_name=span.name.encode(),
        references=parents if span.parent_span_id else [],
        start_time=_time(span.start_time_unix_nano),
        duration=_time(span.end_time_unix_nano - span.start_time_unix_nano),
        tags=[_tag(attribute) for attribute in span.attributes],
    )


def _time(nanoseconds: int) -> dict[str, int]:
    return {"seconds": nanoseconds // _SECOND, "nanos": nanoseconds % _SECOND}


def _tag(attribute: KeyValue) -> bytes:
    key, value = attribute.key.encode(), attribute.value
    if value.HasField("int_value"):
        return jaeger("KeyValue", key=key, type=_INTEGER, integer=value.int_value)
    return jaeger("KeyValue", key=key, string=value.string_value.encode())
