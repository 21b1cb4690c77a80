"""Jaeger's protobuf: what it means in OTLP where that differs from Thrift, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers import jaeger_proto
from spanlake.receivers.errors import MalformedSpans
from tests.receivers.messages import jaeger
from tests.receivers.translated import alone, attributes, request, resources, spans

START = {"seconds": 1_795_348_800, "nanos": 7}
START_NS = 1_795_348_800_000_000_007


post_spans = alone(jaeger_proto.post_spans)


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


def test_a_span() -> None:
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


def test_a_process_of_a_span_goes_before_that_of_the_batch() -> None:
    body = posted(span(), span(process=process("own", hostname="h")), of=process("shop"))
    assert resources(post_spans(body)) == [{"service.name": "shop"}, {"service.name": "own", "host.name": "h"}]


def test_no_service() -> None:
    assert resources(post_spans(posted(span(), of=process("OTLPResourceNoServiceName", ip="::1")))) == [{}]
    assert resources(post_spans(posted(span()))) == [{}]


def test_scope_and_trace_state_are_said_in_tags() -> None:
    tags = {"otel.scope.name": "lib", "otel.scope.version": "2", "w3c.tracestate": "a=b", "k": "v"}
    otlp = post_spans(posted(span(tags)))
    scope = request(otlp).resource_spans[0].scope_spans[0].scope
    (found,) = spans(otlp)
    assert (scope.name, scope.version, found.trace_state, attributes(found)) == ("lib", "2", "a=b", {"k": "v"})


def test_short_ids_are_padded() -> None:
    (found,) = spans(post_spans(posted(span(trace_id=b"t" * 8, span_id=b"s"))))
    assert (found.trace_id, found.span_id) == (bytes(8) + b"t" * 8, bytes(7) + b"s")


def test_a_reference_to_nobody_names_no_parent() -> None:
    (found,) = spans(post_spans(posted(span(references=[reference(b"t" * 16, bytes(8))]))))
    assert found.parent_span_id == b""
    assert [link.span_id for link in found.links] == [bytes(8)]


def test_of_tags_with_one_key_the_last_counts() -> None:
    twice = [tag("k", 1), tag("span.kind", "client"), tag("k", "last"), tag("span.kind", "server")]
    (found,) = spans(post_spans(posted(span(tags=twice))))
    assert (found.kind, attributes(found)) == (2, {"k": "last"})


def test_requests_that_are_translated_together_stay_apart() -> None:
    bodies = [
        posted(span({"n": 1}), span({"otel.scope.name": "lib"}), span({"n": 2}), of=process("shop")),
        posted(),
        posted(span({"n": 3}, operation_name=b"\xff"), of=process("other")),
    ]
    together = jaeger_proto.post_spans(bodies)
    assert together == [post_spans(body) for body in bodies]
    assert [[attributes(each).get("n") for each in spans(otlp)] for otlp in together] == [[1, 2, None], [], [3]]
    assert [resources(otlp) for otlp in together] == [[{"service.name": "shop"}], [], [{"service.name": "other"}]]
    assert spans(together[2])[0].name == "\ufffd"


REFUSED = {
    "no protobuf": b"\xff",
    "cut off": posted(span())[:-1],
    "a long id": posted(span(trace_id=b"t" * 20)),
    "a span that is none": posted(b"\xff"),
    "a tag that is none": posted(span(tags=[b"\xff"])),
    "a process that is none": posted(span(), of=b"\xff"),
    "many empty tags": posted(span() + b"\x42\x00" * 50_000),
    "many empty references": posted(span() + b"\x22\x00" * 50_000),
    "many empty logs": posted(span() + b"\x4a\x00" * 50_000),
    "deep groups": b"\x0b" * 100_000,
    "many empty spans": b"\x0a\xa0\x8d\x06" + b"\x0a\x00" * 50_000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in Jaeger's protobuf"):
        post_spans(body)


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4))
def test_bytes_that_are_changed(changes: list[tuple[int, int]]) -> None:
    body = bytearray(posted(span({"s": "x", "error": True}), of=process("shop", ip="::1")))
    for at, byte in changes:
        body[at % len(body)] = byte
    try:
        spans(post_spans(bytes(body)))
    except MalformedSpans:
        return
