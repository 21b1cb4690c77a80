"""Traces as the OpenTelemetry Collector's file exporter writes them, in protobuf or in JSON."""

import json

from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from spanlake.spans.otlp import json_encode
from spanlake.spans.otlp.json_encode import JsonObject

LENGTH_BYTES = 4


def protobuf_record(traces: TracesData) -> bytes:
    """Encode traces as a message behind its length: 4 bytes, big-endian (format ``proto`` of the exporter)."""
    message = traces.SerializeToString()
    return len(message).to_bytes(LENGTH_BYTES) + message


def json_line(traces: TracesData) -> bytes:
    """Encode traces as a line of OTLP/JSON (format ``json`` of the exporter), with hexadecimal ids and numeric enums.

    See the OTLP specification 1.10, "JSON Protobuf Encoding".
    """
    written = json_encode.write(traces)
    for message, resource_spans in zip(traces.resource_spans, written.get("resourceSpans", ()), strict=True):
        for scope, scope_spans in zip(message.scope_spans, resource_spans.get("scopeSpans", ()), strict=True):
            for span, fields in zip(scope.spans, scope_spans.get("spans", ()), strict=True):
                _correct(span, fields)
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _correct(span: Span, fields: JsonObject) -> None:
    """Replace base64 ids and names of enums, the forms of protobuf's own JSON mapping."""
    fields["traceId"], fields["spanId"] = span.trace_id.hex(), span.span_id.hex()
    if span.parent_span_id:
        fields["parentSpanId"] = span.parent_span_id.hex()
    if span.kind:
        fields["kind"] = span.kind
    if span.status.code:
        fields["status"]["code"] = span.status.code
    for link, linked in zip(span.links, fields.get("links", ()), strict=True):
        linked["traceId"], linked["spanId"] = link.trace_id.hex(), link.span_id.hex()
