"""The law of OTLP: of requests in which any spans are damaged, exactly the others are stored, and losses are told."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanlake.ingest.log_segments import LogFiles
from spanlake.ingest.logged_commit import LoggedCommit
from spanlake.ingest.pipeline import Pipeline
from spanlake.ingest.request import Commit, Format, Receipt, Request
from spanlake.ingest.service import LogDestination, request_log
from spanlake.receivers import otlp
from spanlake.spans.otlp.encode import to_otlp
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.wire_fields import delimited, varint
from spanlake.store.blocks.block import Block
from spanlake.telemetry.prometheus import Metrics

NOW_NS = 1_800_000_000 * 10**9
JSON = Format.of_each("otlp-json", otlp.read_json)
CUT = b"\x0a\x10ab"


def attribute(key: bytes, value: bytes) -> bytes:
    return delimited(1, key) + delimited(2, value)


def deep(levels: int) -> bytes:
    value = delimited(1, b"leaf")
    for _ in range(levels):
        value = delimited(5, delimited(1, value))
    return value


Damage = Callable[[bytes], bytes]


def added(more: bytes) -> Damage:
    """Fields at the end: of those that are there once the last counts."""
    return lambda span: span + more


PROTOBUF_LOST: dict[str, tuple[Damage, str]] = {
    "cut off": (added(CUT), "malformed"),
    "text": (lambda _: b"a span", "malformed"),
    "zeros": (lambda _: bytes(9), "malformed"),
    "group without end": (added(varint(795) * 300), "malformed"),
    "endless number": (added(b"\x30" + b"\xff" * 11), "malformed"),
    "no trace id": (added(delimited(1, b"")), "invalid_trace_id"),
    "long trace id": (added(delimited(1, b"t" * 17)), "invalid_trace_id"),
    "span id of zeros": (added(delimited(2, bytes(8))), "invalid_span_id"),
    "in a year": (added(varint(57) + struct.pack("<Q", NOW_NS + 366 * 86400 * 10**9)), "too_new"),
    "at the end of time": (added(varint(57) + struct.pack("<Q", 2**64 - 1)), "too_new"),
}
PROTOBUF_KEPT: dict[str, Damage] = {
    "name": added(delimited(5, b"\xff")),
    "trace state": added(delimited(3, b"\xed\xa0\x80")),
    "value": added(delimited(9, attribute(b"k", delimited(1, b"\xff")))),
    "key": added(delimited(9, attribute(b"\xff", delimited(1, b"v")))),
    "item": added(delimited(9, attribute(b"k", delimited(5, delimited(1, delimited(1, b"\xff")))))),
    "two values": added(delimited(9, attribute(b"k", delimited(1, b"v") + varint(24) + varint(7)))),
    "attribute that breaks off": added(delimited(9, CUT)),
    "event that breaks off": added(delimited(11, CUT)),
    "link that breaks off": added(delimited(13, CUT)),
    "status that breaks off": added(delimited(15, CUT)),
    "deep value": added(delimited(9, attribute(b"k", deep(300)))),
    "wrong wire types": added(
        varint(5 << 3) + varint(7) + delimited(6, b"x") + delimited(16, b"x") + delimited(8, b"x")
    ),
    "unknown fields": added(delimited(1000, b"x") + varint(795) * 150 + varint(796) * 150),
    "long parent": added(delimited(4, b"p" * 9)),
    "no end": added(varint(65) + bytes(8)),
    "end before the start": added(varint(65) + struct.pack("<Q", 1)),
    "end beyond int64": added(varint(65) + struct.pack("<Q", 2**64 - 1)),
}
JSON_LOST: dict[str, tuple[Any, str]] = {
    "text": ("a span", "malformed"),
    "list": ([1], "malformed"),
    "trace id": ({"traceId": "xyz"}, "invalid_trace_id"),
    "no trace id": ({"traceId": None}, "invalid_trace_id"),
    "span id": ({"spanId": 42}, "invalid_span_id"),
    "long span id": ({"spanId": "ab" * 9}, "invalid_span_id"),
    "start": ({"startTimeUnixNano": "yesterday"}, "invalid_start_time"),
    "negative start": ({"startTimeUnixNano": -1}, "invalid_start_time"),
    "start beyond 64 bits": ({"startTimeUnixNano": 1e30}, "invalid_start_time"),
    "start in a year": ({"startTimeUnixNano": str(NOW_NS + 366 * 86400 * 10**9)}, "too_new"),
}
JSON_KEPT: dict[str, dict[str, Any]] = {
    "name": {"name": "\ud800"},
    "number as name": {"name": 7},
    "parent": {"parentSpanId": "root"},
    "kind": {"kind": "SERVICE"},
    "end": {"endTimeUnixNano": "never"},
    "status": {"status": "ok"},
    "counts": {"droppedAttributesCount": -1, "flags": 1 << 40},
    "attributes": {"attributes": {"a": "b"}},
    "kinds of attributes": {"attributes": [None, 1, "a", {"key": 7, "value": {"intValue": "x"}}]},
    "kinds of values": {"attributes": [{"key": "k", "value": value} for value in (1, "a", [None], {"boolValue": "?"})]},
    "large integer": {"attributes": [{"key": "k", "value": {"intValue": 1e21}}]},
    "not a number": {"attributes": [{"key": "k", "value": {"doubleValue": float("nan")}}]},
    "deep": {"attributes": [{"key": "k", "value": json.loads('{"arrayValue":{"values":[' * 60 + "{}" + "]}}" * 60)}]},
    "events": {"events": [7, {"timeUnixNano": "x", "name": 8}]},
    "links": {"links": {"traceId": "zz"}},
}


@dataclass
class Memory:
    """A Write that keeps the spans it is given, by id."""

    spans: dict[bytes, Span] = field(default_factory=dict)

    def __call__(self, _: str, table: pa.Table, __: bytes) -> Sequence[Block]:
        for resource_spans in to_otlp(table).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                self.spans |= {span.span_id: span for span in scope_spans.spans}
        return []


def good_span(number: int) -> Span:
    start = NOW_NS - number
    span = Span(
        trace_id=b"t" * 16, span_id=struct.pack(">Q", number + 1), name=f"span {number}", kind=Span.SPAN_KIND_CLIENT
    )
    span.start_time_unix_nano, span.end_time_unix_nano = start, start + 5
    span.attributes.add(key="number").value.int_value = number
    span.events.add(name="event", time_unix_nano=start).attributes.add(key="k").value.string_value = "v"
    span.status.code = span.status.STATUS_CODE_ERROR
    return span


def json_span(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_time_unix_nano),
        "endTimeUnixNano": str(span.end_time_unix_nano),
        "attributes": [{"key": "number", "value": {"intValue": str(span.attributes[0].value.int_value)}}],
        "events": [
            {
                "name": "event",
                "timeUnixNano": str(span.start_time_unix_nano),
                "attributes": [{"key": "k", "value": {"stringValue": "v"}}],
            }
        ],
        "status": {"code": "STATUS_CODE_ERROR"},
    }


REASONS = {
    "protobuf": {name: reason for name, (_, reason) in PROTOBUF_LOST.items()},
    "json": {name: reason for name, (_, reason) in JSON_LOST.items()},
}
damaged = st.one_of(
    st.tuples(st.just("protobuf"), st.lists(st.none() | st.sampled_from([*PROTOBUF_LOST, *PROTOBUF_KEPT]), max_size=6)),
    st.tuples(st.just("json"), st.lists(st.none() | st.sampled_from([*JSON_LOST, *JSON_KEPT]), max_size=6)),
)


def protobuf_request(spans: Sequence[Span], damaged: Sequence[str | None]) -> Request:
    lost = {name: damage for name, (damage, _) in PROTOBUF_LOST.items()}
    every = [
        (lost | PROTOBUF_KEPT)[name](span.SerializeToString()) if name else span.SerializeToString()
        for span, name in zip(spans, damaged, strict=True)
    ]
    return Request.of(delimited(1, delimited(2, b"".join(delimited(2, span) for span in every))))


def json_request(spans: Sequence[Span], damaged: Sequence[str | None]) -> Request:
    parts = {name: part for name, (part, _) in JSON_LOST.items()} | JSON_KEPT
    every = [
        span if name is None else span | parts[name] if isinstance(parts[name], dict) else parts[name]
        for span, name in zip(map(json_span, spans), damaged, strict=True)
    ]
    return Request.of(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": every}]}]}).encode(), JSON)


@dataclass(frozen=True)
class Sent:
    """A request, and what should become of it."""

    request: Request
    outcome: Receipt | type[MalformedRequest]
    kept: dict[bytes, Span]
    """By id the spans that should be stored as they were sent, before they were damaged."""
    changed: set[bytes]
    """The ids of damaged spans that should be stored all the same."""

    @classmethod
    def of(cls, kind: str, damages: Sequence[str | None], first: int) -> "Sent":
        spans = [good_span(first + number) for number in range(len(damages))]
        reasons = [REASONS[kind].get(name or "") for name in damages]
        told = zip(spans, damages, reasons, strict=True)
        stored = {span.span_id: (span, name) for span, name, reason in told if reason is None}
        receipt = Receipt(len(stored), {reason: reasons.count(reason) for reason in reasons if reason})
        return cls(
            (protobuf_request if kind == "protobuf" else json_request)(spans, damages),
            MalformedRequest if kind == "protobuf" and {*reasons} == {"malformed"} else receipt,
            {id_: span for id_, (span, name) in stored.items() if name is None},
            {id_ for id_, (_, name) in stored.items() if name is not None},
        )


@settings(max_examples=150, deadline=None)
@given(st.lists(damaged, min_size=1, max_size=4))
def test_pipeline_stores_exactly_the_undamaged_spans(requests: list[tuple[str, list[str | None]]]) -> None:
    memory = Memory()
    pipeline = Pipeline(otlp.read, memory, Metrics(), clock=lambda: NOW_NS)
    _check_law(pipeline, memory, requests, lambda: None)


@settings(max_examples=100, deadline=None)
@given(st.lists(damaged, min_size=1, max_size=4))
def test_logged_commit_stores_exactly_the_undamaged_spans(requests: list[tuple[str, list[str | None]]]) -> None:
    memory = Memory()
    pipeline = Pipeline(otlp.read, memory, Metrics(), clock=lambda: NOW_NS)
    with TemporaryDirectory() as data:
        to = LogDestination(LogFiles.of(Path(data)), lambda *args: memory(*args[:3]), lambda: None)
        log = request_log(to, Metrics())
        log.start()
        _check_law(LoggedCommit(log, pipeline, Metrics()), memory, requests, log.settle)
        log.close()
        assert not list(Path(data, "log").glob("*.log"))
        assert not Path(data, "log", "refused").exists()


def _check_law(
    commit: Commit, memory: Memory, requests: list[tuple[str, list[str | None]]], settle: Callable[[], None]
) -> None:
    sent = [Sent.of(kind, damages, 10 * number) for number, (kind, damages) in enumerate(requests)]

    outcomes = commit("tenant", [each.request for each in sent])
    settle()

    assert [each if isinstance(each, Receipt) else type(each) for each in outcomes] == [each.outcome for each in sent]
    kept = {id_: span for each in sent for id_, span in each.kept.items()}
    assert memory.spans.keys() - kept.keys() == {id_ for each in sent for id_ in each.changed}
    assert {id_: memory.spans.get(id_) for id_ in kept} == kept
