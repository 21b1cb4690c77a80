"""Zipkin's v2 spans, as JSON and as protobuf: what they mean in OTLP, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers import zipkin_json, zipkin_proto
from spanlake.receivers.errors import MalformedSpans
from tests.receivers.translated import attributes, request, resources, spans

START_US = 1_795_348_800_000_000


def span(**fields: Any) -> dict[str, Any]:
    """A span in JSON."""
    return {"traceId": "abc", "id": "7", "name": "get", "timestamp": START_US, "duration": 1500} | fields


def translated(*found: dict[str, Any]) -> bytes:
    return zipkin_json.spans(json.dumps(found).encode())


def test_a_span() -> None:
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
def test_endpoints(fields: dict[str, Any], expected: dict[str, Any]) -> None:
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
def test_status(tags: dict[str, str], status: tuple[int, str], left: set[str]) -> None:
    (found,) = spans(translated(span(tags=tags)))
    assert (int(found.status.code), found.status.message) == status
    assert set(attributes(found)) == left


def test_tags_that_describe_the_resource() -> None:
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
def test_annotations(text: str, name: str, expected: dict[str, Any], dropped: int) -> None:
    (event,) = spans(translated(span(annotations=[{"timestamp": START_US, "value": text}])))[0].events
    assert (event.name, attributes(event), event.dropped_attributes_count) == (name, expected, dropped)


def test_links_in_tags() -> None:
    good = f'{"1" * 32}|{"2" * 16}|state|{{"n":1}}|3'
    (found,) = spans(translated(span(tags={"otlp.link.0": good, "otlp.link.1": "odd", "otlp.link.3": good})))
    (link,) = found.links
    assert (link.trace_id.hex(), link.span_id.hex(), link.trace_state) == ("1" * 32, "2" * 16, "state")
    assert (attributes(link), link.dropped_attributes_count) == ({"n": 1}, 3)
    assert attributes(found) == {"otlp.link.1": "odd", "otlp.link.3": good}


@pytest.mark.parametrize("absent", [{"timestamp": None}, {"timestamp": 0}])
def test_a_span_without_time(absent: dict[str, Any]) -> None:
    (found,) = spans(translated(span(**absent)))
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (0, 1_500_000)
    assert attributes(found) == {"otel.zipkin.absentField.startTime": True}


def test_values_that_should_be_strings() -> None:
    (found,) = spans(translated(span(tags={"n": 1, "b": True, "none": None, "l": [1]}, name=5, kind=["x"])))
    assert (attributes(found), found.name, found.kind) == ({"n": "1", "b": "true", "none": "", "l": "[1]"}, "5", 0)


def test_an_id_that_is_its_own_parent_has_none() -> None:
    assert spans(translated(span(parentId="7")))[0].parent_span_id == b""


REFUSED = {
    "nothing": b"",
    "cut off": b'[{"traceId":',
    "an object": b"{}",
    "no objects": b"[1]",
    "NaN": b'[{"timestamp": NaN}]',
    "an id that is none": json.dumps([span(id="xyz")]).encode(),
    "an id with spaces": json.dumps([span(id="12 34 56")]).encode(),
    "a long id": json.dumps([span(id="1" * 17)]).encode(),
    "an address that is none": json.dumps([span(localEndpoint={"ipv4": "here"})]).encode(),
    "an annotation without time": json.dumps([span(annotations=[{"value": "x"}])]).encode(),
    "half a microsecond": json.dumps([span(timestamp=0.5)]).encode(),
    "a time beyond all": json.dumps([span(timestamp=2**70)]).encode(),
    "tags that are no object": json.dumps([span(tags=[1])]).encode(),
    "an endpoint that is no object": json.dumps([span(localEndpoint="x")]).encode(),
    "deep": b"[" * 100_000,
    "half of a character": b'[{"name": "\\ud800"}]',
    "a million empty objects": b"[" + b"{}," * 1_000_000 + b"{}]",
    "a million numbers": b"[" + b"1," * 1_000_000 + b"1]",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in Zipkin's v2 JSON"):
        zipkin_json.spans(body)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": "xyz"}, "'xyz'.* is no id of hexadecimal digits"),
        ({"traceId": "1" * 33}, "is no id of at most 32 hexadecimal digits"),
        ({"timestamp": "12"}, "'12' is not an integer"),
        ({"tags": [1]}, "tags is not an object"),
        ({"localEndpoint": "x"}, "localEndpoint is not an object"),
        ({"annotations": 5}, "annotations is not a list"),
        ({"annotations": ["x"]}, "an annotation or an endpoint is not an object"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_which_span(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedSpans, match=f"not spans in Zipkin's v2 JSON: span 2: .*{reason}"):
        translated(span(), span(**fields))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)
FIELDS = ["traceId", "id", "parentId", "name", "kind", "timestamp", "duration", "localEndpoint", "annotations", "tags"]


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4), max_size=3))
def test_any_json(found: list[dict[str, Any]]) -> None:
    try:
        otlp = zipkin_json.spans(json.dumps([span(**each) for each in found]).encode())
    except MalformedSpans:
        return
    assert len(spans(otlp)) == len(found)


# The same span by hand: trace id, id, kind, name, timestamp, duration, local endpoint, annotation, tag.
PROTO_SPAN = (
    b"\x0a\x10" + bytes(15) + b"\x01" + b"\x1a\x08" + bytes(7) + b"\x07" + b"\x20\x01" + b"\x2a\x03get"
    + b"\x31" + START_US.to_bytes(8, "little") + b"\x38\x05"
    + b"\x42\x0b\x0a\x01a\x12\x04\x01\x02\x03\x04\x20\x50"
    + b"\x52\x0c\x09" + START_US.to_bytes(8, "little") + b"\x12\x01x"
    + b"\x5a\x06\x0a\x01k\x12\x01v"
)  # fmt: skip


def listed(*found: bytes) -> bytes:
    return b"".join(b"\x0a" + bytes([len(each)]) + each for each in found)


def test_protobuf() -> None:
    (found,) = spans(zipkin_proto.spans(listed(PROTO_SPAN)))
    assert (found.trace_id, found.span_id, found.kind, found.name) == (
        b"\1".rjust(16, b"\0"),
        b"\7".rjust(8, b"\0"),
        3,
        "get",
    )
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (START_US * 1000, START_US * 1000 + 5000)
    assert attributes(found) == {"k": "v", "network.local.address": "1.2.3.4", "net.host.port": 80}
    assert [event.name for event in found.events] == ["x"]
    assert resources(zipkin_proto.spans(listed(PROTO_SPAN))) == [{"service.name": "a"}]


@pytest.mark.parametrize(
    "body", [b"\xff", listed(b"\x0a\x08" + bytes(8)), b"\x0b" * 100_000, b"\x0a\x00" * 100_000, listed(b"\x42\x01\xff")]
)
def test_protobuf_that_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in Zipkin's protobuf"):
        zipkin_proto.spans(body)


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4))
def test_protobuf_that_is_changed(changes: list[tuple[int, int]]) -> None:
    body = bytearray(listed(PROTO_SPAN, PROTO_SPAN))
    for at, byte in changes:
        body[at % len(body)] = byte
    try:
        spans(zipkin_proto.spans(bytes(body)))
    except MalformedSpans:
        return
