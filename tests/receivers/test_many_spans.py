"""Formats whose spans become objects: a request has a largest number of them."""

import pytest

from spanlake.ingest.pipeline import to_otlp
from spanlake.ingest.request import Request
from spanlake.receivers.translation import MOST_SPANS
from spanlake.spans.otlp.errors import MalformedRequest
from tests.scenarios.hostile.formats import FORMATS
from tests.scenarios.hostile.targets import recorded

COUNT = MOST_SPANS + 1
JSON = b"[" + b",".join([b'{"traceId":"1","id":"1","name":"%s"}' % (b"n" * 32)] * COUNT) + b"]"
PROTOBUF = (b"\x0a\x42\x2a\x40" + b"n" * 64) * COUNT  # a span of a name
THRIFT = b"\x0c" + COUNT.to_bytes(4) + bytes(64 * COUNT)  # a list of structs, long enough for so many
BODIES = {
    "zipkin-v2-json": JSON,
    "zipkin-v1-json": JSON,
    "zipkin-v2-proto": PROTOBUF,
    "zipkin-v1-thrift": THRIFT,
    "jaeger-http": b"\x0f\x00\x02" + THRIFT,
}


@pytest.mark.parametrize("name", BODIES)
def test_requests_of_more_spans_than_allowed_are_refused(name: str) -> None:
    (read,) = to_otlp([Request.of(recorded()[name][0], FORMATS[name])])
    assert isinstance(read, Request)
    (refused,) = to_otlp([Request.of(BODIES[name], FORMATS[name])])
    assert isinstance(refused, MalformedRequest)
    assert f"it has more than {MOST_SPANS} spans: send fewer at a time" in str(refused)
