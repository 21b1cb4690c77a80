"""Large traces are written in parts, which end when nobody waits for them."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from google.protobuf.json_format import MessageToDict, Parse
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status, TracesData

from spanlake.api.tempo.trace_json import bounded, chunks, items, still_wanted, trace_v1, trace_v2
from spanlake.query.engine.session import Cancellation
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.spans.otlp.decode import decode
from spanlake.spans.otlp.encode import to_otlp
from tests.payloads import export_request
from tests.recorded import ANSWERS, bodies, checker
from tests.spans import otlp_requests

SPAN = Span(
    trace_id=bytes(8) + b"12345678",
    span_id=b"abcdefgh",
    parent_span_id=b"ABCDEFGH",
    flags=257,
    name="GET /",
    kind=Span.SPAN_KIND_SERVER,
    start_time_unix_nano=1795302000000867090,
    end_time_unix_nano=1795302000004867090,
    attributes=[
        KeyValue(key="s", value=AnyValue(string_value="")),
        KeyValue(key="i", value=AnyValue(int_value=200)),
        KeyValue(key="d", value=AnyValue(double_value=0.5)),
        KeyValue(key="n", value=AnyValue(double_value=float("nan"))),
        KeyValue(key="b", value=AnyValue(bool_value=False)),
        KeyValue(key="x", value=AnyValue(bytes_value=b"\0\xff")),
        KeyValue(key="l", value=AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)]))),
        KeyValue(key="e", value=AnyValue()),
        KeyValue(key="m"),
    ],
    dropped_attributes_count=1,
    status=Status(code=Status.STATUS_CODE_ERROR, message="oh"),
    events=[Span.Event(time_unix_nano=1795302000000867091, name="e")],
    links=[Span.Link(trace_id=b"t" * 16, span_id=b"s" * 8)],
)
SPAN_JSON = {
    "traceId": "AAAAAAAAAAAxMjM0NTY3OA==",
    "spanId": "YWJjZGVmZ2g=",
    "parentSpanId": "QUJDREVGR0g=",
    "flags": 257,
    "name": "GET /",
    "kind": "SPAN_KIND_SERVER",
    "startTimeUnixNano": "1795302000000867090",
    "endTimeUnixNano": "1795302000004867090",
    "attributes": [
        {"key": "s", "value": {"stringValue": ""}},
        {"key": "i", "value": {"intValue": "200"}},
        {"key": "d", "value": {"doubleValue": 0.5}},
        {"key": "n", "value": {"doubleValue": "NaN"}},
        {"key": "b", "value": {"boolValue": False}},
        {"key": "x", "value": {"bytesValue": "AP8="}},
        {"key": "l", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}},
        {"key": "e", "value": {}},
        {"key": "m"},
    ],
    "droppedAttributesCount": 1,
    "status": {"message": "oh", "code": "STATUS_CODE_ERROR"},
    "events": [{"timeUnixNano": "1795302000000867091", "name": "e"}],
    "links": [{"traceId": "dHR0dHR0dHR0dHR0dHR0dA==", "spanId": "c3Nzc3Nzc3M="}],
}


def traces(*spans: Span) -> TracesData:
    scope_spans = ScopeSpans(scope=InstrumentationScope(name="lib"), spans=spans)
    return TracesData(resource_spans=[ResourceSpans(resource=Resource(), scope_spans=[scope_spans], schema_url="u")])


RESOURCE_SPANS_JSON = {
    "resource": {},
    "scopeSpans": [{"scope": {"name": "lib"}, "spans": [SPAN_JSON]}],
    "schemaUrl": "u",
}


def test_tempo_json_v1_has_batches() -> None:
    assert json.loads(trace_v1([items(traces(SPAN))])) == {"batches": [RESOURCE_SPANS_JSON]}


def test_tempo_json_v2_has_a_trace_of_resource_spans() -> None:
    assert json.loads(trace_v2([items(traces(SPAN))])) == {"trace": {"resourceSpans": [RESOURCE_SPANS_JSON]}}


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (Span(), {}),
        (Span(kind=99), {"kind": 99}),  # type: ignore[arg-type]
        (Span(status=Status()), {"status": {}}),
        (Span(status=Status(code=77)), {"status": {"code": 77}}),  # type: ignore[arg-type]
        (Span(name="日本\u2028"), {"name": "日本\u2028"}),
    ],
)
def test_tempo_json_omits_defaults_and_keeps_unknown_enum_numbers(span: Span, written: dict[str, Any]) -> None:
    [batch] = json.loads(trace_v1([items(traces(span))]))["batches"]

    assert batch["scopeSpans"][0]["spans"] == [written]


@settings(max_examples=100, deadline=None)
@given(otlp_requests.requests)
def test_tempo_json_equals_protobufs_json_mapping(request: ExportTraceServiceRequest) -> None:
    sent = TracesData(resource_spans=request.resource_spans)

    written = json.loads(trace_v2([items(sent)]))["trace"]

    assert written | {"resourceSpans": written["resourceSpans"]} == {"resourceSpans": []} | MessageToDict(sent)
    assert otlp_requests.normal(Parse(json.dumps(written), TracesData())) == otlp_requests.normal(sent)


def _rows(table: pa.Table, path: str) -> pa.Table:
    trace_id = bytes.fromhex(path.rpartition("/")[2].rjust(32, "0"))
    return table.filter(pc.equal(table["trace_id"], pa.scalar(trace_id, pa.binary())))


def test_tempo_json_equals_recorded_answers_of_tempo() -> None:
    check = checker()
    table = decode(list(bodies())).table
    writers: dict[bool, Callable[[list[bytes]], bytes]] = {False: trace_v1, True: trace_v2}

    recorded = [row for row in check.load(ANSWERS) if row["area"] == "traces"]
    for row in recorded:
        found = to_otlp(_rows(table, row["path"]))
        answer = json.loads(writers["/v2/" in row["path"]]([items(found)]))
        assert check.diff(row, row["want"], check.normal(row, 200, answer)) is None, row["path"]
    assert recorded


def spans(traces: TracesData) -> list[str]:
    return [span.name for each in traces.resource_spans for scope in each.scope_spans for span in scope.spans]


def test_chunks_hold_all_spans_in_order_of_start() -> None:
    request = export_request("a", "b", "c", "d", "e")
    every = [span for scope in request.resource_spans[0].scope_spans for span in scope.spans]
    for number, span in enumerate(every):
        span.start_time_unix_nano -= number * 1000
    parts = list(map(TracesData.FromString, chunks(decode([request.SerializeToString()]).table, lambda: None, 2)))
    assert [sorted(spans(part)) for part in parts] == [["d", "e"], ["b", "c"], ["a"]]
    whole = json.loads(trace_v1(map(items, parts)))
    assert len(whole["batches"]) == 3
    assert len(spans(TracesData.FromString(b"".join(part.SerializeToString() for part in parts)))) == 5


def test_chunks_end_when_the_asker_is_gone() -> None:
    stop = Cancellation()
    table = decode([export_request("a", "b", "c").SerializeToString()]).table
    parts = chunks(table, still_wanted(stop, Limits()), 2)
    next(parts)
    stop.cancel()
    with pytest.raises(Cancelled):
        next(parts)


def test_chunks_end_when_time_is_up() -> None:
    table = decode([export_request("a").SerializeToString()]).table
    with pytest.raises(LimitExceeded, match="took longer than 0 s"):
        next(chunks(table, still_wanted(Cancellation(), Limits(seconds=0))))


def test_answer_larger_than_its_share_of_memory_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="larger than 1 MiB"):
        list(bounded([bytes(1 << 20), b"x"], Limits(memory_bytes=4 << 20)))
