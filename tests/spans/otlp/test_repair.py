"""Tests that a damaged OTLP request loses the damaged parts, and nothing else."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from spanlake.spans.otlp.decode import decode
from spanlake.spans.otlp.encode import to_otlp
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.validate import validate
from spanlake.spans.otlp.wire_fields import Broken, fields, varint
from spanlake.spans.otlp.wire_fields import delimited as data
from tests.spans import otlp_requests

BAD, REPLACED = b"a\xffb", "a\ufffdb"


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def span(name: bytes = b"bad", more: bytes = b"") -> bytes:
    times = varint(7 << 3 | 1) + struct.pack("<Q", 5) + varint(8 << 3 | 1) + struct.pack("<Q", 9)
    return data(1, b"t" * 16) + data(2, b"s" * 8) + data(5, name) + times + more


GOOD = span(b"good", more=data(9, data(1, b"k") + data(2, data(1, b"v"))))


def request(
    *spans: bytes, resource: bytes = b"", scope: bytes = b"", scope_spans: bytes = b"", resource_spans: bytes = b""
) -> bytes:
    in_scope = data(1, scope) + b"".join(data(2, each) for each in spans) + scope_spans
    return data(1, data(1, resource) + data(2, in_scope) + resource_spans)


def read(body: bytes) -> tuple[dict[str, Span], dict[str, int]]:
    """The spans that are kept, by name, and what is rejected."""
    found = validate(decode([b"", request(GOOD), body]), oldest_ns=None, newest_ns=10)
    traces = to_otlp(found.table.slice(1))
    return {each.name: each for each in spans_of(traces)}, dict(found.rejected[2])


def spans_of(traces: TracesData) -> list[Span]:
    return [each for part in traces.resource_spans for scope in part.scope_spans for each in scope.spans]


def value(of: Any, key: str = "k") -> AnyValue:
    found: AnyValue = next(each.value for each in of.attributes if each.key == key)
    return found


PAIR = data(1, b"k") + data(2, data(1, BAD))
KEY = data(1, BAD) + data(2, data(1, b"v"))
TEXTS: dict[str, tuple[bytes, Callable[[Any], str]]] = {
    "trace state": (data(3, BAD), lambda s: s.trace_state),
    "value": (data(9, PAIR), lambda s: value(s).string_value),
    "key": (data(9, KEY), lambda s: s.attributes[0].key),
    "value in an array": (
        data(9, data(1, b"k") + data(2, data(5, data(1, data(1, BAD))))),
        lambda s: value(s).array_value.values[0].string_value,
    ),
    "value in a list": (
        data(9, data(1, b"k") + data(2, data(6, data(1, PAIR)))),
        lambda s: value(s).kvlist_value.values[0].value.string_value,
    ),
    "key in a list": (
        data(9, data(1, b"k") + data(2, data(6, data(1, KEY)))),
        lambda s: value(s).kvlist_value.values[0].key,
    ),
    "name of an event": (data(11, data(2, BAD)), lambda s: s.events[0].name),
    "attribute of an event": (data(11, data(3, PAIR)), lambda s: value(s.events[0]).string_value),
    "trace state of a link": (data(13, data(3, BAD)), lambda s: s.links[0].trace_state),
    "attribute of a link": (data(13, data(4, PAIR)), lambda s: value(s.links[0]).string_value),
    "status": (data(15, data(2, BAD) + whole(3, 2)), lambda s: s.status.message * (s.status.code == 2)),
}


@pytest.mark.parametrize(("more", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_decode_replaces_bytes_that_are_not_utf8(more: bytes, text: Callable[[Any], str]) -> None:
    kept, rejected = read(request(GOOD, span(more=more)))

    assert (set(kept), rejected) == ({"good", "bad"}, {})
    assert text(kept["bad"]) == REPLACED


def test_decode_replaces_bytes_of_resource_and_scope() -> None:
    refs = data(3, data(1, BAD) + data(2, b"host") + data(3, BAD))
    body = request(
        GOOD, resource=data(1, PAIR) + refs, scope=data(1, BAD), scope_spans=data(3, BAD), resource_spans=data(3, BAD)
    )

    [part] = to_otlp(decode([body]).table).resource_spans

    assert value(part.resource).string_value == part.schema_url == REPLACED
    assert part.scope_spans[0].scope.name == part.scope_spans[0].schema_url == REPLACED
    assert [part.resource.entity_refs[0].schema_url, *part.resource.entity_refs[0].id_keys] == [REPLACED] * 2


CUT = b"\x0a\x10ab"  # a field of 16 bytes that ends after two
KEPT: dict[str, tuple[bytes, Callable[[Any], object], object]] = {
    "attribute that breaks off": (data(9, data(1, b"k") + CUT), lambda s: s.attributes[0].key, "k"),
    "value that breaks off": (data(9, data(1, b"k") + data(2, CUT)), lambda s: value(s).WhichOneof("value"), None),
    "event that breaks off": (data(11, data(2, b"e") + CUT), lambda s: s.events[0].name, "e"),
    "link that breaks off": (data(13, data(1, b"t" * 16) + CUT), lambda s: s.links[0].trace_id, b"t" * 16),
    "status that breaks off": (data(15, whole(3, 2) + CUT), lambda s: s.status.code, 2),
    "array that breaks off": (
        data(9, data(1, b"k") + data(2, data(5, data(1, data(1, b"v")) + CUT))),
        lambda s: [each.string_value for each in value(s).array_value.values],
        ["v"],
    ),
    "two values": (data(9, data(1, b"k") + data(2, data(1, b"v") + whole(3, 7))), lambda s: value(s).int_value, 7),
    "two values in two fields": (
        data(9, data(1, b"k") + data(2, whole(3, 7)) + data(2, data(1, b"v"))),
        lambda s: value(s).string_value,
        "v",
    ),
    "two values in an array": (
        data(9, data(1, b"k") + data(2, data(5, data(1, whole(3, 7) + whole(2, 1))))),
        lambda s: value(s).array_value.values[0].bool_value,
        True,
    ),
    "two names": (data(5, b"other") + data(5, b"bad"), lambda s: s.name, "bad"),
    "two statuses": (
        data(15, data(2, b"m")) + data(15, whole(3, 2)),
        lambda s: (s.status.message, s.status.code),
        ("m", 2),
    ),
    "kind as text": (data(6, b"SERVER"), lambda s: s.kind, 0),
    "flags as number of bytes": (whole(16, 1), lambda s: s.flags, 0),
    "count of more than 32 bits": (whole(10, 1 << 40 | 3), lambda s: s.dropped_attributes_count, 3),
    "kind beyond the enumeration": (whole(6, 99), lambda s: s.kind, 99),
    "unknown fields": (data(99, b"x") + whole((1 << 29) - 1, 1), lambda s: s.name, "bad"),
    "unknown groups": (varint(795) * 200 + varint(796) * 200 + data(3, BAD), lambda s: s.trace_state, REPLACED),
    "key without text": (data(9, data(2, whole(3, 7))), lambda s: value(s, "").int_value, 7),
}  # fmt: skip


@pytest.mark.parametrize(("more", "seen", "right"), KEPT.values(), ids=KEPT.keys())
def test_decode_keeps_span_without_damaged_part(more: bytes, seen: Callable[[Any], object], right: object) -> None:
    kept, rejected = read(request(GOOD, span(more=more)))

    assert (set(kept), rejected) == ({"good", "bad"}, {})
    assert seen(kept["bad"]) == right


REJECTED = {
    "cut off": (span(more=CUT), "malformed"),
    "text": (b"a span", "malformed"),
    "field 0": (span(more=b"\x00\x01"), "malformed"),
    "wire type 6": (span(more=b"\x0e"), "malformed"),
    "number of 11 bytes": (span(more=varint(6 << 3) + b"\xff" * 10 + b"\x01"), "malformed"),
    "end of a group": (span(more=varint(9 << 3 | 4)), "malformed"),
    "group without end": (span(more=varint(9 << 3 | 3) * 1000), "malformed"),
    "trace id as number": (whole(1, 7) + data(2, b"s" * 8), "invalid_trace_id"),
    "span id as number": (data(1, b"t" * 16) + whole(2, 7), "invalid_span_id"),
}


@pytest.mark.parametrize(("bad", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_decode_rejects_unreadable_span_alone(bad: bytes, reason: str) -> None:
    kept, rejected = read(request(GOOD, bad))

    assert (set(kept), rejected) == ({"good"}, {reason: 1})
    assert kept["good"] == Span.FromString(GOOD)


@pytest.mark.parametrize("where", ["scope_spans", "resource_spans"])
def test_decode_counts_what_follows_a_break_as_one_span(where: str) -> None:
    kept, rejected = read(request(GOOD, **{where: CUT}))

    assert (set(kept), rejected) == ({"good"}, {"malformed": 1})


@pytest.mark.parametrize("where", ["resource", "scope"])
def test_decode_keeps_spans_of_broken_resource_and_scope(where: str) -> None:
    kept, rejected = read(request(GOOD, **{where: CUT}))

    assert (set(kept), rejected) == ({"good"}, {})


def test_decode_merges_resources_and_scopes_sent_in_parts() -> None:
    pairs = [data(1, key) + data(2, data(1, b"v")) for key in (b"a", b"b")]
    scope_spans = data(1, data(1, b"scope")) + data(1, data(2, b"version")) + data(2, GOOD)
    body = data(1, data(1, data(1, pairs[0])) + data(2, scope_spans) + data(1, data(1, pairs[1])))

    assert otlp_requests.normal(to_otlp(decode([body]).table)) == otlp_requests.normal(TracesData.FromString(body))


def test_decode_reads_spans_of_otlp_before_0_16() -> None:
    former = data(1000, data(1, data(1, b"library")) + data(2, GOOD) + data(3, b"url"))
    body = data(1, former) + request(span(b"new"))

    first, second = to_otlp(decode([body]).table).resource_spans

    assert (first.scope_spans[0].scope.name, first.scope_spans[0].schema_url) == ("library", "url")
    assert [each.name for each in (*first.scope_spans[0].spans, *second.scope_spans[0].spans)] == ["good", "new"]


def test_decode_ignores_former_field_beside_scopes() -> None:
    body = request(span(b"new"), resource_spans=data(1000, data(2, GOOD)))

    assert [each.name for each in spans_of(to_otlp(decode([body]).table))] == ["new"]


@pytest.mark.parametrize(
    "spans",
    [
        [span(BAD)] * 20_000,
        [span(more=data(9, data(1, b"%d" % n) + data(2, data(1, BAD)))) for n in range(10_000)],
        [span(more=CUT), GOOD] * 10_000,
        [span(BAD, b"".join(data(9, data(1, b"http.header.%d" % n) + data(2, data(1, b"v" * 20))) for n in range(10)))]
        * 8_000,
    ],
)
def test_decode_repairs_many_spans_in_linear_time(spans: list[bytes]) -> None:
    """In square time they take longer than a test may."""
    decoded = decode([request(*spans)])
    assert decoded.spans_per_request == [len(spans)]


@pytest.mark.parametrize("more", [whole(99, 1) * 3_000_000, varint(99 << 3 | 3) * 4_000_000])
def test_decode_refuses_more_damage_than_it_repairs(more: bytes) -> None:
    with pytest.raises(MalformedRequest):
        decode([request(GOOD, span(BAD, more))])


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_fields_are_the_bytes_that_they_are_read_from(payload: bytes) -> None:
    try:
        found = list(fields(payload, lambda: None))
    except Broken:
        return
    assert b"".join(payload[each.start : each.end] for each in found) == payload
    Empty.FromString(payload)


@given(otlp_requests.spans.map(Span.SerializeToString), st.integers(0, 100))
@settings(max_examples=300, deadline=None)
def test_fields_break_off_where_protobuf_breaks_off(payload: bytes, cut: int) -> None:
    payload = payload[: len(payload) - cut]
    try:
        Empty.FromString(payload)
    except DecodeError:
        with pytest.raises(Broken):
            list(fields(payload, lambda: None))
    else:
        list(fields(payload, lambda: None))


@given(
    otlp_requests.spans.map(Span.SerializeToString),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_decode_keeps_good_span_beside_any_bytes(payload: bytes, changes: list[tuple[int, bytes]]) -> None:
    """Bytes that are changed in a span, its neighbours and their resource never cost a good span anything."""
    for position, replacement in changes:
        payload = payload[:position] + replacement + payload[position + len(replacement) :]
    body = request(GOOD, payload, GOOD, resource=payload, scope=payload, scope_spans=data(9, payload))

    table = decode([body, request(GOOD)]).table

    good = [each for each in spans_of(to_otlp(table)) if each == Span.FromString(GOOD)]
    assert len(good) >= 3
