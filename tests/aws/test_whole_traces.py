"""A trace is judged whole in the functions as in `serve`, on whatever days its spans lie."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from spanlake.aws import ingest, query
from spanlake.aws.telemetry import Handler
from tests.aws.events import Context, body_of, http_event
from tests.query.kit import HOUR, NOON, SECOND, At, request

DAY = 24 * HOUR
NOW = time.time_ns() // (60 * SECOND) * 60 * SECOND - HOUR - NOON
"""An hour ago, in nanoseconds after NOON."""

PARENT = At(1, name="root", service="front", start=NOW - 2 * DAY, length=2 * DAY)
EARLIER = At(2, 1, name="earlier", service="front", start=NOW - 2 * DAY, attributes={"only": "there"})
HERE = At(3, 1, name="here", service="back", start=NOW)
LATER = At(4, 3, name="later", service="back", start=NOW + HOUR // 2)
ALONE = At(1, trace=2, name="root", service="front", start=NOW)
TOMORROW = At(2, 1, trace=2, name="child", service="back", start=NOW + DAY)
ELSEWHERE = At(1, trace=3, name="root", service="front", start=NOW - DAY)


@pytest.fixture
def querying(environment: Mapping[str, str]) -> Handler:
    """The query function over a trace of three days, one that goes on a day later, and one of another day."""
    handle = ingest.handler()
    for span in (PARENT, EARLIER, HERE, LATER, ALONE, TOMORROW, ELSEWHERE):
        headers = {"content-type": "application/x-protobuf"}
        sent = http_event("POST", "/v1/traces", headers=headers, body=request([span]))
        assert handle(sent, Context())["statusCode"] == 200
    return query.handler()


def ask(querying: Handler, path: str, **parameters: Any) -> Any:
    when = {"start": str((NOON + NOW) // SECOND - 60), "end": str((NOON + NOW) // SECOND + 60)}
    answer = querying(http_event("GET", path, query=when | parameters), Context())
    assert answer["statusCode"] == 200, body_of(answer)
    return json.loads(body_of(answer))


SEARCHES = {
    "{ } | count() = 4": {"1"},
    "{ } | count() = 2": {"2"},
    "{ } | count() = 1": set(),
    '{ span.only = "there" } ~ { name = "here" }': {"1"},
    '{ name = "root" } > { name = "child" }': {"2"},
    '{ name = "root" && span:childCount = 1 }': {"2"},
    '{ name = "here" && rootServiceName = "front" }': {"1"},
    "{ trace:duration > 23h }": {"1", "2"},
    '{ name = "earlier" }': {"1"},
    '{ name = "child" }': {"2"},
}
METRICS = {
    "{ } | count() = 4 | count_over_time()": 1,
    "{ } | count() = 2 | count_over_time()": 1,
    '{ name = "root" } > { } | count_over_time()': 1,
    '{ span.only = "there" } ~ { } | count_over_time()': 1,
    "{ span:childCount = 1 } | count_over_time()": 2,
    '{ rootName = "root" } | count_over_time()': 2,
    "{ trace:duration > 23h } | count_over_time()": 2,
    '{ name = "here" } | max_over_time(parent.duration)': 2 * 24 * 3600,
}


def test_search_judges_a_trace_by_its_spans_of_all_days(querying: Handler) -> None:
    for text, right in SEARCHES.items():
        found = ask(querying, "/api/search", q=text)["traces"]
        assert {trace["traceID"].lstrip("0") for trace in found} == right, text


def test_metrics_judge_a_trace_by_its_spans_of_all_days(querying: Handler) -> None:
    for text, right in METRICS.items():
        (series,) = ask(querying, "/api/metrics/query", q=text)["series"]
        assert series["value"] == right, text


def test_compare_counts_roots_and_children_of_all_days(querying: Handler) -> None:
    found = ask(querying, "/api/metrics/query", q='{ } | compare({ name = "root" })')["series"]
    counted = {
        (labels["__meta_type"], labels[name])
        for series in found
        if (labels := {label["key"]: next(iter(label["value"].values())) for label in series["labels"]})
        for name in ("rootServiceName", "span:childCount")
        if name in labels and not labels["__meta_type"].endswith("_total")
    }
    assert counted == {
        ("selection", "front"),
        ("baseline", "front"),
        ("selection", "1"),
        ("baseline", "1"),
    }


def test_names_are_narrowed_by_whole_traces(querying: Handler) -> None:
    found = ask(querying, "/api/v2/search/tag/name/values", q='{ parent.name = "root" || span:childCount = 1 }')
    assert {value["value"] for value in found["tagValues"]} == {"here", "root"}


def test_a_trace_of_a_range_is_whole(querying: Handler) -> None:
    batches = ask(querying, f"/api/traces/{1:032x}")["batches"]
    names = {span["name"] for batch in batches for scope in batch["scopeSpans"] for span in scope["spans"]}
    assert names == {"root", "earlier", "here", "later"}
