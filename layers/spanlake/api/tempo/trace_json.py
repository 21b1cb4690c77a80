"""Traces in the JSON of Tempo's API, where ids are base64 and enums are names."""

import json
from collections.abc import Iterable

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.spans.otlp import json_encode


def trace_v1(resource_spans: Iterable[bytes]) -> bytes:
    """Write the answer of ``/api/traces/{id}``; ``resource_spans`` are what ``items`` returns."""
    return b'{"batches":[%b]}' % _joined(resource_spans)


def trace_v2(resource_spans: Iterable[bytes] | None, partial: str = "") -> bytes:
    """Write the answer of ``/api/v2/traces/{id}``; its trace is empty when the trace was not found.

    ``partial`` says why spans are missing.
    """
    trace = b"{}" if resource_spans is None else b'{"resourceSpans":[%b]}' % _joined(resource_spans)
    status = b',"status":"PARTIAL","message":%b' % _json(partial) if partial else b""
    return b'{"trace":%b%b}' % (trace, status)


def items(traces: TracesData) -> bytes:
    """Write ResourceSpans as items of a JSON array."""
    return b",".join(_json(json_encode.write(resource_spans)) for resource_spans in traces.resource_spans)


def _joined(parts: Iterable[bytes]) -> bytes:
    return b",".join(part for part in parts if part)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
