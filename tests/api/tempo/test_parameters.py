"""Parameters as text, and what is made of them."""

from datetime import UTC, datetime

import pytest

from spanlake.api.tempo.parameters import MetricsParameters, RangeParameters, SearchParameters, TagParameters
from spanlake.api.typed_route import InvalidParameter
from spanlake.query.querier import ALWAYS

SECOND = 10**9
LAST = ALWAYS.end_ns


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("", None),
        ("0", 0),
        ("1795348800", 1_795_348_800 * SECOND),
        ("1795348800.5", 1_795_348_800 * SECOND + SECOND // 2),
        ("1795348800.000000001", 1_795_348_800 * SECOND + 1),
        ("1795348800000000001", 1_795_348_800 * SECOND + 1),
        ("2026-11-22T12:00:00Z", 1_795_348_800 * SECOND),
        ("2026-11-22T13:00:00.25+01:00", 1_795_348_800 * SECOND + SECOND // 4),
        ("-5", -5 * SECOND),
        ("99999999999", LAST),  # later than any span can be
        ("999999999999.9", 999_999_999_999_900_000),  # milliseconds
        ("9999999999999999999", LAST),
        ("-9999999999999999999", -LAST),
        ("9999-12-31T23:59:59Z", LAST),
    ],
)
def test_times(text: str, time: int | None) -> None:
    assert RangeParameters.read({"start": text}).start == time


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1.2.3",
        "1e9",
        "12345678901234567890",
        "2026-11-22",
        "2026-11-22T12:00:00",
        "now",
        "\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid start"):
        RangeParameters.read({"start": text})


@pytest.mark.parametrize(("start", "end"), [("5", "5"), ("6", "5"), ("2026-11-22T12:00:00Z", "5")])
def test_an_end_is_after_its_start(start: str, end: str) -> None:
    with pytest.raises(InvalidParameter, match="not after the start"):
        RangeParameters.read({"start": start, "end": end}).range()


def test_no_range_is_all_of_time() -> None:
    assert RangeParameters.read({}).range() == ALWAYS
    assert RangeParameters.read({"start": "0", "end": "0"}).range() == ALWAYS


def test_metrics_look_at_the_last_hour() -> None:
    when = RangeParameters.read({}).metrics_range()
    assert when.end_ns - when.start_ns == 3600 * SECOND
    assert abs(when.end_ns - datetime.now(UTC).timestamp() * SECOND) < 3600 * SECOND
    since = RangeParameters.read({"since": "5m", "end": "1000"}).metrics_range()
    assert (since.start_ns, since.end_ns) == (700 * SECOND, 1000 * SECOND)


def test_since_is_longer_than_nothing() -> None:
    with pytest.raises(InvalidParameter, match="invalid since: must be longer than 0s"):
        RangeParameters.read({"since": "0s"})


@pytest.mark.parametrize(("since", "length"), [({}, 3600), ({"since": "5m"}, 300)])
def test_since_counts_from_now_where_the_end_is_in_the_future(since: dict[str, str], length: int) -> None:
    now = datetime.now(UTC).timestamp()
    when = RangeParameters.read({"end": str(int(now) + 7200), **since}).metrics_range()
    assert when.end_ns == (int(now) + 7200) * SECOND
    assert abs(when.start_ns / SECOND + length - now) < 1800


@pytest.mark.parametrize(
    ("text", "number"), [("", 20), ("1", 1), ("+7", 7), ("9999999999999999999", 10**19 - 1), ("1" + "0" * 30, 10**30)]
)
def test_whole_numbers(text: str, number: int) -> None:
    assert SearchParameters.read({"limit": text}).limit == number


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.0", " 1", "1_000"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid limit"):
        SearchParameters.read({"limit": text})


@pytest.mark.parametrize("name", ["limit", "spss"])
def test_numbers_of_too_many_digits_are_refused_with_the_limit(name: str) -> None:
    with pytest.raises(InvalidParameter, match=rf"invalid {name}: '9{{40}}'… has 101 digits \(limit: 100\)"):
        SearchParameters.read({name: "9" * 101})


@pytest.mark.parametrize("name", ["limit", "maxStaleValues"])
@pytest.mark.parametrize("text", ["9" * 100_000, "x" * 100_000])
def test_long_values_are_not_repeated_in_errors(name: str, text: str) -> None:
    with pytest.raises(InvalidParameter, match=f"invalid {name}") as refused:
        TagParameters.read({name: text})
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "step"), [("", None), ("15", 15 * SECOND), ("0.5", SECOND // 2), ("1m30s", 90 * SECOND)]
)
def test_steps(text: str, step: int | None) -> None:
    assert MetricsParameters.read({"step": text}).step == step


@pytest.mark.parametrize("text", ["0", "-1s", "x", "9999999999999h", "0.0"])
def test_steps_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid step"):
        MetricsParameters.read({"step": text})


@pytest.mark.parametrize(("text", "duration"), [("", None), ("100ms", SECOND // 10), ("1.5s", 3 * SECOND // 2)])
def test_durations(text: str, duration: int | None) -> None:
    assert SearchParameters.read({"minDuration": text}).min_duration == duration


def test_durations_that_are_none() -> None:
    with pytest.raises(InvalidParameter, match="invalid minDuration: 'long' is not a duration"):
        SearchParameters.read({"minDuration": "long"})
