"""The bodies of answers."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.api.tempo import responses
from spanlake.query.search_results import ServiceStats, SpanResult, SpanSet, TraceResult, TraceSummary
from spanlake.query.series import Exemplar, Labels, Series
from spanlake.query.time_range import Steps

HEADER = TraceSummary(
    bytes(14) + b"\x0a\xbc",
    1_000_000_007,
    3_500_000_000,
    "shop",
    "GET",
    {"shop": ServiceStats(2, 1), "": ServiceStats(1, 0)},
)
SPAN = SpanResult(b"\0" * 7 + b"\x05", "GET", 1_000_000_007, 17, {"a": 1})
FOUND = TraceResult(HEADER, (SpanSet((SPAN,), 4, {"count()": 4}), SpanSet((SPAN,), 1, {})))


def test_a_found_trace() -> None:
    span = {
        "spanID": "0000000000000005",
        "name": "GET",
        "startTimeUnixNano": "1000000007",
        "durationNanos": "17",
        "attributes": [{"key": "a", "value": {"intValue": "1"}}],
    }
    first = {"spans": [span], "matched": 4, "attributes": [{"key": "count()", "value": {"intValue": "4"}}]}
    (found,) = responses.search([FOUND], with_spans=True)["traces"]
    assert found == {
        "traceID": "abc",
        "rootServiceName": "shop",
        "rootTraceName": "GET",
        "startTimeUnixNano": "1000000007",
        "durationMs": 2499,
        "spanSet": first,
        "spanSets": [first, {"spans": [span], "matched": 1}],
        "serviceStats": {"shop": {"spanCount": 2, "errorCount": 1}, "": {"spanCount": 1}},
    }


def test_a_search_by_tags_has_no_spans() -> None:
    (found,) = responses.search([FOUND], with_spans=False)["traces"]
    assert not {"spanSet", "spanSets"} & set(found)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("x", {"stringValue": "x"}),
        (5, {"intValue": "5"}),
        (2**63 - 1, {"intValue": "9223372036854775807"}),
        (1.5, {"doubleValue": 1.5}),
        (float("nan"), {"doubleValue": "NaN"}),
        (float("inf"), {"doubleValue": "Infinity"}),
        (float("-inf"), {"doubleValue": "-Infinity"}),
        (True, {"boolValue": True}),
        ([1, 2], {"arrayValue": {"values": [{"intValue": "1"}, {"intValue": "2"}]}}),
    ],
)
def test_values(value: object, written: dict[str, Any]) -> None:
    assert responses.any_value(value) == written
    json.dumps(written, allow_nan=False)


def test_series() -> None:
    steps = Steps(10**10, 3 * 10**10, 10**10)
    shown = Exemplar((("trace:id", "ab"),), 2 * 10**10, None)
    found = [
        Series((("k", "v"),), (1.0, None, float("nan"))),
        Series((("k", 7),), (None, None, None)),
        Series((("k", 'a"b'),), (float("-inf"), float("inf"), 1e300), (shown,)),
    ]
    assert json.loads(responses.query_range(found, steps)) == {
        "series": [
            {"labels": [{"key": "k", "value": {"intValue": "7"}}], "samples": []},
            {
                "labels": [{"key": "k", "value": {"stringValue": 'a"b'}}],
                "samples": [
                    {"timestampMs": "10000", "value": "-Infinity"},
                    {"timestampMs": "20000", "value": "Infinity"},
                    {"timestampMs": "30000", "value": 1e300},
                ],
                "exemplars": [
                    {
                        "labels": [{"key": "trace:id", "value": {"stringValue": "ab"}}],
                        "value": 0.0,
                        "timestampMs": "20000",
                    }
                ],
            },
            {
                "labels": [{"key": "k", "value": {"stringValue": "v"}}],
                "samples": [{"timestampMs": "10000", "value": 1.0}, {"timestampMs": "30000", "value": "NaN"}],
            },
        ]
    }
    assert json.loads(responses.query_range([], steps)) == {"series": []}
    assert responses.query_instant([Series((), (2.0,)), Series((), (None,))]) == {
        "series": [{"labels": [], "value": 2.0}, {"labels": [], "value": 0.0}]
    }


@pytest.mark.parametrize("names", [0, 1, 40, 4000])
def test_a_trace_as_protobuf_is_field_one(names: int) -> None:
    trace = TracesData()
    for n in range(names):
        trace.resource_spans.add(schema_url=f"{n}")
    body = responses.trace_by_id_response([trace.SerializeToString()])
    assert body[:1] == b"\x0a"
    assert body.endswith(trace.SerializeToString())


def test_trace_by_id_response_says_what_is_missing() -> None:
    assert responses.trace_by_id_response([]) == b"\x0a\x00"
    assert responses.trace_by_id_response([b""], "why") == b"\x0a\x00\x18\x01\x22\x03why"


def test_series_are_in_tempos_order() -> None:
    labels: list[Labels] = [
        (("b", 10), ("a", 1)),
        (("a", "x"),),
        (("a", 9),),
        (("a", 10),),
        (("b", "x"), ("a", 1)),
        (),
        (("a", 1.5),),
    ]
    found = [Series(one, (1.0,)) for one in labels]
    written = responses.query_instant(found)["series"]
    shown = [[(label["key"], *label["value"].values()) for label in one["labels"]] for one in written]
    assert shown == [
        [],
        [("a", 1.5)],
        [("a", "10")],
        [("a", "9")],
        [("a", "x")],
        [("b", "10"), ("a", "1")],
        [("b", "x"), ("a", "1")],
    ]


def test_most_series_is_kept_and_said() -> None:
    steps = Steps(10**10, 10**10, 10**10)
    found = [Series((("k", n),), (1.0,)) for n in (3, 1, 2)]
    message = "there are 3 series, more than maxSeries=2"
    cut = json.loads(responses.query_range(found, steps, 2))
    assert [one["labels"][0]["value"]["intValue"] for one in cut["series"]] == ["1", "2"]
    assert (cut["status"], cut["message"]) == ("PARTIAL", message)
    once = responses.query_instant(found, 2)
    assert (len(once["series"]), once["status"], once["message"]) == (2, "PARTIAL", message)
    assert (
        set(json.loads(responses.query_range(found, steps, 3))) == set(responses.query_instant(found, 3)) == {"series"}
    )


def test_values_under_one_name_are_of_one_type() -> None:
    cells = [{"a": 1, "b": 1, "c": True, "d": [1, "é"], "e": "x"}, {"a": 1.5, "b": "x", "c": "x", "d": {"k": None}}]
    spans = tuple(SpanResult(bytes(8), "GET", 1, 1, cell) for cell in cells)
    found = TraceResult(HEADER, (SpanSet(spans, 2, {"e": 7, "by(a)": 2}),))
    (trace,) = responses.search([found], with_spans=True)["traces"]
    shown = [{a["key"]: a["value"] for a in span["attributes"]} for span in trace["spanSet"]["spans"]]
    text = [{"b": "1", "c": "true", "d": '[1,"é"]', "e": "x"}, {"b": "x", "c": "x", "d": '{"k":null}'}]
    assert shown[0] == {"a": {"intValue": "1"}} | {key: {"stringValue": value} for key, value in text[0].items()}
    assert shown[1] == {"a": {"doubleValue": 1.5}} | {key: {"stringValue": value} for key, value in text[1].items()}
    on_set = {a["key"]: a["value"] for a in trace["spanSet"]["attributes"]}
    assert on_set == {"e": {"stringValue": "7"}, "by(a)": {"intValue": "2"}}


def test_durations_fit_their_types() -> None:
    long, backwards = (replace(HEADER, start_ns=0, end_ns=end) for end in (2**62, -5))
    span = replace(SPAN, duration_ns=-1)
    found = responses.search(
        [TraceResult(header, (SpanSet((span,), 1, {}),)) for header in (long, backwards)], with_spans=True
    )
    assert [trace["durationMs"] for trace in found["traces"]] == [2**32 - 1, 0]
    assert found["traces"][0]["spanSet"]["spans"][0]["durationNanos"] == "0"


@given(st.lists(st.floats() | st.none(), min_size=3, max_size=3))
@example([-0.0, 0.0, float("nan")])
@example([5e-324, 1.7976931348623157e308, 1e16])
def test_samples_are_the_values(values: list[float | None]) -> None:
    body = responses.query_range([Series((), tuple(values))], Steps(10**10, 3 * 10**10, 10**10))
    (line,) = json.loads(body, parse_int=float)["series"]  # an integer has no -0
    assert [repr(float(sample["value"])) for sample in line["samples"]] == [repr(v) for v in values if v is not None]
