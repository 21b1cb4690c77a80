"""Whatever OTLP comes in, what goes out is equal to it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanlake.spans.decode import decode
from spanlake.spans.encode import to_otlp
from tests.spans import otlp


@settings(max_examples=100, deadline=None)
@given(st.lists(otlp.requests, min_size=1, max_size=3))
def test_encode_restores_every_decoded_span(requests: list[ExportTraceServiceRequest]) -> None:
    decoded = decode([request.SerializeToString() for request in requests])

    assert otlp.normal(to_otlp(decoded.table)) == otlp.normal(*requests)
    assert decoded.spans_per_request == [len(otlp.normal(request)) for request in requests]
