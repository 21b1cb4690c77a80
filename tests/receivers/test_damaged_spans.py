"""The law of all receivers: of requests in which any spans are damaged, exactly the other spans are stored."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.ingest.pipeline import to_otlp
from spanlake.ingest.request import Format, Request
from spanlake.receivers.jaeger import protobuf, thrift
from spanlake.receivers.opencensus import translate
from spanlake.receivers.thrift import BOOL, I32, I64, LIST, STRING, STRUCT
from spanlake.receivers.zipkin import v1_json, v1_thrift, v2_json, v2_protobuf
from spanlake.spans.otlp.decode import decode
from spanlake.spans.otlp.validate import validate
from tests.receivers import jaeger_spans
from tests.receivers.messages import jaeger as jaeger_message
from tests.receivers.messages import opencensus as opencensus_message
from tests.receivers.thrift_writer import Fields, binary

START_US = jaeger_spans.START_US
TIME = {"seconds": START_US // 10**6}
Damage = Callable[[Any], Any]


@dataclass(frozen=True)
class Sender:
    """Sends spans in one format."""

    format: Format
    span: Callable[[int], Any]
    """The good span of a number, which is in its name."""
    body: Callable[[Sequence[Any]], bytes]
    damages: Mapping[str, Damage]


def replaced(number: int, type_: int, value: Any) -> Damage:
    """Puts another value in a field of a Thrift struct."""
    return lambda fields: [(number, type_, value) if field[0] == number else field for field in fields]


def left_out(number: int) -> Damage:
    return lambda fields: [field for field in fields if field[0] != number]


def json_span(number: int) -> dict[str, Any]:
    ids = {"traceId": "abc", "id": f"{number + 1:x}", "parentId": "1"}
    return ids | {"name": f"span {number}", "timestamp": START_US, "duration": 5}


def changed(**members: Any) -> Damage:
    return lambda span: span | members


def instead(value: Any) -> Damage:
    return lambda _: value


OF_JSON: dict[str, Damage] = {
    "null": instead(None),
    "text": instead("span"),
    "number": instead(5),
    "list": instead([]),
    "nothing": instead({}),
    "trace id": changed(traceId="0x00000000deadbeef"),
    "no trace id": changed(traceId=None),
    "trace id of zeros": changed(traceId="0" * 32),
    "id": changed(id="1.1"),
    "long id": changed(id="a" * 32),
    "id that is a list": changed(id=["1"]),
    "no id": changed(id=""),
    "timestamp": changed(timestamp="yesterday"),
    "timestamp that is true": changed(timestamp=True),
    "timestamp that is not a number": changed(timestamp=float("nan")),
    "duration": changed(duration={"us": 5}),
}


def jaeger_span(number: int) -> Fields:
    named: Fields = jaeger_spans.span({"n": number}, logs=[(START_US, {"event": "hit"})])
    return replaced(5, STRING, f"span {number}".encode())(replaced(3, I64, number + 1)(named))  # type: ignore[no-any-return]


OF_JAEGER_THRIFT: dict[str, Damage] = {
    **{f"no field {number}": left_out(number) for number in (1, 2, 3, 4, 5, 7, 8, 9)},
    **{f"field {number} of another type": replaced(number, BOOL, True) for number in (1, 2, 3, 4, 5, 7, 8, 9)},
    "id of zeros": replaced(3, I64, 0),
    "trace id of zeros": lambda fields: replaced(1, I64, 0)(replaced(2, I64, 0)(fields)),
    "nothing": instead([]),
}


def zipkin_thrift_span(number: int) -> Fields:
    return [
        (1, I64, 1),
        (3, STRING, f"span {number}".encode()),
        (4, I64, number + 1),
        (8, LIST, (STRUCT, [[(1, STRING, b"k"), (2, STRING, b"v"), (3, I32, 6)]])),
        (10, I64, START_US),
        (11, I64, 5),
    ]


OF_ZIPKIN_THRIFT: dict[str, Damage] = {
    "no trace id": left_out(1),
    "no id": left_out(4),
    "id of another type": replaced(4, STRING, b"1"),
    "id of zeros": replaced(4, I64, 0),
    "nothing": instead([]),
}


def jaeger_proto_span(number: int) -> bytes:
    times = {"start_time": TIME, "duration": {"nanos": 5}}
    tag = jaeger_message("KeyValue", key=b"k", string=b"v")
    ids = {"trace_id": bytes(15) + b"t", "span_id": (number + 1).to_bytes(8)}
    return jaeger_message("Span", **ids, **times, tags=[tag], operation_name=f"span {number}".encode())


def opencensus_span(number: int) -> bytes:
    ids = {"trace_id": bytes(15) + b"t", "span_id": (number + 1).to_bytes(8)}
    return opencensus_message(
        "Span", **ids, start_time=TIME, end_time=TIME, name={"value": f"span {number}".encode()}, status=b""
    )


def zipkin_proto_span(number: int) -> bytes:
    name = f"span {number}".encode()
    ids = b"\x0a\x10" + bytes(15) + b"t" + b"\x1a\x08" + (number + 1).to_bytes(8)
    return ids + b"\x31" + START_US.to_bytes(8, "little") + b"\x2a" + bytes([len(name)]) + name


def listed(tag: bytes) -> Callable[[Sequence[bytes]], bytes]:
    """A message whose field of this tag are the spans."""
    return lambda spans: b"".join(tag + bytes([len(span) & 127 | 128, len(span) >> 7]) + span for span in spans)


def with_field(encoded: bytes) -> Damage:
    return lambda span: span + encoded


OF_PROTOBUF: dict[str, Damage] = {
    "cut off": lambda span: span[:-1],
    "cut in its first id": lambda span: span[:5],
    "no protobuf": instead(b"\xff"),
    "nothing": instead(b""),
    "an end group": with_field(b"\x0c"),
    "a field number of zero": with_field(b"\x02\x00"),
    "an endless varint": with_field(b"\xa0\x06" + b"\xff" * 11),
    "no trace id": with_field(b"\x0a\x00"),
    "trace id of zeros": with_field(b"\x0a\x10" + bytes(16)),
}


def spans_in_thrift(spans: Sequence[Fields]) -> bytes:
    return binary(LIST, (STRUCT, list(spans)))


def in_json(spans: Sequence[Any]) -> bytes:
    return json.dumps(spans).encode()


def posted(spans: Sequence[bytes]) -> bytes:
    return jaeger_message("PostSpansRequest", batch={"spans": list(spans)})


SENDERS = (
    Sender(Format.of_each("zipkin v2 JSON", v2_json.spans), json_span, in_json, OF_JSON),
    Sender(Format.of_each("zipkin v1 JSON", v1_json.spans), json_span, in_json, OF_JSON),
    Sender(
        Format.of_each("zipkin v1 Thrift", v1_thrift.spans),
        zipkin_thrift_span,
        spans_in_thrift,
        OF_ZIPKIN_THRIFT,
    ),
    Sender(
        Format.of_each("zipkin v2 protobuf", v2_protobuf.spans),
        zipkin_proto_span,
        listed(b"\x0a"),
        OF_PROTOBUF | {"long id": with_field(b"\x1a\x09" + b"i" * 9)},
    ),
    Sender(
        Format("Jaeger over HTTP", thrift.http_batches),
        jaeger_span,
        lambda spans: jaeger_spans.over_http(jaeger_spans.batch(*spans)),
        OF_JAEGER_THRIFT,
    ),
    Sender(
        Format("Jaeger, binary", thrift.binary_calls),
        jaeger_span,
        lambda spans: jaeger_spans.binary_call(jaeger_spans.batch(*spans)),
        OF_JAEGER_THRIFT,
    ),
    Sender(
        Format("Jaeger, compact", thrift.compact_calls),
        jaeger_span,
        lambda spans: jaeger_spans.compact_call(jaeger_spans.batch(*spans)),
        OF_JAEGER_THRIFT,
    ),
    Sender(
        Format("Jaeger over gRPC", protobuf.post_spans),
        jaeger_proto_span,
        posted,
        OF_PROTOBUF | {"long trace id": with_field(b"\x0a\x11" + b"t" * 17), "time": with_field(b"\x32\x01\xff")},
    ),
    Sender(
        Format("OpenCensus", translate.export_requests),
        opencensus_span,
        listed(b"\x12"),
        OF_PROTOBUF | {"name": with_field(b"\x22\x01\xff"), "attributes": with_field(b"\x3a\x01\xff")},
    ),
)


def stored(sender: Sender, bodies: Sequence[bytes]) -> list[tuple[list[str], int]]:
    """For each request of one group, the names of its spans that are stored, and how many are rejected."""
    return [_judged(request) for request in to_otlp([Request.of(body, sender.format) for body in bodies])]


def _judged(request: Request | Exception) -> tuple[list[str], int]:
    assert isinstance(request, Request)
    validated = validate(decode([request.body]), oldest_ns=None, newest_ns=2**63 - 1)
    rejected = sum(request.rejected.values()) + validated.rejected[0].total()
    return sorted(map(str, validated.table.column("name").to_pylist())), rejected


def every_damage() -> list[Any]:
    return [
        pytest.param(sender, sender.damages[name], id=f"{sender.format.name}: {name}")
        for sender in SENDERS
        for name in sender.damages
    ]


@pytest.mark.parametrize(("sender", "damage"), every_damage())
def test_receivers_keep_spans_beside_damaged_span(sender: Sender, damage: Damage) -> None:
    spans = [sender.span(0), damage(sender.span(1)), sender.span(2)]
    assert stored(sender, [sender.body(spans)]) == [(["span 0", "span 2"], 1)]


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.format.name)
@given(st.data())
def test_receivers_keep_spans_beside_any_damaged_subset(sender: Sender, data: st.DataObject) -> None:
    damages = st.none() | st.sampled_from(list(sender.damages))
    requests = data.draw(st.lists(st.lists(damages, max_size=6), min_size=1, max_size=3))
    bodies, expected = [], []
    for request in requests:
        spans = [
            sender.span(number) if damage is None else sender.damages[damage](sender.span(number))
            for number, damage in enumerate(request)
        ]
        bodies.append(sender.body(spans))
        good = [f"span {number}" for number, damage in enumerate(request) if damage is None]
        expected.append((good, len(request) - len(good)))
    assert stored(sender, bodies) == expected


@pytest.mark.parametrize(
    "sender",
    [each for each in SENDERS if OF_PROTOBUF.items() <= each.damages.items()],
    ids=lambda each: each.format.name,
)
@given(odd=st.lists(st.binary(max_size=40), max_size=4))
def test_receivers_keep_spans_beside_any_bytes(sender: Sender, odd: list[bytes]) -> None:
    bodies = [sender.body([sender.span(0), *odd, sender.span(1)])]
    ((names, rejected),) = stored(sender, bodies)
    assert ("span 0" in names, "span 1" in names, len(names) + rejected) == (True, True, 2 + len(odd))
