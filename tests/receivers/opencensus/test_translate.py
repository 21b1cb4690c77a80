"""OpenCensus: the Collector's mapping, case by case, what a stream remembers, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers.opencensus.translate import Stream, export_requests
from spanlake.receivers.otlp_rows import LATEST_NS
from spanlake.receivers.translation import MalformedSpans, Translated
from tests.receivers.messages import opencensus
from tests.receivers.translated import alone, attributes, resources, spans

START = {"seconds": 1_795_348_800, "nanos": 7}
START_NS = 1_795_348_800_000_000_007
NODE = opencensus("Node", service_info={"name": b"shop"})
OTHER_NODE = opencensus("Node", service_info={"name": b"other"})
RESOURCE = opencensus(
    "Resource", type=b"vm", labels=[{"key": b"cloud.zone", "value": b"z"}, {"key": b"k", "value": b"v"}]
)


export_request = alone(export_requests)


def entries(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "attribute_map": [opencensus("Entry", key=key.encode(), value=_value(value)) for key, value in values.items()]
    }


def _value(value: Any) -> dict[str, Any]:
    fields = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", type(None): ""}
    field = fields[type(value)]
    return {field: {"value": value.encode()} if isinstance(value, str) else value} if field else {}


_LEFT_AS_BYTES = {"time_events": "TimeEvents", "links": "Links", "status": "Status", "tracestate": "Tracestate"}


def span(values: dict[str, Any] | None = None, **fields: Any) -> bytes:
    given_ = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "name": {"value": b"get"},
        "start_time": START,
        "end_time": START | {"nanos": 9},
        "attributes": entries(values or {}),
    }
    encoded = {name: opencensus(_LEFT_AS_BYTES[name], **fields.pop(name)) for name in _LEFT_AS_BYTES.keys() & fields}
    return opencensus("Span", **(given_ | fields | encoded))


def exported(*found: bytes, **head: bytes) -> Translated:
    return export_request(opencensus("Request", spans=found, **head))


def one(values: dict[str, Any] | None = None, **fields: Any) -> Any:
    (found,) = spans(exported(span(values, **fields)))
    return found


def test_opencensus_reads_every_field_of_a_span() -> None:
    found = one({"s": "x", "i": -1, "b": True, "d": 1.5}, parent_span_id=b"p" * 8)
    assert (found.trace_id, found.span_id, found.parent_span_id) == (b"t" * 16, b"s" * 8, b"p" * 8)
    assert (found.name, found.start_time_unix_nano, found.end_time_unix_nano) == ("get", START_NS, START_NS + 2)
    assert attributes(found) == {"s": "x", "i": -1, "b": True, "d": 1.5}


def test_opencensus_names_attribute_value_without_kind() -> None:
    assert attributes(one({"odd": None})) == {"odd": "<Unknown OpenCensus attribute value type>"}


def test_opencensus_reads_same_process_as_parent() -> None:
    key = "opencensus.same_process_as_parent_span"
    assert attributes(one(same_process_as_parent_span={"value": False})) == {key: False}


def test_opencensus_reads_empty_message_as_false() -> None:
    assert attributes(one(same_process_as_parent_span={})) == {"opencensus.same_process_as_parent_span": False}


@pytest.mark.parametrize(
    ("kind", "tag", "expected", "left"),
    [
        (1, None, 2, {}),
        (2, None, 3, {}),
        (0, None, 0, {}),
        (0, "producer", 4, {}),
        (0, "consumer", 5, {}),
        (0, "internal", 1, {}),
        (0, "server", 0, {"span.kind": "server"}),
        (1, "producer", 2, {"span.kind": "producer"}),
    ],
)
def test_opencensus_reads_kind_from_field_or_tag(
    kind: int, tag: str | None, expected: int, left: dict[str, str]
) -> None:
    found = one({"span.kind": tag} if tag else {}, kind=kind)
    assert (found.kind, attributes(found)) == (expected, left)


@pytest.mark.parametrize(
    ("status", "values", "expected"),
    [
        (None, {"otel.status_code": 2}, (0, "", {"otel.status_code": 2})),
        ({"code": 0, "message": b"m"}, {}, (0, "m", {})),
        ({"code": 5}, {}, (2, "", {})),
        ({"code": 5}, {"otel.status_code": 1}, (1, "", {})),
        ({"code": 5}, {"otel.status_code": "x"}, (0, "", {})),
        (None, {"http.status_code": 500}, (0, "", {"http.status_code": 500})),
    ],
)
def test_opencensus_reads_status_from_field_or_tags(
    status: Any, values: dict[str, Any], expected: tuple[int, str, dict[str, Any]]
) -> None:
    found = one(values, **({"status": status} if status else {}))
    assert (found.status.code, found.status.message, attributes(found)) == expected


def test_opencensus_turns_annotations_and_messages_into_events() -> None:
    annotation = {"description": {"value": b"hit"}, "attributes": entries({"n": 1}) | {"dropped": 3}}
    message = {"type": 1, "id": 7, "uncompressed_size": 8, "compressed_size": 2**64 - 1}
    events = [{"time": START, "annotation": annotation}, {"time": START, "message_event": message}, {"time": START}]
    found = one(time_events={"time_event": events, "dropped_annotations": 2, "dropped_message_events": 3})
    assert [(event.name, attributes(event), event.dropped_attributes_count) for event in found.events] == [
        ("hit", {"n": 1}, 3),
        (
            "message",
            {
                "message.type": "SENT",
                "messaging.message_id": 7,
                "messaging.message_payload_size_bytes": 8,
                "messaging.message_payload_compressed_size_bytes": -1,
            },
            0,
        ),
        ("An unknown OpenCensus TimeEvent type was detected when translating", {}, 0),
    ]
    assert found.dropped_events_count == 5


def test_opencensus_reads_links_trace_state_and_dropped_counts() -> None:
    state = {"entries": [{"key": b"a", "value": b"1"}, {"key": b"b", "value": b"2"}]}
    link = {"trace_id": b"o" * 16, "span_id": b"l" * 8, "attributes": entries({"n": 1}), "tracestate": state}
    found = one(tracestate=state, links={"link": [link], "dropped": 4}, attributes=entries({"k": "v"}) | {"dropped": 2})
    assert (found.trace_state, found.dropped_links_count, found.dropped_attributes_count) == ("a=1,b=2", 4, 2)
    assert [(each.trace_id, each.span_id, each.trace_state, attributes(each)) for each in found.links] == [
        (b"o" * 16, b"l" * 8, "a=1,b=2", {"n": 1})
    ]


def test_opencensus_reads_resource_from_node_and_resource() -> None:
    node = opencensus(
        "Node",
        identifier={"host_name": b"h", "pid": 7, "start_timestamp": {"seconds": 1_795_348_800, "nanos": 5_000_000}},
        library_info={"language": 8, "exporter_version": b"e", "core_library_version": b"c"},
        service_info={"name": b"shop"},
        attributes=[{"key": b"k", "value": b"node"}],
    )
    assert resources(exported(span(), node=node, resource=RESOURCE)) == [
        {
            "service.name": "shop",
            "opencensus.starttime": "2026-11-22T12:00:00.005Z",
            "host.name": "h",
            "process.pid": 7,
            "telemetry.sdk.version": "c",
            "opencensus.exporterversion": "e",
            "telemetry.sdk.language": "python",
            "opencensus.resourcetype": "vm",
            "cloud.availability_zone": "z",
            "k": "node",
        }
    ]


def test_opencensus_prefers_resource_of_span_to_that_of_request() -> None:
    own = opencensus("Resource", labels=[{"key": b"own", "value": b"1"}])
    found = resources(exported(span(), span(resource=own), node=NODE, resource=RESOURCE))
    assert found[1] == {"service.name": "shop", "own": "1"}


def test_stream_remembers_node_and_resource() -> None:
    stream = Stream()
    requests = [
        {"node": NODE},
        {},
        {"resource": RESOURCE},
        {"node": OTHER_NODE},
    ]
    bodies = [stream.complete(opencensus("Request", spans=[span()], **head)) for head in requests]
    found = [resources(export_request(body))[0] for body in bodies]
    assert [each["service.name"] for each in found] == ["shop", "shop", "shop", "other"]
    assert [each.get("opencensus.resourcetype") for each in found] == [None, None, "vm", "vm"]


def test_stream_without_node_has_empty_resource() -> None:
    assert resources(export_request(Stream().complete(opencensus("Request", spans=[span()])))) == [{}]


def test_opencensus_rejects_malformed_span_alone() -> None:
    otlp = exported(span({"n": 1}), b"\xff", span({"n": 3}), b"\x2a\x01\xff", node=NODE)
    assert ([attributes(found)["n"] for found in spans(otlp)], otlp.rejected) == ([1, 3], {"malformed": 2})
    assert resources(otlp) == [{"service.name": "shop"}]


ODD_PARTS = {
    "an attribute": span(attributes={"attribute_map": [b"\xff", *entries({"n": 2})["attribute_map"]]}),
    "time events": span({"n": 2}) + b"\x4a\x01\xff",
    "links": span({"n": 2}) + b"\x52\x01\xff",
    "a link without ids": span({"n": 2}, links={"link": [{}]}),
    "a status": span({"n": 2}) + b"\x5a\x01\xff",
    "a trace state": span({"n": 2}) + b"\x7a\x01\xff",
    "a resource": span({"n": 2}) + b"\x82\x01\x01\xff",
    "fields of other types": span({"n": 2}) + b"\x1d" + bytes(4) + b"\x48\x01\x50\x01",
}


@pytest.mark.parametrize("odd", ODD_PARTS.values(), ids=ODD_PARTS)
@pytest.mark.parametrize("beside", [b"", b"\xff"], ids=["fast", "repaired"])
def test_opencensus_drops_unreadable_part_alone(odd: bytes, beside: bytes) -> None:
    otlp = exported(span({"n": 1}), odd, *([beside] if beside else []), node=NODE)
    assert [attributes(found) for found in spans(otlp)] == [{"n": 1}, {"n": 2}]
    last = spans(otlp)[1]
    assert (last.trace_state, last.status.code, list(last.links), list(last.events)) == ("", 0, [], [])
    assert (sum(otlp.rejected.values()), resources(otlp)) == (len(beside), [{"service.name": "shop"}])


@pytest.mark.parametrize("head", [{"node": b"\xff"}, {"resource": b"\xff"}])
def test_opencensus_ignores_malformed_node_and_resource(head: dict[str, bytes]) -> None:
    stream = Stream()
    bodies = [stream.complete(opencensus("Request", spans=[span()], **more)) for more in (head, {})]
    assert [resources(export_request(body)) for body in bodies] == [[{}], [{}]]


@pytest.mark.parametrize("name", [None, {}, {"value": b"\xff"}])
def test_opencensus_reads_absent_or_invalid_name(name: Any) -> None:
    assert one(name=name).name == ("\ufffd" if name else "")


TIMES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "no times": ({"start_time": None, "end_time": None}, (0, 0)),
    "no end": ({"end_time": None}, (START_NS, 0)),
    "before 1970": ({"start_time": {"seconds": -5}, "end_time": {"seconds": 1}}, (0, 10**9)),
    "beyond all": ({"end_time": {"seconds": 2**63 - 1, "nanos": 2**31 - 1}}, (START_NS, LATEST_NS)),
    "before all": ({"start_time": {"seconds": -(2**63), "nanos": -(2**31)}}, (0, START_NS + 2)),
}


@pytest.mark.parametrize(("given_", "expected"), TIMES.values(), ids=TIMES)
def test_opencensus_limits_times_without_wrapping(given_: dict[str, Any], expected: tuple[int, int]) -> None:
    first, found = spans(exported(span(), span(**given_)))
    assert found.start_time_unix_nano == expected[0]
    assert LATEST_NS >= found.end_time_unix_nano > expected[1] - 10**10
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (START_NS, START_NS + 2)


def test_opencensus_limits_times_of_events() -> None:
    times = [{"seconds": 2**63 - 1}, {"seconds": -5}, None]
    found = one(time_events={"time_event": [{"time": time} for time in times]})
    assert [event.time_unix_nano for event in found.events] == [LATEST_NS, 0, 0]


def test_opencensus_ignores_status_beyond_32_bits() -> None:
    found = one({"otel.status_code": 2**40}, status={"code": 5})
    assert found.status.code == 0


INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
any_bytes = st.binary(max_size=20)
any_time = st.fixed_dictionaries({}, optional={"seconds": INT64, "nanos": INT32})
any_value: st.SearchStrategy[Any] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"string_value": st.fixed_dictionaries({}, optional={"value": any_bytes})}),
    st.fixed_dictionaries({"int_value": INT64}),
    st.fixed_dictionaries({"bool_value": st.booleans()}),
    st.fixed_dictionaries({"double_value": st.floats()}),
)
KEYS = [b"otel.status_code", b"span.kind", b"opencensus.same_process_as_parent_span"]
any_entry = any_bytes | st.fixed_dictionaries(
    {}, optional={"key": st.sampled_from(KEYS) | any_bytes, "value": any_value}
).map(lambda fields: opencensus("Entry", **fields))
any_attributes = st.fixed_dictionaries(
    {}, optional={"attribute_map": st.lists(any_entry, max_size=3), "dropped": INT32}
)
any_event = st.fixed_dictionaries(
    {"time": any_time}, optional={"annotation": st.fixed_dictionaries({}, optional={"attributes": any_attributes})}
)
any_link = st.fixed_dictionaries(
    {}, optional={"trace_id": any_bytes, "span_id": any_bytes, "attributes": any_attributes}
)


def encoded(message: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """A message with any of these fields, or any bytes in its place."""
    return any_bytes | st.fixed_dictionaries({}, optional=fields).map(lambda values: opencensus(message, **values))


label = st.fixed_dictionaries({}, optional={"key": any_bytes, "value": any_bytes})
any_resource = encoded("Resource", type=any_bytes, labels=st.lists(label, max_size=2))
any_node = encoded(
    "Node",
    identifier=st.fixed_dictionaries({}, optional={"start_timestamp": any_time, "host_name": any_bytes}),
    attributes=st.lists(label, max_size=2),
)
any_span = st.fixed_dictionaries(
    {"trace_id": st.just(b"t" * 16), "span_id": st.just(b"s" * 8)},
    optional={
        "parent_span_id": any_bytes,
        "name": st.fixed_dictionaries({}, optional={"value": any_bytes}),
        "start_time": any_time,
        "end_time": any_time,
        "attributes": any_attributes,
        "time_events": encoded("TimeEvents", time_event=st.lists(any_event, max_size=2), dropped_annotations=INT32),
        "links": encoded("Links", link=st.lists(any_link, max_size=2), dropped=INT32),
        "status": encoded("Status", code=INT32, message=any_bytes),
        "tracestate": encoded("Tracestate", entries=st.lists(label, max_size=2)),
        "resource": any_resource,
        "kind": INT32,
        "same_process_as_parent_span": st.fixed_dictionaries({}, optional={"value": st.booleans()}),
    },
).map(lambda fields: opencensus("Span", **fields))


@given(st.lists(any_span, max_size=3), st.fixed_dictionaries({}, optional={"node": any_node, "resource": any_resource}))
def test_opencensus_keeps_spans_with_any_values(found: list[bytes], head: dict[str, bytes]) -> None:
    otlp = exported(*found, **head)
    assert (len(spans(otlp)), otlp.rejected) == (len(found), {})
    assert all(each.start_time_unix_nano <= LATEST_NS >= each.end_time_unix_nano for each in spans(otlp))


REFUSED = {
    "no protobuf": b"\xff",
    "deep groups": b"\x0b" * 100_000,
    "many empty spans": b"\x12\x00" * 50_000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_opencensus_refuses_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedSpans, match="not spans in OpenCensus"):
        export_request(Stream().complete(body))


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4))
def test_opencensus_survives_changed_bytes(changes: list[tuple[int, int]]) -> None:
    body = bytearray(opencensus("Request", node=NODE, resource=RESOURCE, spans=[span({"k": "v"})]))
    for at, byte in changes:
        body[at % len(body)] = byte
    try:
        spans(export_request(Stream().complete(bytes(body))))
    except MalformedSpans:
        return
