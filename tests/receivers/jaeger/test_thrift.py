"""Jaeger's Thrift: what it means in OTLP, in three wrappings, and that no bytes do any harm."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers.jaeger import thrift
from spanlake.receivers.otlp_rows import LATEST_NS
from spanlake.receivers.thrift import BOOL, BYTE, I16, I32, I64, LIST, STRING, STRUCT
from spanlake.receivers.translation import MalformedSpans, Translated
from tests.receivers import jaeger_spans
from tests.receivers.jaeger_spans import batch, reference, span
from tests.receivers.thrift_writer import Fields, binary
from tests.receivers.translated import alone, attributes, resources, spans

http_batch, binary_call, compact_call = map(alone, (thrift.http_batches, thrift.binary_calls, thrift.compact_calls))
WRAPPINGS: dict[str, tuple[Callable[[Fields], bytes], Callable[[bytes], Translated]]] = {
    "HTTP": (jaeger_spans.over_http, http_batch),
    "binary": (jaeger_spans.binary_call, binary_call),
    "compact": (jaeger_spans.compact_call, compact_call),
}
EVERY_TYPE = {"s": "text", "d": 1.5, "b": True, "n": False, "i": -(2**62), "bytes": b"\xff\x00", "long": "x" * 300}
EVERYTHING = batch(
    span(
        EVERY_TYPE | {"span.kind": "server"},
        references=[reference(0, 5), reference(1, 6)],
        logs=[(jaeger_spans.START_US, {"event": "hit", "n": 1})],
    ),
    span({"s": "text"}, parent=9),
    process={"hostname": "h", "jaeger.version": "Go-2", "ip": "::1"},
)


@pytest.mark.parametrize(("write", "read"), WRAPPINGS.values(), ids=WRAPPINGS)
def test_jaeger_thrift_reads_every_field_of_a_batch(
    write: Callable[[Fields], bytes], read: Callable[[bytes], Translated]
) -> None:
    first, second = spans(read(write(EVERYTHING)))
    assert (first.trace_id, first.span_id) == (jaeger_spans.TRACE_ID, jaeger_spans.SPAN_ID.to_bytes(8))
    assert (first.name, first.kind, first.start_time_unix_nano) == ("operation", 2, jaeger_spans.START_US * 1000)
    assert first.end_time_unix_nano - first.start_time_unix_nano == 10**6
    assert attributes(first) == EVERY_TYPE
    assert first.parent_span_id == (5).to_bytes(8)
    assert [(link.span_id, attributes(link)) for link in first.links] == [
        ((6).to_bytes(8), {"opentracing.ref_type": "follows_from"})
    ]
    assert [(event.name, attributes(event)) for event in first.events] == [("hit", {"n": 1})]
    assert (attributes(second), second.parent_span_id) == ({"s": "text"}, (9).to_bytes(8))
    assert resources(read(write(EVERYTHING))) == [
        {"service.name": "shop", "host.name": "h", "opencensus.exporterversion": "Jaeger-Go-2", "ip": "::1"}
    ]


STATUSES: dict[str, tuple[dict[str, Any], tuple[int, str], set[str]]] = {
    "error": ({"error": True}, (2, ""), set()),
    "error is false": ({"error": False}, (0, ""), {"error"}),
    "error is text": ({"error": "true"}, (0, ""), {"error"}),
    "error beats code": ({"error": True, "otel.status_code": "OK"}, (2, ""), set()),
    "description": (
        {"error": True, "otel.status_description": "d", "http.status_message": "m"},
        (2, "d"),
        {"http.status_message"},
    ),
    "message": ({"error": True, "http.status_message": "m"}, (2, "m"), {"http.status_message"}),
    "code in small letters": ({"otel.status_code": "ok"}, (1, ""), set()),
    "code of another type": ({"otel.status_code": 2}, (0, ""), set()),
    "http": ({"http.status_code": 500}, (2, ""), {"http.status_code"}),
    "http as text": ({"http.status_code": "99"}, (2, ""), {"http.status_code"}),
    "http that is no number": ({"http.status_code": "+-5"}, (0, ""), {"http.status_code"}),
    "http success": (
        {"http.status_code": 200, "http.status_message": "m"},
        (0, ""),
        {"http.status_code", "http.status_message"},
    ),
    "client's fault, at the client": ({"http.status_code": 404, "span.kind": "client"}, (2, ""), {"http.status_code"}),
    "client's fault, at the server": ({"http.status_code": 404, "span.kind": "server"}, (0, ""), {"http.status_code"}),
}


@pytest.mark.parametrize(("tags", "status", "left"), STATUSES.values(), ids=STATUSES)
def test_jaeger_thrift_reads_status_from_tags(tags: dict[str, Any], status: tuple[int, str], left: set[str]) -> None:
    (found,) = spans(http_batch(jaeger_spans.over_http(batch(span(tags)))))
    assert (int(found.status.code), found.status.message) == status
    assert set(attributes(found)) == left


PARENTS = {
    "the parent's id": (span(parent=3, references=[reference(0, 4)]), 3, [4]),
    "a reference": (span(references=[reference(1, 4), reference(0, 5)]), 5, [4]),
    "what it follows": (span(references=[reference(1, 4)]), 4, [4]),
    "no reference to another trace": (span(references=[reference(0, 4, low=99)]), None, [4]),
}


@pytest.mark.parametrize(("written", "parent", "links"), PARENTS.values(), ids=PARENTS)
def test_jaeger_thrift_reads_parent_and_links(written: Fields, parent: int | None, links: list[int]) -> None:
    (found,) = spans(http_batch(jaeger_spans.over_http(batch(written))))
    assert found.parent_span_id == (b"" if parent is None else parent.to_bytes(8))
    assert [int.from_bytes(link.span_id) for link in found.links] == links


def test_jaeger_thrift_keeps_last_tag_of_equal_keys() -> None:
    doubled: Fields = [*span(), (10, LIST, (STRUCT, [jaeger_spans.tag("k", 1), jaeger_spans.tag("k", "2")]))]
    (found,) = spans(http_batch(jaeger_spans.over_http(batch(doubled))))
    assert attributes(found) == {"k": "2"}


def test_jaeger_thrift_reads_fields_in_any_order_and_skips_unknown_fields() -> None:
    unknown: Fields = [(20, LIST, (STRUCT, [[(1, I16, 3)]])), (21, BOOL, True), (22, BYTE, 1), (23, STRING, b"x")]
    odd_tag: Fields = [(3, STRING, b"v"), (2, I32, 0), (9, I64, 1), (1, STRING, b"k")]
    odd: Fields = [*reversed(span()), *unknown, (10, LIST, (STRUCT, [odd_tag]))]
    for write, read in WRAPPINGS.values():
        (found,) = spans(read(write(batch(odd))))
        assert (found.name, attributes(found)) == ("operation", {"k": "v"})


def test_jaeger_thrift_keeps_batches_of_a_group_apart() -> None:
    bodies = [
        jaeger_spans.over_http(batch(span({"n": 1}), span({"n": 2}), process={"ip": "::1"})),
        b"no batch",
        jaeger_spans.over_http(batch()),
        jaeger_spans.over_http(batch(span({"n": 1, "error": True}, references=[reference(0, 5)]))),
    ]
    first, refused, empty, last = thrift.http_batches(bodies)
    assert isinstance(refused, MalformedSpans)
    assert [first, empty, last] == [http_batch(body) for body in bodies if body != b"no batch"]
    assert isinstance(first, Translated)
    assert isinstance(last, Translated)
    assert [attributes(each) for each in spans(first)] == [{"n": 1}, {"n": 2}]
    assert [(attributes(each), each.status.code) for each in spans(last)] == [({"n": 1}, 2)]


def test_jaeger_thrift_reads_binary_call_without_version() -> None:
    head = binary(STRING, b"emitBatch") + b"\x04" + binary(I32, 1)
    assert len(spans(binary_call(head + binary(STRUCT, [(1, STRUCT, batch(span()))])))) == 1


REFUSED = {
    "nothing": b"",
    "text": b"plain text",
    "compact": jaeger_spans.compact_call(batch(span())),
    "no process": binary(STRUCT, [(2, LIST, (STRUCT, [span()]))]),
    "spans that are none": binary(STRUCT, [(1, STRUCT, [(1, STRING, b"s")]), (2, LIST, (I64, [1]))]),
    "more spans than bytes": jaeger_spans.over_http(batch())[:-5] + b"\x7f\xff\xff\xff\x00",
    "a negative number of spans": jaeger_spans.over_http(batch())[:-5] + b"\xff\xff\xff\xff\x00",
    "a string of 2 GB": b"\x0c\x00\x01\x0b\x00\x01\x7f\xff\xff\xff",
    "deep": b"\x0c\x00\x63" * 100_000,
    "a list of lists of lists": b"\x0f\x00\x63" + b"\x0f\x00\x00\x00\x01" * 100_000,
    "a million empty tags": binary(STRUCT, [(2, LIST, (STRUCT, [[(10, LIST, (STRUCT, [[]] * 1_000_000))]]))]),
    "a million unknown structs": b"\x0f\x00\x63\x0c\x00\x0f\x42\x40" + bytes(1_000_001),
    "an unknown type": b"\x63\x00\x01",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_jaeger_thrift_refuses_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in Jaeger's Thrift"):
        http_batch(body)


def without(fields: Fields, *numbers: int) -> Fields:
    return [field for field in fields if field[0] not in numbers]


@pytest.mark.parametrize("missing", range(1, 10))
@pytest.mark.parametrize(("write", "read"), WRAPPINGS.values(), ids=WRAPPINGS)
def test_jaeger_thrift_rejects_span_without_required_field_alone(
    write: Callable[[Fields], bytes], read: Callable[[bytes], Translated], missing: int
) -> None:
    odd = without(span({"n": 2}), missing)
    otlp = read(write(batch(span({"n": 1}), odd, span({"n": 3}))))
    rejected = {"malformed": 1} if missing != 6 else {}
    assert [attributes(found)["n"] for found in spans(otlp)] == ([1, 3] if rejected else [1, 2, 3])
    assert otlp.rejected == rejected


ODD_PARTS: dict[str, Fields] = {
    "a tag without key": [(10, LIST, (STRUCT, [without(jaeger_spans.tag("k", 1), 1), jaeger_spans.tag("n", 2)]))],
    "a tag without type": [(10, LIST, (STRUCT, [jaeger_spans.tag("n", 2), without(jaeger_spans.tag("k", 1), 2)]))],
    "tags that are none": [(10, LIST, (STRUCT, [jaeger_spans.tag("n", 2)])), (99, LIST, (I64, [1]))],
    "a reference that lacks its span": [
        *jaeger_spans.span({"n": 2}),
        (6, LIST, (STRUCT, [without(reference(0, 5), 4)])),
    ],
    "references that are none": [*jaeger_spans.span({"n": 2}), (6, LIST, (I64, [1, 2]))],
    "a log without a time": [
        *jaeger_spans.span({"n": 2}),
        (11, LIST, (STRUCT, [[(2, LIST, jaeger_spans.tags({"k": 1}))]])),
    ],
    "logs that are none": [*jaeger_spans.span({"n": 2}), (11, LIST, (STRING, [b"x"]))],
}


@pytest.mark.parametrize("part", ODD_PARTS.values(), ids=ODD_PARTS)
@pytest.mark.parametrize(("write", "read"), WRAPPINGS.values(), ids=WRAPPINGS)
def test_jaeger_thrift_drops_unreadable_part_alone(
    write: Callable[[Fields], bytes], read: Callable[[bytes], Translated], part: Fields
) -> None:
    odd = [*without(span(), *(number for number, _, _ in part)), *part]
    otlp = read(write(batch(span({"n": 1}), odd)))
    assert [attributes(found) for found in spans(otlp)] == [{"n": 1}, {"n": 2}]
    assert (list(spans(otlp)[1].links), list(spans(otlp)[1].events), spans(otlp)[1].parent_span_id) == ([], [], b"")
    assert otlp.rejected == {}


@pytest.mark.parametrize("last", [[], [(1, STRING, b"k")], [(2, I32, 0)], [(2, I32, 0), (1, STRING, b"")]])
def test_jaeger_thrift_accepts_short_last_tag(last: Fields) -> None:
    odd = [*without(span(), 10), (10, LIST, (STRUCT, [jaeger_spans.tag("n", 1), last]))]
    for write, read in WRAPPINGS.values():
        first, found = spans(read(write(batch(span({"n": 0}), odd))))
        assert (attributes(first), attributes(found)["n"]) == ({"n": 0}, 1)


def test_jaeger_thrift_ignores_tags_of_another_type() -> None:
    odd = [*without(span(), 10), (10, LIST, (I64, [1, 2]))]
    for write, read in WRAPPINGS.values():
        (found,) = spans(read(write(batch(odd))))
        assert attributes(found) == {}


def test_jaeger_thrift_turns_log_without_fields_into_event() -> None:
    odd = [*span(), (11, LIST, (STRUCT, [[(1, I64, jaeger_spans.START_US)]]))]
    for write, read in WRAPPINGS.values():
        (found,) = spans(read(write(batch(odd))))
        assert [event.time_unix_nano for event in found.events] == [jaeger_spans.START_US * 1000]


def test_jaeger_thrift_keeps_tags_of_process_without_name() -> None:
    nameless = [(1, STRUCT, [(2, LIST, jaeger_spans.tags({"ip": "::1"}))]), (2, LIST, (STRUCT, [span()]))]
    for write, read in WRAPPINGS.values():
        assert resources(read(write(nameless))) == [{"ip": "::1"}]


TIMES = {
    "a negative duration": (
        (jaeger_spans.START_US, -5),
        (jaeger_spans.START_US * 1000, jaeger_spans.START_US * 1000 - 5000),
    ),
    "a duration of 2^62": ((jaeger_spans.START_US, 2**62), (jaeger_spans.START_US * 1000, LATEST_NS)),
    "a duration of -2^63": ((jaeger_spans.START_US, -(2**63)), (jaeger_spans.START_US * 1000, 0)),
    "a time before 1970": ((-5, 1), (0, 1000)),
    "a time beyond all": ((2**63 - 1, 2**63 - 1), (LATEST_NS // 1000 // 1000 * 1_000_000, LATEST_NS)),
}


@pytest.mark.parametrize(("sent", "expected"), TIMES.values(), ids=TIMES)
def test_jaeger_thrift_limits_times_without_wrapping(sent: tuple[int, int], expected: tuple[int, int]) -> None:
    odd = [*without(span(), 8, 9), (8, I64, sent[0]), (9, I64, sent[1])]
    for write, read in WRAPPINGS.values():
        first, found = spans(read(write(batch(span(), odd))))
        assert abs(found.start_time_unix_nano - expected[0]) < 2 * 10**10
        assert found.end_time_unix_nano == expected[1]
        assert first.end_time_unix_nano - first.start_time_unix_nano == 10**6


@pytest.mark.parametrize("name", [b"emitZipkinBatch", b"", b"\xff" * 100])
def test_jaeger_thrift_refuses_other_calls(name: bytes) -> None:
    with pytest.raises(MalformedSpans, match="instead of emitBatch"):
        binary_call(b"\x80\x01\x00\x04" + binary(STRING, name) + binary(I32, 1) + b"\x00")


@pytest.mark.parametrize(("write", "read"), WRAPPINGS.values(), ids=WRAPPINGS)
def test_jaeger_thrift_refuses_truncated_batch(
    write: Callable[[Fields], bytes], read: Callable[[bytes], Translated]
) -> None:
    whole = write(EVERYTHING)
    for end in range(len(whole) - 1):
        with pytest.raises(MalformedSpans):
            read(whole[:end])


@given(st.sampled_from(list(WRAPPINGS)), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4))
def test_jaeger_thrift_survives_changed_bytes(wrapping: str, changes: list[tuple[int, int]]) -> None:
    write, read = WRAPPINGS[wrapping]
    body = bytearray(write(EVERYTHING))
    for at, byte in changes:
        body[at % len(body)] = byte
    try:
        spans(read(bytes(body)))
    except MalformedSpans:
        return
