"""Jaeger's protobuf: what it means in OTLP where that differs from Thrift, and what is refused."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers.jaeger import protobuf
from spanlake.receivers.otlp_rows import LATEST_NS
from spanlake.receivers.translation import MalformedSpans
from tests.receivers.messages import jaeger
from tests.receivers.translated import alone, attributes, request, resources, spans

START = {"seconds": 1_795_348_800, "nanos": 7}
START_NS = 1_795_348_800_000_000_007


post_spans = alone(protobuf.post_spans)


def tag(key: str, value: Any) -> bytes:
    fields = {str: (0, "string"), bool: (1, "boolean"), int: (2, "integer"), float: (3, "double"), bytes: (4, "binary")}
    type_, field = fields[type(value)]
    encoded = value.encode() if isinstance(value, str) else value
    return jaeger("KeyValue", key=key.encode(), type=type_, **{field: encoded})


def span(values: dict[str, Any] | None = None, **fields: Any) -> bytes:
    given_ = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "operation_name": b"get",
        "start_time": START,
        "duration": {"nanos": 5},
        "tags": [tag(*item) for item in (values or {}).items()],
    }
    return jaeger("Span", **(given_ | fields))


def reference(trace_id: bytes, span_id: bytes, type_: int = 0) -> bytes:
    return jaeger("Reference", trace_id=trace_id, span_id=span_id, type=type_)


def process(service: str, **tags: Any) -> bytes:
    return jaeger("Process", service_name=service.encode(), tags=[tag(*item) for item in tags.items()])


def posted(*found: bytes, of: bytes = b"") -> bytes:
    return jaeger("PostSpansRequest", batch={"spans": found, "process": of})


def test_jaeger_protobuf_reads_every_field_of_a_span() -> None:
    values = {"s": "x", "b": True, "i": -3, "d": 1.5, "bytes": b"\xff"}
    logs = [jaeger("Log", timestamp=START, fields=[tag("event", "hit"), tag("n", 1)])]
    references = [reference(b"t" * 16, b"p" * 8), reference(b"o" * 16, b"q" * 8, 1)]
    body = posted(span(values | {"span.kind": "client"}, logs=logs, references=references), of=process("shop"))
    (found,) = spans(post_spans(body))
    assert (found.trace_id, found.span_id, found.parent_span_id) == (b"t" * 16, b"s" * 8, b"p" * 8)
    assert (found.name, found.kind) == ("get", 3)
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (START_NS, START_NS + 5)
    assert attributes(found) == values
    assert [(event.time_unix_nano, event.name, attributes(event)) for event in found.events] == [
        (START_NS, "hit", {"n": 1})
    ]
    assert [(link.span_id, attributes(link)) for link in found.links] == [
        (b"q" * 8, {"opentracing.ref_type": "follows_from"})
    ]


def test_jaeger_protobuf_prefers_process_of_span_to_that_of_batch() -> None:
    body = posted(span(), span(process=process("own", hostname="h")), of=process("shop"))
    assert resources(post_spans(body)) == [{"service.name": "shop"}, {"service.name": "own", "host.name": "h"}]


def test_jaeger_protobuf_reads_placeholder_service_as_none() -> None:
    assert resources(post_spans(posted(span(), of=process("OTLPResourceNoServiceName", ip="::1")))) == [{}]
    assert resources(post_spans(posted(span()))) == [{}]


def test_jaeger_protobuf_reads_scope_and_trace_state_from_tags() -> None:
    tags = {"otel.scope.name": "lib", "otel.scope.version": "2", "w3c.tracestate": "a=b", "k": "v"}
    otlp = post_spans(posted(span(tags)))
    scope = request(otlp).resource_spans[0].scope_spans[0].scope
    (found,) = spans(otlp)
    assert (scope.name, scope.version, found.trace_state, attributes(found)) == ("lib", "2", "a=b", {"k": "v"})


def test_jaeger_protobuf_pads_short_ids() -> None:
    (found,) = spans(post_spans(posted(span(trace_id=b"t" * 8, span_id=b"s"))))
    assert (found.trace_id, found.span_id) == (bytes(8) + b"t" * 8, bytes(7) + b"s")


def test_jaeger_protobuf_reads_reference_to_zero_id_as_link() -> None:
    (found,) = spans(post_spans(posted(span(references=[reference(b"t" * 16, bytes(8))]))))
    assert found.parent_span_id == b""
    assert [link.span_id for link in found.links] == [bytes(8)]


def test_jaeger_protobuf_keeps_last_tag_of_equal_keys() -> None:
    twice = [tag("k", 1), tag("span.kind", "client"), tag("k", "last"), tag("span.kind", "server")]
    (found,) = spans(post_spans(posted(span(tags=twice))))
    assert (found.kind, attributes(found)) == (2, {"k": "last"})


def test_jaeger_protobuf_keeps_requests_of_a_group_apart() -> None:
    bodies = [
        posted(span({"n": 1}), span({"otel.scope.name": "lib"}), span({"n": 2}), of=process("shop")),
        posted(),
        posted(span({"n": 3}, operation_name=b"\xff"), of=process("other")),
    ]
    together = protobuf.post_spans(bodies)
    assert together == [post_spans(body) for body in bodies]
    assert [[attributes(each).get("n") for each in spans(otlp)] for otlp in together] == [[1, 2, None], [], [3]]
    assert [resources(otlp) for otlp in together] == [[{"service.name": "shop"}], [], [{"service.name": "other"}]]
    assert spans(together[2])[0].name == "\ufffd"


def test_jaeger_protobuf_rejects_malformed_span_alone() -> None:
    otlp = post_spans(posted(span({"n": 1}), b"\xff", span({"n": 3}), b"\x32\x01\xff", of=process("shop")))
    assert ([attributes(found)["n"] for found in spans(otlp)], otlp.rejected) == ([1, 3], {"malformed": 2})
    assert resources(otlp) == [{"service.name": "shop"}]


def test_jaeger_protobuf_repairs_request_without_loss_to_others() -> None:
    bodies = [posted(span({"n": 1})), posted(b"\xff", span({"n": 2}))]
    with pytest.raises(MalformedSpans):  # each is then translated alone
        protobuf.post_spans(bodies)
    assert [attributes(spans(post_spans(body))[0]) for body in bodies] == [{"n": 1}, {"n": 2}]


ODD_PARTS = {
    "a tag": span(tags=[b"\xff", tag("n", 2)]),
    "a log": span({"n": 2}, logs=[b"\xff"]),
    "a reference": span({"n": 2}, references=[b"\xff"]),
    "a reference without ids": span({"n": 2}, references=[b""]),
    "a reference whose ids are too long": span({"n": 2}, references=[reference(b"t" * 17, b"p" * 9)]),
    "a process": span({"n": 2}, process=b"\xff"),
    "fields of other types": span({"n": 2}) + b"\x1d" + bytes(4) + b"\x20\x01" + b"\x31" + bytes(8),
    "an unknown group": span({"n": 2}) + b"\xa3\x06\xa4\x06",
}


@pytest.mark.parametrize("odd", ODD_PARTS.values(), ids=ODD_PARTS)
@pytest.mark.parametrize("beside", [b"", b"\xff"], ids=["fast", "repaired"])
def test_jaeger_protobuf_drops_unreadable_part_alone(odd: bytes, beside: bytes) -> None:
    otlp = post_spans(posted(span({"n": 1}), odd, *([beside] if beside else []), of=process("shop")))
    assert [attributes(found) for found in spans(otlp)] == [{"n": 1}, {"n": 2}]
    last = spans(otlp)[1]
    assert (last.parent_span_id, list(last.links), list(last.events)) == (b"", [], [])
    assert (sum(otlp.rejected.values()), resources(otlp)) == (len(beside), [{"service.name": "shop"}])


def test_jaeger_protobuf_drops_unreadable_tag_of_log_alone() -> None:
    log = jaeger("Log", timestamp={"seconds": 5}, fields=[b"\xff", tag("k", 1)])
    (found,) = spans(post_spans(posted(span(logs=[log, b"\xff"]))))
    assert [(event.time_unix_nano, attributes(event)) for event in found.events] == [(5 * 10**9, {"k": 1})]


def test_jaeger_protobuf_keeps_readable_fields_of_malformed_process() -> None:
    assert resources(post_spans(posted(span(), of=b"\xff"))) == [{}]
    half = jaeger("Process", service_name=b"shop", tags=[b"\xff", tag("ip", "::1")])
    assert resources(post_spans(posted(span(), of=half))) == [{"service.name": "shop", "ip": "::1"}]


def test_jaeger_protobuf_leaves_long_id_to_validation() -> None:
    (found,) = spans(post_spans(posted(span(trace_id=b"t" * 20))))
    assert found.trace_id == b"t" * 20


SECONDS = 10**9
TIMES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "no duration": ({"start_time": {"seconds": 5}, "duration": None}, (5 * SECONDS, 5 * SECONDS)),
    "a negative duration": ({"start_time": {"seconds": 5}, "duration": {"nanos": -7}}, (5 * SECONDS, 5 * SECONDS - 7)),
    "a long duration": ({"start_time": {"seconds": 5}, "duration": {"seconds": 2**62}}, (5 * SECONDS, LATEST_NS)),
    "before 1970": ({"start_time": {"seconds": -5}, "duration": {"seconds": 1}}, (0, SECONDS)),
    "beyond all": (
        {"start_time": {"seconds": 2**63 - 1, "nanos": 2**31 - 1}, "duration": None},
        (LATEST_NS, LATEST_NS),
    ),
    "before all": ({"start_time": {"seconds": -(2**63), "nanos": -(2**31)}, "duration": None}, (0, 0)),
}


@pytest.mark.parametrize(("given_", "expected"), TIMES.values(), ids=TIMES)
def test_jaeger_protobuf_limits_times_without_wrapping(given_: dict[str, Any], expected: tuple[int, int]) -> None:
    first, found = spans(post_spans(posted(span(), span(**given_))))
    assert abs(found.start_time_unix_nano - expected[0]) < 10 * SECONDS
    assert abs(found.end_time_unix_nano - expected[1]) < 10 * SECONDS
    assert max(found.start_time_unix_nano, found.end_time_unix_nano) <= LATEST_NS
    assert first.start_time_unix_nano == START_NS


INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
any_time = st.fixed_dictionaries({}, optional={"seconds": INT64, "nanos": INT32})
any_bytes = st.binary(max_size=20)
KEYS = [
    b"error",
    b"otel.status_code",
    b"http.status_code",
    b"span.kind",
    b"w3c.tracestate",
    b"otel.scope.name",
    b"event",
]
any_tag = any_bytes | st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from(KEYS) | any_bytes,
        "type": st.integers(0, 5) | INT32,
        "string": any_bytes,
        "boolean": st.booleans(),
        "integer": INT64,
        "double": st.floats(),
        "binary": any_bytes,
    },
).map(lambda fields: jaeger("KeyValue", **fields))
tag_lists = st.lists(any_tag, max_size=3)
any_log = any_bytes | st.fixed_dictionaries({}, optional={"timestamp": any_time, "fields": tag_lists}).map(
    lambda fields: jaeger("Log", **fields)
)
any_reference = any_bytes | st.fixed_dictionaries(
    {}, optional={"trace_id": st.just(b"t" * 16) | any_bytes, "span_id": any_bytes, "type": INT32}
).map(lambda fields: jaeger("Reference", **fields))
any_process = any_bytes | st.fixed_dictionaries({}, optional={"service_name": any_bytes, "tags": tag_lists}).map(
    lambda fields: jaeger("Process", **fields)
)
any_span = st.fixed_dictionaries(
    {},
    optional={
        "operation_name": any_bytes,
        "start_time": any_time,
        "duration": any_time,
        "tags": tag_lists,
        "logs": st.lists(any_log, max_size=3),
        "references": st.lists(any_reference, max_size=3),
        "process": any_process,
    },
).map(lambda members: span(**cast("dict[str, Any]", members)))


@given(st.lists(any_span, max_size=3), any_process)
def test_jaeger_protobuf_keeps_spans_with_any_values(found: list[bytes], of: bytes) -> None:
    otlp = post_spans(posted(*found, of=of))
    assert (len(spans(otlp)), otlp.rejected) == (len(found), {})
    assert all(each.start_time_unix_nano <= LATEST_NS >= each.end_time_unix_nano for each in spans(otlp))


REFUSED = {
    "no protobuf": b"\xff",
    "cut off": posted(span())[:-1],
    "many empty tags": posted(span() + b"\x42\x00" * 50_000),
    "many empty references": posted(span() + b"\x22\x00" * 50_000),
    "many empty logs": posted(span() + b"\x4a\x00" * 50_000),
    "deep groups": b"\x0b" * 100_000,
    "many empty spans": b"\x0a\xa0\x8d\x06" + b"\x0a\x00" * 50_000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_jaeger_protobuf_refuses_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in Jaeger's protobuf"):
        post_spans(body)


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4))
def test_jaeger_protobuf_survives_changed_bytes(changes: list[tuple[int, int]]) -> None:
    body = bytearray(posted(span({"s": "x", "error": True}), of=process("shop", ip="::1")))
    for at, byte in changes:
        body[at % len(body)] = byte
    try:
        spans(post_spans(bytes(body)))
    except MalformedSpans:
        return
