"""Zipkin's v1 spans, as JSON and as Thrift: what they mean in OTLP, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers.otlp_rows import LATEST_NS
from spanlake.receivers.thrift import BOOL, I16, I32, I64, LIST, STRING, STRUCT
from spanlake.receivers.translation import MalformedSpans, Translated
from spanlake.receivers.zipkin import v1_json, v1_thrift
from tests.receivers.thrift_writer import Fields, binary
from tests.receivers.translated import attributes, resources, spans

START_US = 1_795_348_800_000_000
FRONT = {"serviceName": "front", "ipv4": "10.0.0.1", "port": 8080}


def span(**fields: Any) -> dict[str, Any]:
    """A span in JSON."""
    return {"traceId": "a" * 16, "id": "7", "name": "get", "timestamp": START_US, "duration": 1500} | fields


def core(value: str, after_us: int = 0) -> dict[str, Any]:
    return {"timestamp": START_US + after_us, "value": value, "endpoint": FRONT}


def translated(*found: dict[str, Any]) -> Translated:
    return v1_json.spans(json.dumps(found).encode())


@pytest.mark.parametrize(
    ("value", "kind"), [("cs", 3), ("cr", 3), ("sr", 2), ("ss", 2), ("ms", 4), ("mr", 5), ("other", 0)]
)
def test_zipkin_v1_json_reads_kind_from_annotations(value: str, kind: int) -> None:
    (found,) = spans(translated(span(annotations=[core(value), core("sr")][: 2 if kind else 1])))
    assert (found.kind, [event.name for event in found.events]) == (kind, [] if kind else ["other"])


SERVICES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "core annotation": (
        {
            "annotations": [core("x"), core("sr")],
            "binaryAnnotations": [{"key": "k", "value": "v", "endpoint": {"serviceName": "b"}}],
        },
        {"service.name": "front", "ipv4": "10.0.0.1", "port": "8080"},
    ),
    "binary annotation": (
        {"binaryAnnotations": [{"key": "k", "value": "v", "endpoint": FRONT}]},
        {"service.name": "front"},
    ),
    "component": ({"binaryAnnotations": [{"key": "lc", "value": "part"}]}, {"service.name": "part"}),
    "nobody": ({}, {"service.name": "unknown-service"}),
}


@pytest.mark.parametrize(("fields", "expected"), SERVICES.values(), ids=SERVICES)
def test_zipkin_v1_json_reads_service_from_endpoints(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert resources(translated(span(**fields))) == [expected]


STATUSES: dict[str, tuple[dict[str, Any], tuple[int, str], set[str]]] = {
    "census": ({"census.status_code": "5", "otel.status_code": "1", "census.status_description": "d"}, (2, "d"), set()),
    "census has no error": ({"census.status_code": "0"}, (1, ""), set()),
    "otel": ({"otel.status_code": "7", "otel.status_description": "d", "error": "x"}, (7, "d"), set()),
    "error": ({"error": "", "otel.status_description": "d"}, (2, "d"), set()),
    "http": (
        {"http.status_code": "404", "http.status_message": "m"},
        (2, "m"),
        {"http.status_code", "http.status_message"},
    ),
    "success": ({"http.status_code": "200"}, (0, ""), {"http.status_code"}),
    "no number": ({"http.status_code": "x"}, (0, ""), {"http.status_code"}),
}


@pytest.mark.parametrize(("tags", "status", "left"), STATUSES.values(), ids=STATUSES)
def test_zipkin_v1_json_reads_status_from_annotations(
    tags: dict[str, Any], status: tuple[int, str], left: set[str]
) -> None:
    annotations = [{"key": key, "value": value} for key, value in tags.items()]
    (found,) = spans(translated(span(binaryAnnotations=annotations)))
    assert (int(found.status.code), found.status.message) == status
    assert set(attributes(found)) == left


def test_zipkin_v1_json_reads_values_of_types_the_format_lacks() -> None:
    annotations = [{"key": "sa", "value": True}, {"key": "n", "value": 42}, {"key": "f", "value": 1.5}]
    (found,) = spans(translated(span(binaryAnnotations=annotations)))
    assert attributes(found) == {"sa": True, "n": 42, "f": 1.5}


def test_zipkin_v1_json_reads_times_from_annotations() -> None:
    (found,) = spans(translated(span(timestamp=None, annotations=[core("cs", 5), core("x", 1), core("cr", 9)])))
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == ((START_US + 1) * 1000, (START_US + 9) * 1000)


def test_zipkin_v1_json_reads_quoted_and_fractional_numbers() -> None:
    endpoint = FRONT | {"port": "8080"}
    annotation = {"timestamp": str(START_US + 7), "value": "sr", "endpoint": endpoint}
    note = {"timestamp": START_US + 3.5, "value": "flushed"}
    otlp = translated(span(timestamp=str(START_US), duration=12.5, annotations=[annotation, note]))
    (found,) = spans(otlp)
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (START_US * 1000, START_US * 1000 + 12_000)
    assert [event.time_unix_nano for event in found.events] == [(START_US + 3) * 1000]
    assert resources(otlp) == [{"service.name": "front", "ipv4": "10.0.0.1", "port": "8080"}]


ODD: dict[str, dict[str, Any]] = {
    "an address that is none": {"annotations": [core("cs") | {"endpoint": {"serviceName": "front", "ipv4": "here"}}]},
    "a port that is none": {"annotations": [core("cs") | {"endpoint": {"serviceName": "front", "port": -1}}]},
    "an annotation without a time": {
        "annotations": [{"value": "flushed"}, {"value": "cs", "endpoint": {"serviceName": "front"}}]
    },
    "an annotation that is none": {"annotations": ["flushed", core("cs") | {"endpoint": {"serviceName": "front"}}]},
    "a binary annotation that is none": {
        "annotations": [core("cs") | {"endpoint": {"serviceName": "front"}}],
        "binaryAnnotations": ["x", None],
    },
    "a parent that is none": {"annotations": [core("cs") | {"endpoint": {"serviceName": "front"}}], "parentId": "root"},
}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
def test_zipkin_v1_json_drops_unreadable_part_alone(fields: dict[str, Any]) -> None:
    otlp = translated(span(**fields))
    (found,) = spans(otlp)
    assert (found.kind, attributes(found), list(found.events), otlp.rejected) == (3, {}, [], {})
    assert resources(otlp) == [{"service.name": "front"}]


@pytest.mark.parametrize("odd", [None, "span", 1, [1]])
def test_zipkin_v1_json_rejects_list_item_that_is_not_an_object_alone(odd: Any) -> None:
    otlp = v1_json.spans(json.dumps([odd, span()]).encode())
    assert (len(spans(otlp)), otlp.rejected) == (1, {"malformed": 1})


@pytest.mark.parametrize("time", ["yesterday", True, [1]])
def test_zipkin_v1_json_rejects_span_with_unreadable_time_alone(time: Any) -> None:
    for field in ("timestamp", "duration"):
        otlp = translated(span(), span(**{field: time}))
        assert (len(spans(otlp)), otlp.rejected) == (1, {"malformed": 1})


def test_zipkin_v1_json_limits_durations_without_wrapping() -> None:
    found = spans(translated(span(duration=2**62), span(duration=-5)))
    assert [each.end_time_unix_nano for each in found] == [LATEST_NS, START_US * 1000]


@pytest.mark.parametrize("body", [b"", b"{}", b"[1", b"spans"])
def test_zipkin_v1_json_refuses_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in Zipkin's v1 JSON"):
        v1_json.spans(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)
KEYS = ["lc", "error", "otel.status_code", "census.status_code", "http.status_code", "otel.status_description"]
endpoints = json_values | st.fixed_dictionaries({}, optional=dict.fromkeys(FRONT, json_values) | {"ipv6": json_values})
annotations = st.fixed_dictionaries(
    {}, optional={"timestamp": json_values, "value": json_values | st.just("cs"), "endpoint": endpoints}
)
binary_annotations = st.fixed_dictionaries(
    {}, optional={"key": st.sampled_from(KEYS) | json_values, "value": json_values, "endpoint": endpoints}
)
odd_spans = st.fixed_dictionaries(
    {},
    optional={
        "name": json_values,
        "parentId": json_values,
        "annotations": json_values | st.lists(annotations, max_size=3),
        "binaryAnnotations": json_values | st.lists(binary_annotations, max_size=3),
    },
)


@given(st.lists(odd_spans, max_size=3))
def test_zipkin_v1_json_keeps_spans_with_any_annotations(found: list[dict[str, Any]]) -> None:
    otlp = translated(*(span(**each) for each in found))
    assert (len(spans(otlp)), otlp.rejected) == (len(found), {})


HOST: Fields = [(1, I32, -1), (2, I16, 80), (3, STRING, b"back"), (4, STRING, bytes(15) + b"\1")]
TYPED: dict[str, tuple[int, bytes, Any]] = {
    "bool": (0, b"\1", True),
    "bytes": (1, b"\0\xff", "AP8="),
    "i16": (2, b"\xff\xfe", 65534),
    "i32": (3, b"\0\0\0\5", 5),
    "i64": (4, b"\xff" * 8, -1),
    "double": (5, b"\x3f\xf8" + bytes(6), 1.5),
    "string": (6, b"text", "text"),
    "short": (3, b"\0", "<not enough bytes representing the number>"),
    "unknown": (9, b"", "<unknown zipkin v1 binary annotation type (9)>"),
}
BINARY_ANNOTATIONS: list[Fields] = [
    [(1, STRING, key.encode()), (2, STRING, encoded), (3, I32, type_)] for key, (type_, encoded, _) in TYPED.items()
]
THRIFT = binary(
    LIST,
    (
        STRUCT,
        [
            [
                (1, I64, -1),
                (3, STRING, b"get"),
                (4, I64, 7),
                (5, I64, 5),
                (6, LIST, (STRUCT, [[(1, I64, START_US), (2, STRING, b"sr"), (3, STRUCT, HOST)]])),
                (8, LIST, (STRUCT, BINARY_ANNOTATIONS)),
                (10, I64, START_US),
                (11, I64, 9),
                (12, I64, 1),
            ]
        ],
    ),
)


def test_zipkin_v1_thrift_reads_every_field_of_a_span() -> None:
    (found,) = spans(v1_thrift.spans(THRIFT))
    assert found.trace_id == (1).to_bytes(8) + b"\xff" * 8
    assert (found.parent_span_id, found.kind, found.name) == ((5).to_bytes(8), 2, "get")
    assert attributes(found) == {key: expected for key, (_, _, expected) in TYPED.items()}
    assert resources(v1_thrift.spans(THRIFT)) == [
        {"service.name": "back", "ipv4": "255.255.255.255", "ipv6": "::1", "port": "80"}
    ]


def listed(*found: Fields) -> bytes:
    return binary(LIST, (STRUCT, list(found)))


IDS: Fields = [(1, I64, 1), (4, I64, 7)]


def test_zipkin_v1_thrift_ignores_fields_of_other_types() -> None:
    odd: Fields = [
        *IDS,
        (3, I64, 5),
        (6, LIST, (I64, [1, 2])),
        (8, STRING, b"x"),
        (10, STRING, b"now"),
        (99, BOOL, True),
    ]
    host: Fields = [(3, STRING, b"\xff"), (4, STRING, b"abc")]
    named: Fields = [
        *IDS,
        (3, STRING, b"\xff"),
        (6, LIST, (STRUCT, [[(1, I64, 5), (2, STRING, b"sr"), (3, STRUCT, host)]])),
    ]
    otlp = v1_thrift.spans(listed(odd, named))
    assert [(found.name, found.kind) for found in spans(otlp)] == [("", 0), ("\ufffd", 2)]
    assert resources(otlp) == [{"service.name": "unknown-service"}, {"service.name": "\ufffd"}]


def test_zipkin_v1_thrift_limits_durations_without_wrapping() -> None:
    found = spans(v1_thrift.spans(listed(*([*IDS, (10, I64, START_US), (11, I64, us)] for us in (2**62, -5)))))
    assert [each.end_time_unix_nano for each in found] == [LATEST_NS, START_US * 1000]


def test_zipkin_v1_thrift_refuses_millions_of_empty_spans() -> None:
    with pytest.raises(MalformedSpans, match="most of its list items are empty"):
        v1_thrift.spans(b"\x0c" + (1_000_000).to_bytes(4) + bytes(1_000_000))


def test_zipkin_v1_thrift_refuses_truncated_body() -> None:
    for end in range(len(THRIFT) - 1):
        with pytest.raises(MalformedSpans, match="not spans in Zipkin's v1 Thrift"):
            v1_thrift.spans(THRIFT[:end])


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4))
def test_zipkin_v1_thrift_survives_changed_bytes(changes: list[tuple[int, int]]) -> None:
    body = bytearray(THRIFT)
    for at, byte in changes:
        body[at % len(body)] = byte
    try:
        spans(v1_thrift.spans(bytes(body)))
    except MalformedSpans:
        return
