"""Tempo's JSON: what its API answers, and what Grafana makes of it, becomes OTLP."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.api.tempo.trace_json import items, trace_v1, trace_v2
from spanlake.receivers import tempo_json
from spanlake.receivers.translation import MalformedSpans, Translated
from tests.receivers.translated import request, spans
from tests.spans import otlp_requests

TRACE, SPAN, PARENT = b"\xab" * 16, b"\xcd" * 8, b"\xef" * 8


def read(document: Any) -> Translated:
    return tempo_json.read(json.dumps(document).encode())


def base64_of(id_: bytes) -> str:
    return base64.b64encode(id_).decode()


def document(encode: Any, **fields: Any) -> dict[str, Any]:
    span = {"traceId": encode(TRACE), "spanId": encode(SPAN), "parentSpanId": encode(PARENT), "name": "get"}
    link = {"traceId": encode(TRACE), "spanId": encode(SPAN)}
    return {"batches": [{"scopeSpans": [{"spans": [span | {"links": [link]} | fields]}]}]}


@pytest.mark.parametrize("encode", [base64_of, bytes.hex, lambda id_: base64_of(id_).rstrip("=")])
def test_tempo_json_reads_ids_in_base64_or_hexadecimal(encode: Any) -> None:
    (span,) = spans(read(document(encode)))
    assert (span.trace_id, span.span_id, span.parent_span_id) == (TRACE, SPAN, PARENT)
    assert (span.links[0].trace_id, span.links[0].span_id) == (TRACE, SPAN)


def test_tempo_json_reads_enums_by_name() -> None:
    (span,) = spans(
        read(document(base64_of, kind="SPAN_KIND_SERVER", status={"code": "STATUS_CODE_ERROR", "message": "no"}))
    )
    assert (span.kind, span.status.code, span.status.message) == (2, 2, "no")


def test_tempo_json_reads_scope_names_of_tempo_1() -> None:
    found = document(base64_of)
    (resource,) = found["batches"]
    (scope,) = resource.pop("scopeSpans")
    resource["instrumentationLibrarySpans"] = [{"instrumentationLibrary": {"name": "lib"}, **scope}]
    assert request(read(found)).resource_spans[0].scope_spans[0].scope.name == "lib"
    (span,) = spans(read(found))
    assert span.trace_id == TRACE


@given(otlp_requests.requests)
def test_tempo_json_reads_back_equal_answers_of_api(given_: ExportTraceServiceRequest) -> None:
    traces = TracesData(resource_spans=given_.resource_spans)
    for span in (span for each in traces.resource_spans for scope in each.scope_spans for span in scope.spans):
        span.trace_id, span.span_id = TRACE, SPAN
        span.parent_span_id = PARENT
        for link in span.links:
            link.trace_id, link.span_id = TRACE, SPAN
    for written in (trace_v1([items(traces)]), trace_v2([items(traces)])):
        assert otlp_requests.normal(request(tempo_json.read(written))) == otlp_requests.normal(traces)


@pytest.mark.parametrize("body", [b"[]", b"nothing", b'{"batches": {}}', b"[" * 100_000])
def test_tempo_json_refuses_other_documents(body: bytes) -> None:
    with pytest.raises(MalformedSpans):
        tempo_json.read(body)


def test_tempo_json_reads_trace_without_spans_as_empty() -> None:
    assert spans(read({"batches": []})) == []


def test_tempo_json_rejects_unreadable_span_alone() -> None:
    found = document(base64_of)
    found["batches"][0]["scopeSpans"][0]["spans"].append({"traceId": "?", "spanId": base64_of(SPAN)})
    assert len(spans(read(found))) == 1
    assert read(found).rejected == {"invalid_trace_id": 1}
