"""Jaeger's JSON: what its fields mean in OTLP, and which spans of a document are left out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers.jaeger import json as jaeger_json
from spanlake.receivers.otlp_rows import LATEST_NS
from spanlake.receivers.translation import MalformedSpans, Translated
from tests.receivers.translated import attributes, request, resources, spans

START_US = 1_795_348_800_000_007


def span(**fields: Any) -> dict[str, Any]:
    plain = {
        "traceID": "0102030405060708090a0b0c0d0e0f10",
        "spanID": "00000000000000ff",
        "flags": 1,
        "operationName": "get",
        "references": [],
        "startTime": START_US,
        "duration": 1503,
        "tags": [],
        "logs": [],
        "processID": "p1",
        "warnings": None,
    }
    return plain | fields


def trace(*found: Any, **processes: Any) -> dict[str, Any]:
    known = processes or {"p1": {"serviceName": "shop", "tags": [{"key": "host", "type": "string", "value": "h1"}]}}
    return {"traceID": "0102", "spans": list(found), "processes": known, "warnings": None}


def read(*found: Any, **processes: Any) -> Translated:
    document = {"data": [trace(*found, **processes)], "total": 0, "limit": 0, "offset": 0, "errors": None}
    return jaeger_json.read(json.dumps(document).encode())


def tags(*values: tuple[str, str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "type": type_, "value": value} for key, type_, value in values]


def test_jaeger_json_reads_ids_times_name_and_process() -> None:
    (found,) = spans(read(span()))
    assert found.trace_id == bytes(range(1, 17))
    assert found.span_id == bytes(7) + b"\xff"
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (START_US * 1000, (START_US + 1503) * 1000)
    assert (found.name, found.parent_span_id) == ("get", b"")
    assert resources(read(span())) == [{"service.name": "shop", "host": "h1"}]


def test_jaeger_json_pads_short_ids() -> None:
    (found,) = spans(read(span(traceID="ab", spanID="c")))
    assert (found.trace_id, found.span_id) == (bytes(15) + b"\xab", bytes(7) + b"\x0c")


@pytest.mark.parametrize(
    ("type_", "value", "meant"),
    [
        ("string", "GET", "GET"),
        ("string", 7, "7"),
        ("bool", True, True),
        ("bool", "false", False),
        ("bool", "perhaps", "perhaps"),
        ("int64", 200, 200),
        ("int64", 200.0, 200),
        ("int64", "9223372036854775807", 2**63 - 1),
        ("int64", 1.5, "1.5"),
        ("int64", "many", "many"),
        ("float64", 0.25, 0.25),
        ("float64", 3, 3.0),
        ("float64", "NaN", pytest.approx(float("nan"), nan_ok=True)),
        ("binary", "AAEC", b"\0\1\2"),
        ("binary", "not base64!", "not base64!"),
        ("other", {"a": 1}, '{"a": 1}'),
        ("string", None, ""),
    ],
)
def test_jaeger_json_reads_tags_by_type(type_: str, value: Any, meant: Any) -> None:
    (found,) = spans(read(span(tags=tags(("key", type_, value)))))
    assert attributes(found) == {"key": meant}


def test_jaeger_json_turns_known_tags_into_fields() -> None:
    told = tags(
        ("span.kind", "string", "server"),
        ("error", "bool", True),
        ("otel.status_description", "string", "broken"),
        ("otel.scope.name", "string", "lib"),
        ("otel.scope.version", "string", "1.2"),
        ("w3c.tracestate", "string", "a=b"),
        ("http.method", "string", "GET"),
    )
    body = read(span(tags=told))
    (found,) = spans(body)
    assert (found.kind, found.status.code, found.status.message, found.trace_state) == (2, 2, "broken", "a=b")
    assert attributes(found) == {"http.method": "GET"}
    scope = request(body).resource_spans[0].scope_spans[0].scope
    assert (scope.name, scope.version) == ("lib", "1.2")


def test_jaeger_json_reads_parent_and_links_from_references() -> None:
    ids = {"traceID": "0102030405060708090a0b0c0d0e0f10", "spanID": "01"}
    (found,) = spans(
        read(span(references=[{"refType": "CHILD_OF", **ids}, {"refType": "FOLLOWS_FROM", **ids, "spanID": "02"}]))
    )
    assert found.parent_span_id == bytes(7) + b"\x01"
    assert [link.span_id for link in found.links] == [bytes(7) + b"\x02"]
    assert attributes(found.links[0]) == {"opentracing.ref_type": "follows_from"}


@pytest.mark.parametrize(("parent", "meant"), [("ff", bytes(7) + b"\xff"), ("0", b""), ("", b"")])
def test_jaeger_json_reads_parent_from_span_of_old_documents(parent: str, meant: bytes) -> None:
    (found,) = spans(read(span(parentSpanID=parent)))
    assert found.parent_span_id == meant


def test_jaeger_json_turns_logs_into_events() -> None:
    fields = tags(("event", "string", "exception"), ("exception.type", "string", "OutOfEggs"))
    (found,) = spans(read(span(logs=[{"timestamp": START_US, "fields": fields}])))
    (event,) = found.events
    assert (event.name, event.time_unix_nano) == ("exception", START_US * 1000)
    assert attributes(event) == {"exception.type": "OutOfEggs"}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"startTime": START_US, "duration": 2**62}, (START_US * 1000, LATEST_NS)),
        ({"startTime": -5, "duration": 1}, (0, 1000)),
        ({"startTime": 2**70, "duration": 0}, (LATEST_NS, LATEST_NS)),
        ({"startTime": str(START_US), "duration": 1.5}, (START_US * 1000, START_US * 1000 + 1000)),
    ],
)
def test_jaeger_json_limits_times_without_wrapping(times: dict[str, Any], expected: tuple[int, int]) -> None:
    (found,) = spans(read(span(**times)))
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == expected


def test_jaeger_json_reads_process_inside_span() -> None:
    own = span(process={"serviceName": "own", "tags": []}, processID="")
    assert resources(read(own)) == [{"service.name": "own"}]


def test_jaeger_json_groups_spans_by_process() -> None:
    body = read(span(), span(spanID="2"), span(spanID="3", processID="p2"), p1={"serviceName": "a"}, p2={})
    assert resources(body) == [{"service.name": "a"}, {}]


@pytest.mark.parametrize("bad", [7, None, [], span(startTime="soon"), span(duration=[1])])
def test_jaeger_json_counts_unreadable_spans(bad: Any) -> None:
    found = read(span(), bad, span(spanID="2"))
    assert found.rejected == {"malformed": 1}
    assert len(spans(found)) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": 7},
        {"tags": [7, {"key": "a"}]},
        {"logs": [{"timestamp": "soon"}, 7]},
        {"references": ["x", {"refType": 7}]},
        {"process": "x"},
        {"processID": 7},
        {"operationName": "\ud800"},
        {"operationName": {"a": [1]}},
        {"parentSpanID": "x"},
        {"duration": "5"},
    ],
)
def test_jaeger_json_keeps_span_without_unreadable_parts(fields: dict[str, Any]) -> None:
    found = read(span(**fields))
    assert found.rejected == {}
    assert len(spans(found)) == 1


@pytest.mark.parametrize("trace_id", ["xyz", "1" * 33, None, "", 0])
def test_jaeger_json_reads_invalid_trace_id_as_empty(trace_id: Any) -> None:
    (found,) = spans(read(span(traceID=trace_id)))
    assert found.trace_id == b""


@pytest.mark.parametrize(
    "body", [b"", b"7", b"nothing", b'{"data": 7}', b'{"data": [7]}', b"[" + b"0," * 10**5, b'{"data": [[]]}']
)
def test_jaeger_json_refuses_other_documents(body: bytes) -> None:
    with pytest.raises(MalformedSpans):
        jaeger_json.read(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(span())), json_values), st.dictionaries(st.text(), json_values))
def test_jaeger_json_keeps_spans_beside_any_values(fields: dict[str, Any], processes: dict[str, Any]) -> None:
    found = read(span(), span(**fields), p1={}, **{f"p{key}": value for key, value in processes.items()})
    assert len(spans(found)) + sum(found.rejected.values()) == 2
    assert spans(found)[0].name == "get"
