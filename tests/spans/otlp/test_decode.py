"""Tests the span table that a request decodes to."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from spanlake.spans.columns import attribute_columns
from spanlake.spans.otlp import limits, pivot
from spanlake.spans.otlp.decode import Decoded, Options, decode
from spanlake.spans.otlp.encode import to_otlp
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.pivot import PivotPolicy
from spanlake.spans.schema import FIXED
from tests.spans import otlp_requests

A, B = AnyValue(string_value="a"), AnyValue(string_value="b")
ONE, HALF = AnyValue(int_value=1), AnyValue(double_value=0.5)


def array(*values: AnyValue) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=values))


def attribute(key: str, value: AnyValue | None = A) -> KeyValue:
    return KeyValue(key=key, value=value)


def request(
    *spans: Span, resource: Resource | None = None, scope: InstrumentationScope | None = None
) -> ExportTraceServiceRequest:
    scope_spans = ScopeSpans(scope=scope, spans=spans)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope_spans])])


def decoded(*requests: ExportTraceServiceRequest) -> Decoded:
    return decode([request.SerializeToString() for request in requests])


def rows(*spans: Span, resource: Resource | None = None, scope: InstrumentationScope | None = None) -> list[Any]:
    return decoded(request(*spans, resource=resource, scope=scope)).table.to_pylist()


def test_decode_makes_one_row_of_a_span() -> None:
    span = Span(
        trace_id=b"t" * 16,
        span_id=b"s" * 8,
        parent_span_id=b"p" * 8,
        start_time_unix_nano=1_000,
        end_time_unix_nano=1_250,
        name="GET /",
        kind=Span.SPAN_KIND_SERVER,
        status=Status(code=Status.STATUS_CODE_ERROR, message="oh"),
        trace_state="k=v",
        flags=257,
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=2**32 - 1,
    )

    [row] = rows(span)

    assert {name: row[name] for name in FIXED.names[:14]} == {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "parent_span_id": b"p" * 8,
        "start_time_unix_nano": 1_000,
        "duration_nano": 250,
        "name": "GET /",
        "kind": 2,
        "status_code": 2,
        "status_message": "oh",
        "trace_state": "k=v",
        "flags": 257,
        "dropped_attributes_count": 1,
        "dropped_events_count": 2,
        "dropped_links_count": 2**32 - 1,
    }


def test_decode_of_empty_span_has_null_status_and_parent_and_empty_strings() -> None:
    [row] = rows(Span())

    absent = {
        "parent_span_id",
        "status_code",
        "status_message",
        "service_name",
        "scope_name",
        "scope_version",
        "events",
    }
    absent |= {"end_time_unix_nano", "links", "resource_rest", "span_rest", "scope_rest", "resource_entity_refs"}
    absent |= {"resource_dropped_attributes_count", "scope_dropped_attributes_count"}
    assert {name for name, value in row.items() if value is None} == absent
    assert row["name"] == row["trace_state"] == row["resource_schema_url"] == row["scope_schema_url"] == ""


@pytest.mark.parametrize(
    ("start", "end", "start_column", "duration", "end_column"),
    [
        (5, 7, 5, 2, None),
        (5, 5, 5, 0, None),
        (5, 0, 5, 0, 0),
        (5, 3, 5, 0, 3),
        (0, 2**63 - 1, 0, 2**63 - 1, None),
        (5, 2**63, 5, 2**63 - 6, -(2**63)),
        (0, 2**64 - 1, 0, 2**63 - 1, -1),
        (2**64 - 1, 0, -1, 0, 0),
        (2**64 - 2, 2**64 - 1, -2, 0, -1),
        (2**63, 2**63, -(2**63), 0, None),
    ],
)
def test_decode_stores_zero_duration_for_span_without_valid_end(
    start: int, end: int, start_column: int, duration: int, end_column: int | None
) -> None:
    usual = Span(start_time_unix_nano=1, end_time_unix_nano=3)
    sent = request(Span(start_time_unix_nano=start, end_time_unix_nano=end), usual)

    table = decoded(sent).table
    row, beside = table.to_pylist()

    assert (row["start_time_unix_nano"], row["duration_nano"]) == (start_column, duration)
    assert (row["end_time_unix_nano"], beside["end_time_unix_nano"]) == (end_column, None)
    assert otlp_requests.normal(to_otlp(table)) == otlp_requests.normal(sent)


IDS = [
    # trace id, as column; span id, as column
    (b"", b"", b"", b""),
    (b"\1", b"\0" * 15 + b"\1", b"\1", b"\0" * 7 + b"\1"),
    (b"12345678", b"\0" * 8 + b"12345678", b"1234567", b"\0001234567"),
    (b"t" * 16, b"t" * 16, b"s" * 8, b"s" * 8),
    (b"t" * 17, b"t" * 17, b"s" * 9, b"s" * 9),
    (b"\0" * 16, b"\0" * 16, b"\0" * 8, b"\0" * 8),
]


@pytest.mark.parametrize(("trace_id", "trace_column", "span_id", "span_column"), IDS)
def test_decode_pads_short_ids(trace_id: bytes, trace_column: bytes, span_id: bytes, span_column: bytes) -> None:
    well = Span(trace_id=b"w" * 16, span_id=b"w" * 8, parent_span_id=b"w" * 8)
    link = Span.Link(trace_id=trace_id, span_id=span_id)

    row, _ = rows(Span(trace_id=trace_id, span_id=span_id, parent_span_id=span_id, links=[link]), well)

    assert (row["trace_id"], row["span_id"]) == (trace_column, span_column)
    assert row["parent_span_id"] == (span_column if any(span_column) and len(span_column) == 8 else None)
    assert (row["links"][0]["trace_id"], row["links"][0]["span_id"]) == (trace_id, span_id)


COLUMNS = [
    (A, "span_k", "a"),
    (AnyValue(string_value=""), "span_k", ""),
    (ONE, "span_k___int", 1),
    (AnyValue(int_value=-(2**63)), "span_k___int", -(2**63)),
    (HALF, "span_k___double", 0.5),
    (AnyValue(bool_value=False), "span_k___bool", False),
    (array(A, B), "span_k___strings", ["a", "b"]),
    (array(ONE), "span_k___ints", [1]),
    (array(HALF, HALF), "span_k___doubles", [0.5, 0.5]),
    (array(AnyValue(bool_value=True)), "span_k___bools", [True]),
]


@pytest.mark.parametrize(("value", "name", "held"), COLUMNS)
def test_decode_puts_value_into_column_of_its_type(value: AnyValue, name: str, held: object) -> None:
    attributes = [attribute("k", value)]

    first, second = rows(Span(attributes=attributes), Span())

    assert first[name] == held
    assert second[name] is None
    assert set(first) - set(FIXED.names) == {name}


REST = [
    (None, "null"),
    (AnyValue(), "{}"),
    (AnyValue(bytes_value=b"\0\xff"), '{"bytesValue":"AP8="}'),
    (AnyValue(string_value_strindex=7), '{"stringValueStrindex":7}'),
    (array(), '{"arrayValue":{}}'),
    (array(A, ONE), '{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":"1"}]}}'),
    (array(AnyValue()), '{"arrayValue":{"values":[{}]}}'),
    (array(array(HALF)), '{"arrayValue":{"values":[{"arrayValue":{"values":[{"doubleValue":0.5}]}}]}}'),
    (AnyValue(kvlist_value=KeyValueList()), '{"kvlistValue":{}}'),
    (
        AnyValue(kvlist_value=KeyValueList(values=[attribute('"\n'), attribute("n", None)])),
        r'{"kvlistValue":{"values":[{"key":"\"\n","value":{"stringValue":"a"}},{"key":"n"}]}}',
    ),
    (
        array(A, AnyValue(double_value=float("-inf"))),
        '{"arrayValue":{"values":[{"stringValue":"a"},{"doubleValue":"-Infinity"}]}}',
    ),
]


@pytest.mark.parametrize(("value", "text"), REST)
def test_decode_puts_value_without_column_into_rest_as_otlp_json(value: AnyValue | None, text: str) -> None:
    exotic = attribute("k", value)

    row, plain = rows(
        Span(attributes=[exotic], events=[Span.Event(attributes=[exotic])]),
        Span(),
        resource=Resource(attributes=[exotic]),
        scope=InstrumentationScope(attributes=[exotic]),
    )

    assert row["span_rest"] == row["resource_rest"] == row["scope_rest"] == [{"key": "k", "value": text}]
    assert row["events"][0]["attributes"][0]["rest"] == text
    assert plain["span_rest"] is None


def test_decode_puts_repeated_key_into_column_once_and_then_into_rest() -> None:
    [row] = rows(Span(attributes=[attribute("k", A), attribute("k", B), attribute("k", B), attribute("k", ONE)]))

    assert (row["span_k"], row["span_k___int"]) == ("a", 1)
    assert row["span_rest"] == [{"key": "k", "value": '{"stringValue":"b"}'}] * 2


def test_decode_makes_lists_of_structs_of_events_and_links() -> None:
    typed = [attribute("s", A), attribute("i", ONE), attribute("d", HALF), attribute("b", AnyValue(bool_value=True))]
    event = Span.Event(time_unix_nano=7, name="e", dropped_attributes_count=1, attributes=typed)
    link = Span.Link(trace_id=b"t", span_id=b"s", trace_state="x", flags=3, dropped_attributes_count=2)

    first, second, third = rows(Span(events=[event, Span.Event()]), Span(), Span(links=[link]))

    nothing = dict.fromkeys(("string", "int", "double", "bool", "rest"))
    assert first["events"] == [
        {
            "time_unix_nano": 7,
            "name": "e",
            "dropped_attributes_count": 1,
            "attributes": [
                {"key": "s", **nothing, "string": "a"},
                {"key": "i", **nothing, "int": 1},
                {"key": "d", **nothing, "double": 0.5},
                {"key": "b", **nothing, "bool": True},
            ],
        },
        {"time_unix_nano": 0, "name": "", "dropped_attributes_count": 0, "attributes": None},
    ]
    assert (first["links"], second["events"], second["links"], third["events"]) == (None, None, None, None)
    assert third["links"] == [
        {
            "trace_id": b"t",
            "span_id": b"s",
            "trace_state": "x",
            "flags": 3,
            "dropped_attributes_count": 2,
            "attributes": None,
        }
    ]


def test_decode_repeats_resource_and_scope_for_every_span() -> None:
    resource = Resource(
        attributes=[attribute("service.name"), attribute("host.cores", ONE)], dropped_attributes_count=3
    )
    scope = InstrumentationScope(name="lib", version="1", attributes=[attribute("language", B)])

    table = decoded(request(Span(), Span(), resource=resource, scope=scope), request(Span())).table

    for name, value in {
        "service_name": "a",
        "resource_service_name": "a",
        "resource_host_cores___int": 1,
        "resource_dropped_attributes_count": 3,
        "scope_name": "lib",
        "scope_version": "1",
        "scope_language": "b",
        "scope_dropped_attributes_count": 0,
    }.items():
        assert table.column(name).to_pylist() == [value, value, None], name


def identities(resource: Resource | None, scope: InstrumentationScope | None) -> tuple[int, int]:
    [row] = rows(Span(), resource=resource, scope=scope)
    return row["resource_id"], row["scope_id"]


def test_decode_gives_equal_resources_and_scopes_equal_ids_in_every_process() -> None:
    """The numbers are stored: if they change, traces that are partly in older blocks come apart."""
    attributes = [attribute("a"), attribute("b", ONE)]

    found = identities(Resource(attributes=attributes), InstrumentationScope(name="ü", attributes=attributes))

    assert found == (-6_663_478_298_869_983_770, 1_527_555_287_894_466_061)
    attributes.reverse()
    assert found == identities(Resource(attributes=attributes), InstrumentationScope(name="ü", attributes=attributes))


def test_decode_gives_different_resources_different_ids() -> None:
    different: list[Resource | None] = [
        None,
        Resource(),
        Resource(dropped_attributes_count=1),
        Resource(attributes=[attribute("a")]),
        Resource(attributes=[attribute("a", None)]),
        Resource(attributes=[attribute("a"), attribute("a")]),
        Resource(attributes=[attribute("a"), attribute("b")]),
    ]

    assert len({identities(resource, None) for resource in different}) == len(different)


def test_decode_keeps_order_of_requests() -> None:
    sizes = [2, 0, 3]

    found = decoded(*(request(*[Span(name=f"{number}")] * size) for number, size in enumerate(sizes)))

    assert found.spans_per_request == sizes
    assert found.table.column("name").to_pylist() == ["0", "0", "2", "2", "2"]


@pytest.mark.parametrize("bodies", [[], [b""], [b"", b""]])
def test_decode_of_nothing_is_an_empty_table(bodies: Sequence[bytes]) -> None:
    found = decode(bodies)

    assert found.table.cast(FIXED).num_rows == 0
    assert found.spans_per_request == [0] * len(bodies)


def test_decode_gives_fixed_columns_types_independent_of_spans() -> None:
    full = decoded(request(Span(events=[Span.Event()], links=[Span.Link()], attributes=[attribute("k", None)]))).table
    empty = decoded(request(Span())).table

    assert full.schema == empty.schema
    assert pa.concat_tables([full, empty]).cast(FIXED).num_rows == 2


def test_decode_bounds_memory_of_a_large_resource() -> None:
    large = AnyValue(string_value="x" * 100_000)
    attributes = [attribute("text", large), attribute("list", array(large)), attribute("mixed", array(large, ONE))]
    resource = Resource(attributes=attributes)
    sent = request(*[Span()] * 1_000, resource=resource, scope=InstrumentationScope(name="x" * 100_000))

    table = decoded(sent).table

    assert table.nbytes < 1_000_000
    assert otlp_requests.normal(to_otlp(table)) == otlp_requests.normal(sent)


GOOD = request(Span(trace_id=b"t" * 16, name="x", attributes=[attribute("k")])).SerializeToString()
MALFORMED = {
    "text": b"hello world",
    "JSON": b'{"resourceSpans":[]}',
    "cut off": GOOD[:-3],
    "its only span is cut off": b"\x0a\x06\x12\x04\x12\x02\x0a\x10",
    "its only resource is no message": b"\x0a\x05hello",
    "Zipkin's protobuf": b"\x0a\x1c\x0a\x10" + b"t" * 16 + b"\x1a\x08" + b"\xff" * 8,
    "groups without end": b"\x0b" * 1_000_000,
    "groups without end in its only span": b"\x0a\x88\x80\x04\x12\x84\x80\x04\x12\x80\x80\x04" + b"\x0b" * 65536,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_decode_refuses_malformed_request(body: bytes) -> None:
    with pytest.raises(MalformedRequest) as caught:
        decode([GOOD, b"", body])

    assert caught.value.reason


def nested(depth: int) -> bytes:
    """A request with an attribute of arrays in arrays."""
    value = b"\x0a\x01a"
    for _ in range(depth):
        value = field(5, field(1, value))
    return field(1, field(2, field(2, field(9, field(2, value)))))


def field(number: int, content: bytes) -> bytes:
    length = len(content)
    digits = []
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *digits, length]) + content


def test_decode_keeps_values_as_deep_as_protobuf_follows() -> None:
    body = nested(45)

    assert otlp_requests.normal(to_otlp(decode([body]).table)) == otlp_requests.normal(
        ExportTraceServiceRequest.FromString(body)
    )


@pytest.mark.parametrize("depth", [46, 500])
def test_decode_replaces_deeper_values(depth: int) -> None:
    good, deep = decode([GOOD, nested(depth)]).table.to_pylist()

    assert (good["name"], deep["span_rest"][0]["value"].count("arrayValue")) == ("x", 45)
    assert '{"values":[{"stringValue":"value nested too deep"}]}' in deep["span_rest"][0]["value"]


@pytest.mark.parametrize("depth", [5_000, 50_000])
def test_decode_replaces_values_that_are_large_at_fewer_levels(depth: int) -> None:
    (deep,) = decode([nested(depth)]).table.to_pylist()

    assert 8 <= deep["span_rest"][0]["value"].count("arrayValue") < 45
    assert '{"values":[{"stringValue":"value nested too deep"}]}' in deep["span_rest"][0]["value"]


def test_decode_refuses_requests_together_whose_values_are_large_and_deep() -> None:
    with pytest.raises(MalformedRequest, match="too large and nested too deep"):
        decode([GOOD, nested(50_000)])


BOMBS = {
    "spans": field(1, field(2, b"\x12\x00" * 100_000)),
    "attributes": field(1, field(2, field(2, b"\x4a\x00" * 100_000))),
    "events": field(1, field(2, field(2, b"\x5a\x00" * 100_000))),
    "links": field(1, field(2, field(2, b"\x6a\x00" * 100_000))),
}


@pytest.mark.parametrize(("messages_", "body"), BOMBS.items())
def test_decode_refuses_request_of_empty_messages(messages_: str, body: bytes) -> None:
    with pytest.raises(MalformedRequest, match=f"most of its {messages_} are empty"):
        decode([GOOD, body])


def many_keys(count: int) -> list[KeyValue]:
    return [attribute(f"key{number}", ONE) for number in range(count)]


def test_decode_makes_columns_of_most_frequent_attributes_only() -> None:
    frequent = Span(attributes=many_keys(pivot.MOST_COLUMNS - 1))
    rare = Span(attributes=[attribute(f"rare{number}") for number in range(50)])
    sent = request(rare, frequent, frequent, resource=Resource(attributes=[attribute("service.name")]))

    table = decoded(sent).table

    columns = attribute_columns(table.schema)
    assert len(columns) == pivot.MOST_COLUMNS
    assert {column.key for column in columns} == {"service.name"} | {f"key{n}" for n in range(pivot.MOST_COLUMNS - 1)}
    assert [rest and len(rest) for rest in table.column("span_rest").to_pylist()] == [50, None, None]
    assert otlp_requests.normal(to_otlp(table)) == otlp_requests.normal(sent)


def test_decode_keeps_column_of_rare_service_name() -> None:
    sent = request(Span(attributes=many_keys(600)), Span(attributes=many_keys(600)))
    sent.resource_spans.extend(
        request(Span(), resource=Resource(attributes=[attribute("service.name")])).resource_spans
    )

    assert decoded(sent).table.column("service_name").to_pylist() == [None, None, "a"]


def test_decode_bounds_cells_of_table() -> None:
    few_cells = Options(pivot=PivotPolicy(most_cells=6))
    sent = request(Span(attributes=many_keys(4)), Span(), resource=Resource(attributes=many_keys(2)))

    table = decode([sent.SerializeToString()], few_cells).table

    assert len(attribute_columns(table.schema)) == 3
    assert otlp_requests.normal(to_otlp(table)) == otlp_requests.normal(sent)


def test_decode_makes_columns_in_parts() -> None:
    in_parts = Options(pivot=PivotPolicy(cells_at_once=5))
    sent = request(Span(attributes=many_keys(4)), Span(attributes=many_keys(7)))

    assert otlp_requests.normal(to_otlp(decode([sent.SerializeToString()], in_parts).table)) == otlp_requests.normal(
        sent
    )


def test_decode_keeps_keys_with_equal_column_names_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanlake.spans.columns._hash", lambda _: "00000000")
    sent = request(Span(attributes=[attribute("Clash", A), attribute("Clash.", B)]))

    [row] = decoded(sent).table.to_pylist()

    assert row["span_clash___k00000000"] == "a"
    assert row["span_rest"] == [{"key": "Clash.", "value": '{"stringValue":"b"}'}]


def test_decode_accepts_few_small_empty_messages() -> None:
    assert decode([field(1, field(2, b"\x12\x00" * limits.FEW))]).spans_per_request == [limits.FEW]
