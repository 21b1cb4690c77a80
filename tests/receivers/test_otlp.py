import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanlake.receivers import otlp
from spanlake.spans.decode import MalformedRequest
from spanlake.spans.otlp_json import write
from tests.spans import otlp as arbitrary

TRACE_ID, SPAN_ID = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


def request(**members: Any) -> bytes:
    """A request with one span of these members."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [members]}]}]}).encode()


def span(**members: Any) -> Span:
    """The span that a request with these members holds."""
    message = ExportTraceServiceRequest.FromString(otlp.read_json(request(**members)))
    [found] = message.resource_spans[0].scope_spans[0].spans
    return found


def test_protobuf_is_decoded() -> None:
    body = ExportTraceServiceRequest()
    body.resource_spans.add().scope_spans.add().spans.add(name="a")

    assert otlp.read([body.SerializeToString()]).table["name"].to_pylist() == ["a"]


def test_protobuf_that_is_none_is_malformed() -> None:
    with pytest.raises(MalformedRequest, match="not an OTLP trace export request"):
        otlp.read([b"hello"])


READ: list[tuple[dict[str, Any], Span]] = [
    ({"traceId": TRACE_ID, "spanId": SPAN_ID}, Span(trace_id=bytes.fromhex(TRACE_ID), span_id=bytes.fromhex(SPAN_ID))),
    ({"traceId": TRACE_ID.upper()}, Span(trace_id=bytes.fromhex(TRACE_ID))),
    (
        {"trace_id": TRACE_ID, "parent_span_id": SPAN_ID},
        Span(trace_id=bytes.fromhex(TRACE_ID), parent_span_id=bytes.fromhex(SPAN_ID)),
    ),
    ({"parentSpanId": ""}, Span()),
    ({"links": [{"traceId": TRACE_ID}]}, Span(links=[Span.Link(trace_id=bytes.fromhex(TRACE_ID))])),
    ({"kind": 2}, Span(kind=Span.SPAN_KIND_SERVER)),
    ({"kind": "SPAN_KIND_SERVER"}, Span(kind=Span.SPAN_KIND_SERVER)),
    ({"kind": "2"}, Span(kind=Span.SPAN_KIND_SERVER)),
    ({"kind": 99}, Span(kind=99)),  # type: ignore[arg-type]
    ({"startTimeUnixNano": "1795302000000867090"}, Span(start_time_unix_nano=1795302000000867090)),
    ({"startTimeUnixNano": 1795302000000867090}, Span(start_time_unix_nano=1795302000000867090)),
    ({"start_time_unix_nano": "18446744073709551615"}, Span(start_time_unix_nano=2**64 - 1)),
    ({"endTimeUnixNano": 5.0}, Span(end_time_unix_nano=5)),
    ({"droppedAttributesCount": "3", "flags": 1}, Span(dropped_attributes_count=3, flags=1)),
    ({"name": None, "attributes": None}, Span()),
    ({"unknown": {"a": [1]}, "name": "n"}, Span(name="n")),
    ({"name": "\u65e5"}, Span(name="日")),
]


@pytest.mark.parametrize(("members", "expected"), READ)
def test_json_is_read(members: dict[str, Any], expected: Span) -> None:
    assert span(**members) == expected


VALUES: list[tuple[Any, dict[str, Any] | None]] = [
    ({"stringValue": ""}, {"string_value": ""}),
    ({"string_value": "a"}, {"string_value": "a"}),
    ({"boolValue": False}, {"bool_value": False}),
    ({"intValue": "-9223372036854775808"}, {"int_value": -(2**63)}),
    ({"intValue": 7}, {"int_value": 7}),
    ({"doubleValue": 1}, {"double_value": 1.0}),
    ({"doubleValue": "0.5"}, {"double_value": 0.5}),
    ({"doubleValue": "-Infinity"}, {"double_value": float("-inf")}),
    ({"bytesValue": "AP8="}, {"bytes_value": b"\0\xff"}),
    ({"bytesValue": "-_8"}, {"bytes_value": b"\xfb\xff"}),
    ({"arrayValue": {"values": [{"intValue": "1"}, {}]}}, {"array_value": {"values": [{"int_value": 1}, {}]}}),
    ({"arrayValue": {}}, {"array_value": {}}),
    (
        {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}},
        {"kvlist_value": {"values": [{"key": "k", "value": {"bool_value": True}}]}},
    ),
    ({}, {}),
    (None, None),
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_json_values_are_read(value: Any, expected: dict[str, Any] | None) -> None:
    assert list(span(attributes=[{"key": "a", "value": value}]).attributes) == [
        Span(attributes=[{"key": "a", "value": expected}]).attributes[0]  # type: ignore[list-item]
    ]


REFUSED = {
    "nothing": (b"", "not JSON"),
    "no JSON": (b"{", "not JSON"),
    "no text": (b"\xff\xfe\xfd", "not JSON"),
    "not an object": (b"[]", "must be an object"),
    "null": (b"null", "must be an object"),
    "an object for a list": (b'{"resourceSpans":{}}', "resourceSpans must be an array"),
    "a text for a message": (b'{"resourceSpans":["a"]}', "ResourceSpans must be an object"),
    "an id of base64": (request(traceId="W47/95gDgQPSabYzgT/GDA=="), "traceId cannot be"),
    "half a byte": (request(spanId="abc"), "spanId cannot be"),
    "a number as id": (request(spanId=7), "spanId cannot be"),
    "a number as text": (request(name=7), "name cannot be 7: a string is needed"),
    "half a character": (request(name="\ud800"), "name cannot be"),
    "a fraction": (request(flags=0.5), "flags cannot be 0.5: a whole number is needed"),
    "a truth as number": (request(flags=True), "flags cannot be True"),
    "too large": (request(flags=2**32), "out of range"),
    "too small": (request(flags=-1), "out of range"),
    "infinite": (request(flags=1e999), "not JSON|no JSON"),
    "a huge number": (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"flags":%s}]}]}]}' % (b"9" * 5000), "not JSON"),
    "a kind nobody knows": (request(kind="SPAN_KIND_SERVANT"), "kind cannot be 'SPAN_KIND_SERVANT'"),
    "no base64": (request(attributes=[{"key": "a", "value": {"bytesValue": "?"}}]), "bytesValue cannot be"),
    "a text as truth": (request(attributes=[{"key": "a", "value": {"boolValue": "true"}}]), "boolValue cannot be"),
    "a text as number": (request(attributes=[{"key": "a", "value": {"doubleValue": "many"}}]), "doubleValue cannot be"),
    "NaN": (b'{"resourceSpans":NaN}', "NaN is no JSON"),
    "deep": (b'{"something":' * 100_000, "too deep"),
    "deep arrays": (b"[" * 100_000, "too deep"),
    "empty objects": (b'{"resourceSpans":[' + b"{}," * 100_000 + b"{}]}", "most of its objects are empty"),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_other_json_is_malformed(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason) as caught:
        otlp.read_json(body)

    assert len(caught.value.reason) < 200


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"intValue": "1"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return value


def test_values_nest_as_deep_as_in_protobuf() -> None:
    body = otlp.read_json(request(attributes=[{"key": "a", "value": nested(45)}]))

    assert otlp.read([body]).spans_per_request == [1]


@pytest.mark.parametrize("depth", [48, 200])
def test_values_that_nest_deeper_are_malformed(depth: int) -> None:
    with pytest.raises(MalformedRequest, match="too deep"):
        otlp.read_json(request(attributes=[{"key": "a", "value": nested(depth)}]))


def _with_hex_ids(value: Any) -> Any:
    """JSON as protobuf's mapping has it to JSON as OTLP has it."""
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _hex(item) if name in _IDS else _with_hex_ids(item) for name, item in value.items()}


_IDS = ("traceId", "spanId", "parentSpanId")


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()


@settings(max_examples=100, deadline=None)
@given(arbitrary.requests)
def test_json_says_what_protobuf_says(sent: ExportTraceServiceRequest) -> None:
    body = json.dumps(_with_hex_ids(write(sent))).encode()

    received = ExportTraceServiceRequest.FromString(otlp.read_json(body))

    assert arbitrary.normal(received) == arbitrary.normal(sent)
