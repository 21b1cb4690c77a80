"""The bodies of answers."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.api import answers
from spanlake.query.found import FoundSpan, FoundTrace, Header, ServiceStats, SpanSet
from spanlake.query.series import Exemplar, Series
from spanlake.query.steps import Steps

HEADER = Header(
    bytes(14) + b"\x0a\xbc",
    1_000_000_007,
    3_500_000_000,
    "shop",
    "GET",
    {"shop": ServiceStats(2, 1), "": ServiceStats(1, 0)},
)
SPAN = FoundSpan(b"\0" * 7 + b"\x05", "GET", 1_000_000_007, 17, {"a": 1})
FOUND = FoundTrace(HEADER, (SpanSet((SPAN,), 4, {"count()": 4}), SpanSet((SPAN,), 1, {})))


def test_a_found_trace() -> None:
    span = {
        "spanID": "0000000000000005",
        "name": "GET",
        "startTimeUnixNano": "1000000007",
        "durationNanos": "17",
        "attributes": [{"key": "a", "value": {"intValue": "1"}}],
    }
    first = {"spans": [span], "matched": 4, "attributes": [{"key": "count()", "value": {"intValue": "4"}}]}
    (found,) = answers.search([FOUND], with_spans=True)["traces"]
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
    (found,) = answers.search([FOUND], with_spans=False)["traces"]
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
    assert answers.any_value(value) == written
    json.dumps(written, allow_nan=False)


def test_series() -> None:
    steps = Steps(10**10, 3 * 10**10, 10**10)
    shown = Exemplar((("trace:id", "ab"),), 2 * 10**10, None)
    found = [
        Series((("k", "v"),), (1.0, None, float("nan"))),
        Series((("k", 7),), (None, None, None)),
        Series((("k", 'a"b'),), (float("-inf"), float("inf"), 1e300), (shown,)),
    ]
    assert json.loads(answers.query_range(found, steps)) == {
        "series": [
            {
                "labels": [{"key": "k", "value": {"stringValue": "v"}}],
                "samples": [{"timestampMs": "10000", "value": 1.0}, {"timestampMs": "30000", "value": "NaN"}],
            },
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
        ]
    }
    assert json.loads(answers.query_range([], steps)) == {"series": []}
    assert answers.query_instant([Series((), (2.0,)), Series((), (None,))]) == {
        "series": [{"labels": [], "value": 2.0}, {"labels": [], "value": 0.0}]
    }


@pytest.mark.parametrize("names", [0, 1, 40, 4000])
def test_a_trace_as_protobuf_is_field_one(names: int) -> None:
    trace = TracesData()
    for n in range(names):
        trace.resource_spans.add(schema_url=f"{n}")
    body = answers.trace_by_id_response(trace)
    assert body[:1] == b"\x0a"
    assert body.endswith(trace.SerializeToString())
    assert answers.trace_by_id_response(None) == b""


@given(st.lists(st.floats() | st.none(), min_size=3, max_size=3))
@example([-0.0, 0.0, float("nan")])
@example([5e-324, 1.7976931348623157e308, 1e16])
def test_samples_are_the_values(values: list[float | None]) -> None:
    body = answers.query_range([Series((), tuple(values))], Steps(10**10, 3 * 10**10, 10**10))
    (line,) = json.loads(body, parse_int=float)["series"]  # an integer has no -0
    assert [repr(float(sample["value"])) for sample in line["samples"]] == [repr(v) for v in values if v is not None]
