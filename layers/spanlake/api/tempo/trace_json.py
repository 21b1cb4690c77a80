"""Traces in the JSON of Tempo's API, where ids are base64 and enums are names."""

import json

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.spans.otlp import json_encode
from spanlake.spans.otlp.json_encode import JsonObject


def trace_v1(traces: TracesData) -> bytes:
    """Write the answer of ``/api/traces/{id}``."""
    return _json({"batches": _resource_spans(traces)})


def trace_v2(traces: TracesData | None, partial: str = "") -> bytes:
    """Write the answer of ``/api/v2/traces/{id}``; its trace is empty when the trace was not found.

    ``partial`` says why spans are missing.
    """
    trace = {} if traces is None else {"resourceSpans": _resource_spans(traces)}
    return _json({"trace": trace} | ({"status": "PARTIAL", "message": partial} if partial else {}))


def _resource_spans(traces: TracesData) -> list[JsonObject]:
    return [json_encode.write(resource_spans) for resource_spans in traces.resource_spans]


def _json(answer: JsonObject) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
