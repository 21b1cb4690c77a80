"""Whatever OTLP comes in, what goes out is equal to it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanlake.spans.otlp.decode import decode
from spanlake.spans.otlp.encode import to_otlp
from tests.spans import otlp_requests


@settings(max_examples=100, deadline=None)
@given(st.lists(otlp_requests.requests, min_size=1, max_size=3))
def test_encode_restores_every_decoded_span(requests: list[ExportTraceServiceRequest]) -> None:
    decoded = decode([request.SerializeToString() for request in requests])

    assert otlp_requests.normal(to_otlp(decoded.table)) == otlp_requests.normal(*requests)
    assert decoded.spans_per_request == [len(otlp_requests.normal(request)) for request in requests]
