"""Whatever a server says is understood or refused in so many words."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.cli.client import json as answer
from spanlake.cli.client.search import parse_search
from spanlake.cli.client.series import parse_series
from spanlake.cli.client.trace import parse_trace
from spanlake.cli.errors import MalformedAnswer
from tests.cli.spans import shop
from tests.cli.tempo import trace_answer

KEYS = [
    *("traces", "traceID", "startTimeUnixNano", "durationMs", "rootTraceName", "spanSet", "spanSets", "spans"),
    *("matched", "attributes", "key", "value", "intValue", "doubleValue", "boolValue", "arrayValue", "values"),
    *("kvlistValue", "stringValue", "series", "labels", "samples", "timestampMs", "message"),
]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1", "-1", "NaN", "x"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=20
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_read_answer_raises_only_its_error_on_any_json(given_answer: dict[str, object]) -> None:
    for read in (parse_search, parse_series):
        with suppress(MalformedAnswer):
            read(answer.parse(json.dumps(given_answer).encode()))


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_read_answer_raises_only_its_error_on_any_protobuf(noise: bytes, start: int, end: int) -> None:
    whole = trace_answer(shop(), "note")
    for body in (noise, whole[:start], whole[:start] + noise + whole[end:]):
        with suppress(MalformedAnswer):
            parse_trace(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b'{"a": \x1b}',
    ],
)
def test_read_answer_rejects_json_that_is_not_an_object(body: bytes) -> None:
    with pytest.raises(MalformedAnswer) as caught:
        answer.parse(body)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("given_answer", "complaint"),
    [
        ({"traces": {}}, "traces is not a list"),
        ({"traces": [1]}, "traces is not an object"),
        ({"traces": [{"traceID": 1}]}, "traceID is not text"),
        ({"traces": [{"startTimeUnixNano": "x"}]}, "startTimeUnixNano is not a number"),
        ({"traces": [{"startTimeUnixNano": str(2**64)}]}, "startTimeUnixNano is not a number"),
        ({"traces": [{"durationMs": -1}]}, "durationMs is not a number"),
        ({"traces": [{"durationMs": "9" * 5000}]}, "durationMs is not a number"),
    ],
)
def test_read_search_rejects_malformed_answer(given_answer: dict[str, object], complaint: str) -> None:
    with pytest.raises(MalformedAnswer, match=complaint):
        parse_search(given_answer)


@pytest.mark.parametrize(
    ("given_answer", "complaint"),
    [
        ({"series": [{"samples": [{"value": []}]}]}, "value is not a number"),
        ({"series": [{"samples": [{"value": "x"}]}]}, "value is not a number"),
        ({"series": [{"samples": [{"value": 10**400}]}]}, "value is not a number"),
        ({"series": [{"labels": [{"value": 1}]}]}, "an attribute's value is not an object"),
        ({"series": [{"labels": [{"value": {"intValue": "x"}}]}]}, "intValue is not a whole number"),
        ({"series": [{"labels": [{"value": {"intValue": 1.5}}]}]}, "intValue is not a whole number"),
    ],
)
def test_read_series_rejects_malformed_answer(given_answer: dict[str, object], complaint: str) -> None:
    with pytest.raises(MalformedAnswer, match=complaint):
        parse_series(given_answer)


def test_read_answer_rejects_attribute_nested_too_deep() -> None:
    value: dict[str, object] = {"stringValue": "x"}
    for _ in range(2000):
        value = {"arrayValue": {"values": [value]}}
    with pytest.raises(MalformedAnswer, match="nested too deep"):
        parse_series({"series": [{"labels": [{"key": "a", "value": value}]}]})
