"""Files as the Collector's file exporter writes them."""

import json

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from spanlake.receivers.otlp import read_json
from spanlake.spans.otlp.files import json_line, protobuf_record
from tests.spans import otlp_requests


def traces(*spans: Span) -> TracesData:
    data = TracesData()
    data.resource_spans.add().scope_spans.add().spans.extend(spans)
    return data


def test_json_line_has_hexadecimal_ids_and_numeric_enums() -> None:
    span = Span(trace_id=b"\xab" * 16, span_id=b"\x01" * 8, parent_span_id=b"\x02" * 8, kind=Span.SPAN_KIND_SERVER)
    span.status.code = Status.STATUS_CODE_ERROR
    span.start_time_unix_nano = 1_795_348_800_000_000_007
    span.links.add(trace_id=b"\xcd" * 16, span_id=b"\x03" * 8)
    line = json_line(traces(span))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    (written,) = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert written == {
        "traceId": "ab" * 16,
        "spanId": "01" * 8,
        "parentSpanId": "02" * 8,
        "kind": 2,
        "status": {"code": 2},
        "startTimeUnixNano": "1795348800000000007",
        "links": [{"traceId": "cd" * 16, "spanId": "03" * 8}],
    }


def test_protobuf_record_follows_its_length_in_big_endian() -> None:
    data = traces(Span(name="n" * 300))
    record = protobuf_record(data)
    assert int.from_bytes(record[:4], "big") == len(record) - 4
    assert TracesData.FromString(record[4:]) == data


@given(otlp_requests.requests)
def test_json_line_is_read_back_equal(request: ExportTraceServiceRequest) -> None:
    line = json_line(TracesData(resource_spans=request.resource_spans))
    read = ExportTraceServiceRequest.FromString(read_json(line).body)
    assert otlp_requests.normal(read) == otlp_requests.normal(request)


@given(st.lists(otlp_requests.requests, max_size=3))
def test_json_lines_do_not_contain_line_breaks(requests: list[ExportTraceServiceRequest]) -> None:
    lines = b"".join(json_line(TracesData(resource_spans=request.resource_spans)) for request in requests)
    assert len(lines.split(b"\n")) == len(requests) + 1
