"""Zipkin's v2 spans, as JSON and as protobuf: what they mean in OTLP, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers.otlp_rows import LATEST_NS
from spanlake.receivers.translation import MalformedSpans, Translated
from spanlake.receivers.zipkin import v2_json, v2_protobuf
from tests.receivers.translated import attributes, request, resources, spans

START_US = 1_795_348_800_000_000


def span(**fields: Any) -> dict[str, Any]:
    """A span in JSON."""
    return {"traceId": "abc", "id": "7", "name": "get", "timestamp": START_US, "duration": 1500} | fields


def translated(*found: dict[str, Any]) -> Translated:
    return v2_json.spans(json.dumps(found).encode())


def test_zipkin_json_reads_every_field_of_a_span() -> None:
    (found,) = spans(translated(span(parentId="5", kind="CLIENT", tags={"k": "1"})))
    assert (found.trace_id.hex(), found.span_id.hex()) == ("abc".rjust(32, "0"), "7".rjust(16, "0"))
    assert (found.parent_span_id.hex(), found.name, found.kind) == ("5".rjust(16, "0"), "get", 3)
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (START_US * 1000, START_US * 1000 + 1_500_000)
    assert attributes(found) == {"k": "1"}


ENDPOINTS = {
    "local": (
        {"localEndpoint": {"serviceName": "a", "ipv4": "1.2.3.4", "port": 80}},
        {"network.local.address": "1.2.3.4", "net.host.port": 80},
    ),
    "remote": (
        {"remoteEndpoint": {"serviceName": "B", "ipv4": "1.2.3.4", "ipv6": "2001:0DB8::0001", "port": 1}},
        {"service.peer.name": "B", "network.peer.address": "2001:db8::1", "net.peer.port": 1},
    ),
    "mapped": ({"localEndpoint": {"ipv6": "::ffff:192.0.2.1"}}, {"network.local.address": "192.0.2.1"}),
    "empty": ({"localEndpoint": {}, "remoteEndpoint": {"port": 0}}, {}),
}


@pytest.mark.parametrize(("fields", "expected"), ENDPOINTS.values(), ids=ENDPOINTS)
def test_zipkin_json_turns_endpoints_into_attributes(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert attributes(spans(translated(span(**fields)))[0]) == expected


STATUSES: dict[str, tuple[dict[str, str], tuple[int, str], set[str]]] = {
    "true": ({"error": "true"}, (2, ""), set()),
    "any error": ({"error": ""}, (2, ""), {"error"}),
    "code": ({"otel.status_code": "Error", "otel.status_description": "d"}, (2, "d"), set()),
    "long code": ({"otel.status_code": "STATUS_CODE_OK"}, (1, ""), set()),
    "no code": ({"otel.status_code": "ERROR"}, (0, ""), set()),
    "error and code": ({"otel.status_code": "Ok", "error": "x"}, (2, ""), {"error"}),
    "description alone": ({"otel.status_description": "d"}, (0, ""), {"otel.status_description"}),
    "http": ({"http.status_code": "500"}, (0, ""), {"http.status_code"}),
}


@pytest.mark.parametrize(("tags", "status", "left"), STATUSES.values(), ids=STATUSES)
def test_zipkin_json_reads_status_from_tags(tags: dict[str, str], status: tuple[int, str], left: set[str]) -> None:
    (found,) = spans(translated(span(tags=tags)))
    assert (int(found.status.code), found.status.message) == status
    assert set(attributes(found)) == left


def test_zipkin_json_turns_resource_and_scope_tags_into_resource_and_scope() -> None:
    tags = {"host.name": "h", "k": "v", "otel.library.name": "lib", "otel.library.version": "2"}
    otlp = translated(span(localEndpoint={"serviceName": "a"}, tags=tags), span(id="8", tags=tags))
    assert resources(otlp) == [{"service.name": "a", "host.name": "h"}, {}]
    scopes = [group.scope_spans[0].scope for group in request(otlp).resource_spans]
    assert [(scope.name, scope.version) for scope in scopes] == [("lib", "2")] * 2
    assert [attributes(found) for found in spans(otlp)] == [{"k": "v"}] * 2


ANNOTATIONS = {
    "plain": ("miss", "miss", {}, 0),
    "attributes": (
        'retry|{"n":3,"f":1.5,"s":"x|y","b":true,"l":[1]}|2',
        "retry",
        {"n": 3, "f": 1.5, "s": "x|y", "b": True},
        2,
    ),
    "one bar": ("left|right", "left", {}, 0),
    "no JSON": ("a|b|c", "a|b|c", {}, 0),
    "deep": ("a|" + "[" * 1020 + "|1", "a|" + "[" * 1020 + "|1", {}, 0),
}


@pytest.mark.parametrize(("text", "name", "expected", "dropped"), ANNOTATIONS.values(), ids=ANNOTATIONS)
def test_zipkin_json_turns_annotations_into_events(
    text: str, name: str, expected: dict[str, Any], dropped: int
) -> None:
    (event,) = spans(translated(span(annotations=[{"timestamp": START_US, "value": text}])))[0].events
    assert (event.name, attributes(event), event.dropped_attributes_count) == (name, expected, dropped)


def test_zipkin_json_reads_links_from_tags() -> None:
    good = f'{"1" * 32}|{"2" * 16}|state|{{"n":1}}|3'
    (found,) = spans(translated(span(tags={"otlp.link.0": good, "otlp.link.1": "odd", "otlp.link.3": good})))
    (link,) = found.links
    assert (link.trace_id.hex(), link.span_id.hex(), link.trace_state) == ("1" * 32, "2" * 16, "state")
    assert (attributes(link), link.dropped_attributes_count) == ({"n": 1}, 3)
    assert attributes(found) == {"otlp.link.1": "odd", "otlp.link.3": good}


@pytest.mark.parametrize("absent", [{"timestamp": None}, {"timestamp": 0}])
def test_zipkin_json_marks_absent_start_time(absent: dict[str, Any]) -> None:
    (found,) = spans(translated(span(**absent)))
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (0, 1_500_000)
    assert attributes(found) == {"otel.zipkin.absentField.startTime": True}


def test_zipkin_json_turns_other_values_into_strings() -> None:
    (found,) = spans(translated(span(tags={"n": 1, "b": True, "none": None, "l": [1]}, name=5, kind=["x"])))
    assert (attributes(found), found.name, found.kind) == ({"n": "1", "b": "true", "none": "", "l": "[1]"}, "5", 0)


def test_zipkin_json_drops_parent_equal_to_span_id() -> None:
    assert spans(translated(span(parentId="7")))[0].parent_span_id == b""


KEPT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no parent": ({"parentId": "root"}, {}),
    "a parent that is too long": ({"parentId": "1" * 17}, {}),
    "an address that is a name": (
        {"remoteEndpoint": {"serviceName": "db", "ipv4": "here"}},
        {"service.peer.name": "db"},
    ),
    "ipv4 beside an ipv6 that is none": (
        {"remoteEndpoint": {"ipv6": "[::1]", "ipv4": "10.0.0.7"}},
        {"network.peer.address": "10.0.0.7"},
    ),
    "a port in quotes": ({"remoteEndpoint": {"port": "5432"}}, {"net.peer.port": 5432}),
    "a port that is none": ({"remoteEndpoint": {"port": 70000}, "localEndpoint": {"port": "http"}}, {}),
    "an endpoint that is none": ({"remoteEndpoint": "db", "localEndpoint": [1]}, {}),
    "an annotation without a time": ({"annotations": [{"value": "x"}]}, {}),
    "an annotation that is none": ({"annotations": ["x", None]}, {}),
    "annotations that are none": ({"annotations": 5}, {}),
    "tags that are none": ({"tags": "none"}, {}),
    "tags in a list": ({"tags": [{"key": "k", "value": 1}, {"value": 2}, 3]}, {"k": "1"}),
    "a tag that nests": ({"tags": {"k": json.loads("[" * 150 + "]" * 150)}}, {"k": "[" * 150 + "]" * 150}),
}


@pytest.mark.parametrize(("fields", "expected"), KEPT.values(), ids=KEPT)
def test_zipkin_json_drops_unreadable_part_alone(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    otlp = translated(span(), span(**fields))
    assert [attributes(found) for found in spans(otlp)] == [{}, expected]
    assert (spans(otlp)[1].parent_span_id, list(spans(otlp)[1].events), otlp.rejected) == (b"", [], {})


TIMES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "in quotes": ({"timestamp": str(START_US), "duration": " 250 "}, (START_US * 1000, 250_000)),
    "with exponents": ({"timestamp": "1.7953488e15", "duration": 2.5e2}, (START_US * 1000, 250_000)),
    "with fractions": ({"timestamp": START_US + 0.5, "duration": 12.75}, (START_US * 1000, 12_000)),
    "less than one": ({"timestamp": START_US, "duration": 0.4}, (START_US * 1000, 0)),
    "no duration": ({"duration": None}, (START_US * 1000, 0)),
    "a negative duration": ({"duration": -5}, (START_US * 1000, 0)),
    "a duration of 2^62": ({"duration": 2**62}, (START_US * 1000, LATEST_NS - START_US * 1000)),
    "a duration beyond 64 bits": ({"duration": 2**70}, (START_US * 1000, LATEST_NS - START_US * 1000)),
    "a duration beyond doubles": ({"duration": float("inf")}, (START_US * 1000, LATEST_NS - START_US * 1000)),
    "a time beyond all": ({"timestamp": 2**70}, (LATEST_NS, 0)),
    "a time before 1970": ({"timestamp": -START_US, "duration": 1}, (0, 1000)),
}


@pytest.mark.parametrize(("fields", "expected"), TIMES.values(), ids=TIMES)
def test_zipkin_json_limits_times_without_wrapping(fields: dict[str, Any], expected: tuple[int, int]) -> None:
    (found,) = spans(translated(span(**fields)))
    start, end = found.start_time_unix_nano, found.end_time_unix_nano
    assert (start, end - start) == expected


@pytest.mark.parametrize("time", ["yesterday", "", "1_0", True, [1], {"us": 1}, float("nan"), "9" * 5000])
def test_zipkin_json_rejects_span_with_unreadable_time_alone(time: Any) -> None:
    for field in ("timestamp", "duration"):
        otlp = translated(span(), span(**{field: time}), span())
        unreadable = 0 if time == "" else 1
        assert (len(spans(otlp)), sum(otlp.rejected.values())) == (3 - unreadable, unreadable)


def test_zipkin_json_rejects_list_item_that_is_not_an_object_alone() -> None:
    otlp = v2_json.spans(json.dumps([None, span(), "span", [span()]]).encode())
    assert (len(spans(otlp)), otlp.rejected) == (1, {"malformed": 3})


@pytest.mark.parametrize("id_", ["xyz", "12 34 56", "1" * 33, "0x1", "a-b", 1.5, True, [1], {}, None, ""])
def test_zipkin_json_reads_invalid_id_as_empty(id_: Any) -> None:
    (found,) = spans(translated(span(traceId=id_, id=id_)))
    assert (found.trace_id, found.span_id) == (b"", b"")


def test_zipkin_json_reads_numeric_id_as_hexadecimal_digits() -> None:
    (found,) = spans(translated(span(id=12345)))
    assert found.span_id.hex() == "12345".rjust(16, "0")


SPOILT = {"half a pair": b"a\\ud800b", "the other half": b"a\\udc00b", "a byte": b"a\xffb", "both": b"a\\udeadb"}


@pytest.mark.parametrize("text", SPOILT.values(), ids=SPOILT)
def test_zipkin_json_replaces_text_that_is_not_unicode(text: bytes) -> None:
    places = {"name": "MARK", "tags": {"k": "MARK", "MARK": "v", "pair": "\U0001f373", "\\ud800": "\\\\"}}
    note = {"timestamp": START_US, "value": "MARK"}
    body = json.dumps([span(), span(**places, localEndpoint={"serviceName": "MARK"}, annotations=[note])])
    otlp = v2_json.spans(body.encode().replace(b"MARK", text))
    found = spans(otlp)[1]
    right = "a\ufffdb"
    assert (found.name, found.events[0].name, resources(otlp)[1]) == (right, right, {"service.name": right})
    assert attributes(found) == {"k": right, right: "v", "pair": "\U0001f373", "\\ud800": "\\\\"}


def test_zipkin_json_replaces_invalid_text_in_annotation_attributes() -> None:
    value = 'retry|{"n":"a\\ud800b"}|2'
    (event,) = spans(translated(span(annotations=[{"timestamp": START_US, "value": value}])))[0].events
    assert attributes(event) == {"n": "a\ufffdb"}


@pytest.mark.parametrize("front", [b"", b"\xef\xbb\xbf", b" \n\t", b"\xef\xbb\xbf\r\n"])
def test_zipkin_json_skips_leading_white_space_and_byte_order_mark(front: bytes) -> None:
    assert len(spans(v2_json.spans(front + json.dumps([span()]).encode()))) == 1


def test_zipkin_json_drops_tag_nested_too_deep_alone() -> None:
    body = json.dumps([span(), span(tags={"k": "MARK", "n": "1"})]).encode().replace(b'"MARK"', b"[" * 900 + b"]" * 900)
    good, found = spans(v2_json.spans(body))
    assert (attributes(good), attributes(found)["n"]) == ({}, "1")


REFUSED = {
    "nothing": b"",
    "cut off": b'[{"traceId":',
    "an object": b"{}",
    "deep": b"[" * 100_000,
    "a million empty objects": b"[" + b"{}," * 1_000_000 + b"{}]",
    "a million numbers": b"[" + b"1," * 1_000_000 + b"1]",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_zipkin_json_refuses_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in Zipkin's v2 JSON"):
        v2_json.spans(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)
FIELDS = ["traceId", "id", "parentId", "name", "kind", "timestamp", "duration", "localEndpoint", "annotations", "tags"]


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4), max_size=3))
def test_zipkin_json_counts_every_span_of_any_json(found: list[dict[str, Any]]) -> None:
    otlp = v2_json.spans(json.dumps([span(**each) for each in found]).encode())
    assert len(spans(otlp)) + sum(otlp.rejected.values()) == len(found)


endpoints = json_values | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("serviceName", "ipv4", "ipv6", "port"), json_values)
)
notes = st.fixed_dictionaries({}, optional={"timestamp": json_values, "value": json_values})
TAGS = ["otlp.link.0", "error", "otel.status_code", "w3c.tracestate", "otel.library.name", "host.name", "span.kind"]
odd_spans = st.fixed_dictionaries(
    {},
    optional={
        "name": json_values,
        "kind": json_values,
        "parentId": json_values,
        "localEndpoint": endpoints,
        "remoteEndpoint": endpoints,
        "annotations": json_values | st.lists(notes | json_values, max_size=3),
        "tags": json_values | st.dictionaries(st.sampled_from(TAGS) | st.text(max_size=3), json_values, max_size=3),
    },
)


@given(st.lists(odd_spans, max_size=3))
def test_zipkin_json_keeps_spans_with_any_parts(found: list[dict[str, Any]]) -> None:
    otlp = translated(*(span(**each) for each in found))
    assert (len(spans(otlp)), otlp.rejected) == (len(found), {})


# The span in protobuf, written by hand: trace id, id, kind, name, timestamp, duration, local endpoint, annotation, tag.
PROTO_SPAN = (
    b"\x0a\x10" + bytes(15) + b"\x01" + b"\x1a\x08" + bytes(7) + b"\x07" + b"\x20\x01" + b"\x2a\x03get"
    + b"\x31" + START_US.to_bytes(8, "little") + b"\x38\x05"
    + b"\x42\x0b\x0a\x01a\x12\x04\x01\x02\x03\x04\x20\x50"
    + b"\x52\x0c\x09" + START_US.to_bytes(8, "little") + b"\x12\x01x"
    + b"\x5a\x06\x0a\x01k\x12\x01v"
)  # fmt: skip


def listed(*found: bytes) -> bytes:
    return b"".join(b"\x0a" + bytes([len(each)]) + each for each in found)


def test_zipkin_protobuf_reads_every_field_of_a_span() -> None:
    (found,) = spans(v2_protobuf.spans(listed(PROTO_SPAN)))
    assert (found.trace_id, found.span_id, found.kind, found.name) == (
        b"\1".rjust(16, b"\0"),
        b"\7".rjust(8, b"\0"),
        3,
        "get",
    )
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (START_US * 1000, START_US * 1000 + 5000)
    assert attributes(found) == {"k": "v", "network.local.address": "1.2.3.4", "net.host.port": 80}
    assert [event.name for event in found.events] == ["x"]
    assert resources(v2_protobuf.spans(listed(PROTO_SPAN))) == [{"service.name": "a"}]


def test_zipkin_protobuf_pads_trace_id_of_64_bits() -> None:
    (found,) = spans(v2_protobuf.spans(listed(b"\x0a\x08" + b"t" * 8 + b"\x1a\x08" + b"s" * 8)))
    assert (found.trace_id, found.span_id) == (bytes(8) + b"t" * 8, b"s" * 8)


@pytest.mark.parametrize("length", [1, 7, 9, 17, 300])
def test_zipkin_protobuf_reads_ids_of_other_lengths_as_empty(length: int) -> None:
    encoded = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    ids = b"".join(tag + encoded + b"i" * length for tag in (b"\x0a", b"\x12", b"\x1a"))
    head = bytes([len(ids) & 127 | 128, len(ids) >> 7]) if len(ids) > 127 else bytes([len(ids)])
    (found,) = spans(v2_protobuf.spans(b"\x0a" + head + ids))
    assert (found.trace_id, found.span_id, found.parent_span_id) == (b"", b"", b"")


ODD_PARTS = {
    "endpoint": b"\x42\x01\xff",
    "tag": b"\x5a\x01\xff",
    "address": b"\x42\x05\x12\x03abc",
    "port": b"\x42\x04\x20\xf0\xa2\x04",
    "name again": b"\x2a\x03get",
    "another type": b"\x0d" + bytes(4),
}


@pytest.mark.parametrize("part", ODD_PARTS.values(), ids=ODD_PARTS)
def test_zipkin_protobuf_drops_unreadable_part_alone(part: bytes) -> None:
    plain = PROTO_SPAN.replace(b"\x42\x0b\x0a\x01a\x12\x04\x01\x02\x03\x04\x20\x50", b"")
    otlp = v2_protobuf.spans(listed(PROTO_SPAN, plain + part))
    assert otlp.rejected == {}
    assert [(found.name, attributes(found)["k"]) for found in spans(otlp)] == [("get", "v")] * 2
    assert attributes(spans(otlp)[1]) == {"k": "v"}


def test_zipkin_protobuf_rejects_malformed_span_alone() -> None:
    otlp = v2_protobuf.spans(listed(PROTO_SPAN, b"\x0a\x10", PROTO_SPAN))
    assert (len(spans(otlp)), otlp.rejected) == (2, {"malformed": 1})


@pytest.mark.parametrize("body", [b"\xff", b"\x0b" * 100_000, b"\x0a\x00" * 100_000])
def test_zipkin_protobuf_refuses_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in Zipkin's protobuf"):
        v2_protobuf.spans(body)


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4))
def test_zipkin_protobuf_survives_changed_bytes(changes: list[tuple[int, int]]) -> None:
    body = bytearray(listed(PROTO_SPAN, PROTO_SPAN))
    for at, byte in changes:
        body[at % len(body)] = byte
    try:
        spans(v2_protobuf.spans(bytes(body)))
    except MalformedSpans:
        return
