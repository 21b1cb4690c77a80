import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanlake.receivers import otlp
from spanlake.receivers.translation import Translated
from spanlake.spans.otlp.encode import to_otlp
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.json_encode import write
from tests.spans import otlp_requests as arbitrary

TRACE_ID, SPAN_ID = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


def request(**members: Any) -> bytes:
    """A request with one span of these members."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [members]}]}]}).encode()


def span(**members: Any) -> Span:
    """The span that a request with these members holds."""
    message = ExportTraceServiceRequest.FromString(otlp.read_json(request(**members)).body)
    [found] = message.resource_spans[0].scope_spans[0].spans
    return found


def test_read_decodes_protobuf() -> None:
    body = ExportTraceServiceRequest()
    body.resource_spans.add().scope_spans.add().spans.add(name="a")

    assert otlp.read([body.SerializeToString()]).table["name"].to_pylist() == ["a"]


def test_read_refuses_malformed_protobuf() -> None:
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
def test_read_json_reads_spans(members: dict[str, Any], expected: Span) -> None:
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
def test_read_json_reads_every_type_of_value(value: Any, expected: dict[str, Any] | None) -> None:
    assert list(span(attributes=[{"key": "a", "value": value}]).attributes) == [
        Span(attributes=[{"key": "a", "value": expected}]).attributes[0]  # type: ignore[list-item]
    ]


NO_KEY = KeyValue(value=AnyValue())
NO_EVENT, EVENT = Span.Event(), Span.Event(name="e")

# fmt: off
ODD_PARTS: dict[str, tuple[dict[str, Any], Span]] = {
    "parent that is no hexadecimal": ({"parentSpanId": "root"}, Span()),
    "parent that is a number": ({"parentSpanId": 42}, Span()),
    "name that is a number": ({"name": 7}, Span(name="7")),
    "name that is an object": ({"name": {"a": [1]}}, Span(name='{"a": [1]}')),
    "name that is true": ({"name": True}, Span(name="true")),
    "half a character": ({"name": "a\ud800"}, Span(name="a\ufffd")),
    "kind in lower case": ({"kind": "span_kind_server"}, Span(kind=Span.SPAN_KIND_SERVER)),
    "kind without prefix": ({"kind": "Client"}, Span(kind=Span.SPAN_KIND_CLIENT)),
    "kind that there is not": ({"kind": "SERVICE"}, Span()),
    "kind that is an object": ({"kind": {}}, Span()),
    "kind beyond int32": ({"kind": 1 << 31}, Span()),
    "status that is text": ({"status": "ok"}, Span()),
    "status that is an empty list": ({"status": []}, Span(status=Status())),
    "status without known code": ({"status": {"code": "BROKEN", "message": "m"}}, Span(status=Status(message="m"))),
    "status without prefix": ({"status": {"code": "error"}}, Span(status=Status(code=Status.STATUS_CODE_ERROR))),
    "negative count": ({"droppedAttributesCount": -1}, Span()),
    "count with exponent": ({"droppedAttributesCount": "1e3"}, Span(dropped_attributes_count=1000)),
    "count with sign and spaces": ({"droppedEventsCount": " +5 "}, Span(dropped_events_count=5)),
    "fraction": ({"flags": 0.5}, Span()),
    "truth as number": ({"flags": True}, Span()),
    "flags of 33 bits": ({"flags": 1 << 32}, Span()),
    "infinite flags": ({"flags": 1e999}, Span()),
    "time with exponent": ({"startTimeUnixNano": "1.795302e18"}, Span(start_time_unix_nano=1795302000000000000)),
    "time with fraction": ({"startTimeUnixNano": "1795302000000867.75"}, Span(start_time_unix_nano=1795302000000867)),
    "end that is no time": ({"endTimeUnixNano": "now"}, Span()),
    "end before 1970": ({"endTimeUnixNano": -1}, Span()),
    "end beyond 64 bits": ({"endTimeUnixNano": 1 << 64}, Span()),
    "attributes that are an object": ({"attributes": {"a": "b"}}, Span()),
    "attributes that are text": ({"attributes": "a=b"}, Span()),
    "attributes of other kinds": ({"attributes": [None, "a", 7, {"key": "k"}]}, Span(attributes=[KeyValue(key="k")])),
    "attribute without key": ({"attributes": [{"key": None, "value": {}}]}, Span(attributes=[NO_KEY])),
    "events that are an object": ({"events": {}}, Span()),
    "events of other kinds": ({"events": [None, "e", [], {"name": "e"}]}, Span(events=[NO_EVENT, EVENT])),
    "time of an event": ({"events": [{"timeUnixNano": "now", "name": "e"}]}, Span(events=[EVENT])),
    "link that is null": ({"links": [None]}, Span()),
    "ids of a link": ({"links": [{"traceId": "zz", "spanId": 7, "flags": 1}]}, Span(links=[Span.Link(flags=1)])),
    "member in another spelling": ({"Name": "n", "NAME": "n"}, Span()),
}
ODD_VALUES: list[tuple[Any, dict[str, Any] | None]] = [
    ({"intValue": 1e21}, {"double_value": 1e21}),
    ({"intValue": 2**63}, {"double_value": 2.0**63}),
    ({"intValue": "-9223372036854775809"}, {"double_value": -(2.0**63)}),
    ({"intValue": 10**500}, {"double_value": float("inf")}),
    ({"intValue": "1e3"}, {"int_value": 1000}),
    ({"intValue": " +7 "}, {"int_value": 7}),
    ({"intValue": 7.0}, {"int_value": 7}),
    ({"intValue": 0.5}, {"double_value": 0.5}),
    ({"intValue": "0.5"}, {"double_value": 0.5}),
    ({"intValue": True}, {"bool_value": True}),
    ({"intValue": "many"}, {"string_value": "many"}),
    ({"intValue": "9" * 500}, {"string_value": "9" * 500}),
    ({"intValue": {"low": 1}}, {"string_value": '{"low": 1}'}),
    ({"doubleValue": "many"}, {"string_value": "many"}),
    ({"doubleValue": "inf"}, {"string_value": "inf"}),
    ({"doubleValue": " 1e3"}, {"double_value": 1000.0}),
    ({"doubleValue": "1e9999"}, {"double_value": float("inf")}),
    ({"doubleValue": 10**400}, {"double_value": float("inf")}),
    ({"doubleValue": False}, {"bool_value": False}),
    ({"boolValue": "true"}, {"bool_value": True}),
    ({"boolValue": "False"}, {"bool_value": False}),
    ({"boolValue": "yes"}, {"string_value": "yes"}),
    ({"boolValue": 1}, {"int_value": 1}),
    ({"stringValue": 7}, {"string_value": "7"}),
    ({"stringValue": ["a"]}, {"string_value": '["a"]'}),
    ({"stringValue": None}, {}),
    ({"bytesValue": "?"}, {"string_value": "?"}),
    ({"bytesValue": [1, 2]}, {"string_value": "[1, 2]"}),
    ({"arrayValue": []}, {"array_value": {}}),
    ({"arrayValue": ["a"]}, {"string_value": '["a"]'}),
    ({"arrayValue": {"values": None}}, {"array_value": {}}),
    ({"arrayValue": {"values": {}}}, {"array_value": {}}),
    ({"arrayValue": {"values": [None, "a", 1, 0.5]}},
     {"array_value": {"values": [{}, {"string_value": "a"}, {"int_value": 1}, {"double_value": 0.5}]}}),
    ({"kvlistValue": {"values": [None, {"key": "k", "value": "v"}]}},
     {"kvlist_value": {"values": [{"key": "k", "value": {"string_value": "v"}}]}}),
    ({"stringValue": "a", "intValue": "1"}, {"int_value": 1}),
    ({"arrayValue": {}, "stringValue": "a"}, {"string_value": "a"}),
    ({"stringValue": "a", "kvlistValue": {}}, {"kvlist_value": {}}),
    ({"textValue": "a"}, {}),
    ([], {}),
    ("a", {"string_value": "a"}),
    ("7", {"string_value": "7"}),
    (7, {"int_value": 7}),
    (2**64, {"double_value": 2.0**64}),
    (0.5, {"double_value": 0.5}),
    (True, {"bool_value": True}),
    ([1, {"a": None}], {"string_value": '[1, {"a": null}]'}),
]
# fmt: on


@pytest.mark.parametrize(("members", "expected"), ODD_PARTS.values(), ids=ODD_PARTS.keys())
def test_read_json_leaves_out_unreadable_part(members: dict[str, Any], expected: Span) -> None:
    assert span(**members) == expected


@pytest.mark.parametrize(("value", "expected"), ODD_VALUES)
def test_read_json_keeps_value_of_another_type(value: Any, expected: dict[str, Any] | None) -> None:
    attributes = [{"key": "a", "value": value}, {"key": "b", "value": {"intValue": "7"}}]

    assert span(attributes=attributes) == Span(
        attributes=[{"key": "a", "value": expected}, {"key": "b", "value": {"int_value": 7}}]  # type: ignore[list-item]
    )


GOOD = {"traceId": TRACE_ID, "spanId": SPAN_ID, "name": "good"}
REJECTED: dict[str, tuple[Any, str]] = {
    "trace id of base64": ({"traceId": "W47/95gDgQPSabYzgT/GDA=="}, "invalid_trace_id"),
    "trace id of 31 digits": ({"traceId": TRACE_ID[1:]}, "invalid_trace_id"),
    "trace id with hyphens": ({"traceId": "5b8efff7-9803-8103-d269-b633813fc60c"}, "invalid_trace_id"),
    "trace id that is a number": ({"traceId": 123456789}, "invalid_trace_id"),
    "span id that is no hexadecimal": ({"spanId": "root"}, "invalid_span_id"),
    "span id that is an object": ({"span_id": {}}, "invalid_span_id"),
    "start that is a date": ({"startTimeUnixNano": "2026-01-01T00:00:00Z"}, "invalid_start_time"),
    "start in two halves": ({"startTimeUnixNano": {"low": 1, "high": 2}}, "invalid_start_time"),
    "start before 1970": ({"startTimeUnixNano": "-1"}, "invalid_start_time"),
    "start beyond 64 bits": ({"startTimeUnixNano": 1 << 64}, "invalid_start_time"),
    "start that is infinite": ({"startTimeUnixNano": 1e999}, "invalid_start_time"),
    "start that is no number": ({"startTimeUnixNano": float("nan")}, "invalid_start_time"),
    "start of a huge exponent": ({"startTimeUnixNano": "1e9999"}, "invalid_start_time"),
    "text": ("a span", "malformed"),
    "list": ([1], "malformed"),
    "number": (7, "malformed"),
}


@pytest.mark.parametrize(("bad", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_read_json_rejects_unreadable_span_alone(bad: Any, reason: str) -> None:
    bad = GOOD | {"name": "bad"} | bad if isinstance(bad, dict) else bad
    read = otlp.read_json(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [GOOD, bad, GOOD]}]}]}).encode())

    spans = ExportTraceServiceRequest.FromString(read.body).resource_spans[0].scope_spans[0].spans
    assert [each.name for each in spans] == ["good", "good"]
    assert read.rejected == {reason: 1}


@pytest.mark.parametrize(
    ("resource_spans", "rejected"),
    [
        ([None, {"scopeSpans": [None, {"spans": [None]}]}], 0),
        ([[], {"scopeSpans": [[], {"spans": {}}]}, {"scopeSpans": {}}, {"scopeSpans": None}], 0),
        ([{"resource": [], "scopeSpans": [{"scope": [], "spans": []}]}], 0),
        ([{"resource": "r", "scopeSpans": [{"scope": 7, "spans": []}]}], 0),
        (["a", {"scopeSpans": ["a", {"spans": "a"}]}, {"scopeSpans": {"spans": []}}], 4),
    ],
)
def test_read_json_counts_possible_spans_in_unreadable_part(resource_spans: list[Any], rejected: int) -> None:
    resource_spans = [*resource_spans, {"scopeSpans": [{"spans": [GOOD]}]}]

    read = otlp.read_json(json.dumps({"resourceSpans": resource_spans}).encode())

    assert otlp.read([read.body]).table["name"].to_pylist() == ["good"]
    assert sum(read.rejected.values()) == rejected


def test_read_json_reads_spans_of_otlp_before_0_16() -> None:
    former = {"instrumentationLibrary": {"name": "old", "version": "1"}, "spans": [GOOD], "schemaUrl": "url"}
    resource_spans = [
        {"instrumentationLibrarySpans": [former]},
        {"instrumentationLibrarySpans": [former], "scopeSpans": [{"spans": [GOOD | {"name": "new"}]}]},
    ]

    table = otlp.read([otlp.read_json(json.dumps({"resourceSpans": resource_spans}).encode()).body]).table

    assert table["name"].to_pylist() == ["good", "new"]
    assert table["scope_name"].to_pylist() == ["old", None]
    assert table["scope_schema_url"].to_pylist() == ["url", ""]


REFUSED = {
    "nothing": (b"", "not JSON"),
    "no JSON": (b"{", "not JSON"),
    "no text": (b"\xff\xfe\xfd", "not JSON"),
    "list": (b"[]", "object with resourceSpans, it is an array"),
    "text": (b'"resourceSpans"', "object with resourceSpans, it is a string"),
    "null": (b"null", "object with resourceSpans, it is null"),
    "answer of the API": (b'{"batches":[]}', "no resourceSpans, but 'batches'"),
    "logs": (b'{"resourceLogs":[],"more":1}', "no resourceSpans, but 'resourceLogs', 'more'"),
    "another spelling": (b'{"ResourceSpans":[]}', "no resourceSpans, but 'ResourceSpans'"),
    "long name": (b'{"%s":1}' % (b"a" * 1000), "no resourceSpans"),
    "text for a list": (b'{"resourceSpans":"a"}', "resourceSpans must be an array"),
    "object for a list": (b'{"resourceSpans":{"a":1}}', "resourceSpans must be an array"),
    "NaN": (b'{"resourceSpans":NaN}', "resourceSpans must be an array"),
    "empty objects": (b'{"resourceSpans":[' + b"{}," * 100_000 + b"{}]}", "most of its values or objects are empty"),
    "without end": (b'{"something":' * 100_000, "not JSON"),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_read_json_refuses_malformed_request(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason) as caught:
        otlp.read_json(body)

    assert len(caught.value.reason) < 200


@pytest.mark.parametrize("body", [b"{}", b'{"resourceSpans":[]}', b'{"resourceSpans":null}', b'{"resourceSpans":{}}'])
def test_read_json_reads_requests_without_spans(body: bytes) -> None:
    assert otlp.read_json(body) == Translated(b"", {})


def nested(depth: int, container: str) -> dict[str, Any]:
    value: dict[str, Any] = {"intValue": "1"}
    for _ in range(depth):
        value = {container: {"values": [value if container == "arrayValue" else {"key": "k", "value": value}]}}
    return value


@pytest.mark.parametrize(("container", "most"), [("arrayValue", 45), ("kvlistValue", 30)])
def test_read_json_keeps_values_as_deep_as_in_protobuf(container: str, most: int) -> None:
    attributes = [{"key": "a", "value": nested(most, container)}]
    body = otlp.read_json(request(attributes=attributes, events=[{"attributes": attributes}])).body

    table = otlp.read([body]).table

    assert json.loads(table["span_rest"][0].as_py()[0]["value"]) == nested(most, container)
    assert arbitrary.normal(to_otlp(table)) == arbitrary.normal(ExportTraceServiceRequest.FromString(body))


@pytest.mark.parametrize("depth", [46, 48, 200])
@pytest.mark.parametrize("container", ["arrayValue", "kvlistValue"])
def test_read_json_replaces_deeper_values(depth: int, container: str) -> None:
    body = otlp.read_json(request(name="deep", attributes=[{"key": "a", "value": nested(depth, container)}])).body

    [row] = otlp.read([body]).table.to_pylist()

    assert row["name"] == "deep"
    assert '{"stringValue":"value nested too deep"}' in row["span_rest"][0]["value"]


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
def test_read_json_equals_protobuf(sent: ExportTraceServiceRequest) -> None:
    body = json.dumps(_with_hex_ids(write(sent))).encode()

    received = ExportTraceServiceRequest.FromString(otlp.read_json(body).body)

    assert arbitrary.normal(received) == arbitrary.normal(sent)


_MEMBERS = (
    "traceId spanId parentSpanId name kind startTimeUnixNano endTimeUnixNano attributes events links status flags "
    "traceState droppedAttributesCount"
)
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | st.text(max_size=5),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "key",
                    "value",
                    "values",
                    "stringValue",
                    "intValue",
                    "doubleValue",
                    "boolValue",
                    "bytesValue",
                    "arrayValue",
                ]
            )
            | st.sampled_from(
                ["kvlistValue", "attributes", "code", "message", "name", "timeUnixNano", "traceId", "spanId"]
            ),
            values,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(_MEMBERS.split()), _json_values, max_size=4), _json_values)
def test_read_json_keeps_good_span_beside_any_values(members: dict[str, Any], other: Any) -> None:
    scope_spans = [{"scope": other, "spans": [GOOD, GOOD | members, other]}, other]
    body = json.dumps({"resourceSpans": [{"resource": other, "scopeSpans": scope_spans}, other]}).encode()

    read = otlp.read_json(body)

    spans = ExportTraceServiceRequest.FromString(read.body).resource_spans[0].scope_spans[0].spans
    assert spans[0] == span(**GOOD)
    assert len(otlp.read([read.body]).table) == len(spans)
    assert len(spans) + sum(read.rejected.values()) >= 2
