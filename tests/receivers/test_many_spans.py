"""Formats whose spans become objects: a request has a largest number of them."""

from types import ModuleType

import pytest

from spanlake.ingest.pipeline import to_otlp
from spanlake.ingest.request import Request
from spanlake.receivers import thrift
from spanlake.receivers.zipkin import json_body, v2_protobuf
from spanlake.spans.otlp.errors import MalformedRequest
from tests.scenarios.hostile.formats import FORMATS
from tests.scenarios.hostile.targets import recorded

READERS = {
    "zipkin-v2-json": json_body,
    "zipkin-v1-json": json_body,
    "zipkin-v2-proto": v2_protobuf,
    "zipkin-v1-thrift": thrift,
    "jaeger-http": thrift,
}


@pytest.mark.parametrize(("name", "reader"), READERS.items(), ids=READERS)
def test_requests_of_more_spans_than_allowed_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, reader: ModuleType
) -> None:
    body = recorded()[name][0]
    (read,) = to_otlp([Request.of(body, FORMATS[name])])
    assert isinstance(read, Request)
    monkeypatch.setattr(reader, "MOST_SPANS", 0)
    (refused,) = to_otlp([Request.of(body, FORMATS[name])])
    assert isinstance(refused, MalformedRequest)
    assert "send fewer at a time" in str(refused)
