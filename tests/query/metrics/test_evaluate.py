"""Time series of spans: which step a span counts for, and what is made of the steps' values."""

from typing import Any

import pytest

from spanlake.query.limits import LimitExceeded, Limits
from spanlake.query.time_range import Steps, default_step
from tests.query.kit import HOUR, MINUTE, NOON, SECOND, At, Lake, steps

STEP = 10 * SECOND


@pytest.mark.parametrize(
    ("start", "end", "step", "points"),
    [
        (0, 20, 10, [0, 10, 20]),
        (1, 20, 10, [0, 10, 20]),
        (0, 21, 10, [0, 10, 20, 30]),
        (9, 11, 10, [0, 10, 20]),
    ],
)
def test_points_lie_on_multiples_of_the_step(start: int, end: int, step: int, points: list[int]) -> None:
    found = steps(start * SECOND, end * SECOND, step * SECOND)
    assert [found.at_ms(n) for n in range(found.count)] == [NOON // 10**6 + point * 1000 for point in points]


@pytest.mark.parametrize(
    ("length", "step"),
    [
        (1, SECOND // 20),
        (SECOND, SECOND // 20),
        (30 * SECOND, SECOND // 10),
        (MINUTE - 1, SECOND // 5),
        (MINUTE, SECOND),
        (5 * MINUTE, SECOND),
        (10 * MINUTE, 2 * SECOND),
        (21 * MINUTE, 5 * SECOND),
        (HOUR, 15 * SECOND),
        (6 * HOUR, MINUTE),
        (24 * HOUR, 5 * MINUTE),
        (240 * 24 * HOUR, 24 * HOUR),
    ],
)
def test_default_step(length: int, step: int) -> None:
    assert default_step(NOON, NOON + length) == step


def test_too_many_steps() -> None:
    with pytest.raises(LimitExceeded, match="more than 20000"):
        steps(0, 20_001, 1)


@pytest.mark.parametrize(
    ("after", "counted"),
    [
        (-STEP, (0, 0, 0)),
        (1 - STEP, (1, 0, 0)),
        (-1, (1, 0, 0)),
        (0, (1, 0, 0)),
        (1, (0, 1, 0)),
        (STEP, (0, 1, 0)),
        (STEP + 1, (0, 0, 1)),
        (2 * STEP, (0, 0, 1)),
        (2 * STEP + 1, (0, 0, 0)),
    ],
)
def test_a_span_counts_for_the_step_that_ends_with_it(lake: Lake, after: int, counted: tuple[int, ...]) -> None:
    lake.add(At(1, start=after), At(2, start=HOUR))
    found = lake.series("{} | count_over_time()", steps(0, 2 * STEP, STEP))
    assert found == {("count_over_time",): counted}


@pytest.fixture
def measured(lake: Lake) -> Lake:
    """Values 1 to 4 of two kinds: 1, 2 in the first step, 3 in the second, 4 without a kind in the third."""
    lake.add(
        At(1, start=1, length=1 * SECOND, attributes={"n": 1, "kind": "a"}),
        At(2, 1, start=2, length=2 * SECOND, attributes={"n": 2, "kind": "b"}, status=2),
    )
    lake.add(At(3, start=STEP + 1, length=3 * SECOND, attributes={"n": 3.0, "kind": "a"}))
    lake.add(At(4, start=2 * STEP + 1, length=4 * SECOND, attributes={"n": 4}))
    lake.add(At(5, start=2 * STEP + 2, length=5 * SECOND, attributes={"n": "text"}))
    return lake


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ("{} | rate()", {("rate",): (0, 0.2, 0.1, 0.2)}),
        ("{} | count_over_time()", {("count_over_time",): (0, 2, 1, 2)}),
        (
            "{} | count_over_time() by (span.kind)",
            {("a",): (0, 1, 1, 0), ("b",): (0, 1, 0, 0), ("nil",): (0, 0, 0, 2)},
        ),
        (
            "{} | count_over_time() by (status, span.none)",
            {("unset",): (0, 1, 1, 2), ("error",): (0, 1, 0, 0)},
        ),
        ("{} | count_over_time() by (span.none)", {("nil",): (0, 2, 1, 2)}),
        ("{ span.kind = `x` } | count_over_time() by (span.none)", {}),
        ("{} | rate() by (span.none, span.other)", {("nil",): (0, 0.2, 0.1, 0.2)}),
        (
            "{} | min_over_time(span.n) by (span.none, span.kind)",
            {("a",): (None, 1, 3, None), ("b",): (None, 2, None, None), ("nil",): (None, None, None, 4)},
        ),
        ("{} | min_over_time(span.n)", {("min_over_time",): (None, 1, 3, 4)}),
        ("{} | max_over_time(span.n)", {("max_over_time",): (None, 2, 3, 4)}),
        ("{} | avg_over_time(span.n)", {("avg_over_time",): (None, 1.5, 3, 4)}),
        ("{} | sum_over_time(span.n)", {("sum_over_time",): (None, 3, 3, 4)}),
        ("{} | sum_over_time(duration)", {("sum_over_time",): (None, 3, 3, 9)}),
        ("{} | max_over_time(span.none)", {}),
        ("{} | quantile_over_time(span.n, 0, 1)", {(0.0,): (None, 1, 3, 4), (1.0,): (None, 2, 3, 4)}),
        (
            "{} | quantile_over_time(duration, 1) by (span.kind)",
            {("a", 1.0): (None, 1, 3, None), ("b", 1.0): (None, 2, None, None), (1.0,): (None, None, None, 5)},
        ),
        ("{} | histogram_over_time(span.n)", {(1.0,): (0, 1, 0, 0), (2.0,): (0, 1, 0, 0), (4.0,): (0, 0, 1, 1)}),
        ("{ span.kind = `x` } | rate()", {("rate",): (0, 0, 0, 0)}),
        ("{ span.kind = `x` } | count_over_time()", {("count_over_time",): (0, 0, 0, 0)}),
        ("{ span.kind = `x` } | max_over_time(span.n)", {}),
        ("({ span.kind = `x` } | rate()) / ({} | rate())", {("(rate / rate)",): (None, 0, 0, 0)}),
        ("{} > {} | count_over_time()", {("count_over_time",): (0, 1, 0, 0)}),
        ("{} | count_over_time() by (span.kind) | topk(1)", {("a",): (0, 1, 1, None), ("nil",): (None, None, None, 2)}),
        (
            "{} | count_over_time() by (span.kind) | bottomk(1)",
            {("a",): (0, None, None, 0), ("b",): (None, None, 0, None), ("nil",): (None, 0, None, None)},
        ),
        ("{} | count_over_time() by (span.kind) > 1", {("nil",): (None, None, None, 2)}),
        ("({} | count_over_time()) * 2", {("count_over_time",): (0, 4, 2, 4)}),
        ("6 / ({} | count_over_time())", {("count_over_time",): (None, 3, 6, 3)}),
        (
            "({ status = error } | count_over_time()) / ({} | count_over_time())",
            {("(count_over_time / count_over_time)",): (None, 0.5, 0, 0)},
        ),
        (
            "({} | rate() by (span.kind)) - ({} | rate() by (span.kind))",
            {("a",): (0, 0, 0, 0), ("b",): (0, 0, 0, 0), ("nil",): (0, 0, 0, 0)},
        ),
        (
            "({} | rate() by (span.kind)) - ({} | rate())",
            {("a",): (0, -0.1, 0, -0.2), ("b",): (0, -0.1, -0.1, -0.2), ("nil",): (0, -0.2, -0.1, 0)},
        ),
    ],
)
def test_series(measured: Lake, query: str, series: dict[Any, tuple[float | None, ...]]) -> None:
    found = measured.series(query, steps(0, 3 * STEP, STEP))
    assert found == series if "topk" not in query and "bottomk" not in query else _alike(found, series)


def _alike(found: dict[Any, tuple[float | None, ...]], series: dict[Any, tuple[float | None, ...]]) -> bool:
    """At each point the same values are kept; which of equal ones is another matter."""
    return [_kept(found, n) for n in range(4)] == [_kept(series, n) for n in range(4)]


def _kept(series: dict[Any, tuple[float | None, ...]], n: int) -> list[float]:
    return sorted(value for values in series.values() if (value := values[n]) is not None)


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ("{} | count_over_time()", {("count_over_time",): (5.0,)}),
        ("{} | rate()", {("rate",): (5 / 60,)}),
        ("{} | max_over_time(span.n) by (span.kind)", {("a",): (3.0,), ("b",): (2.0,), ("nil",): (4.0,)}),
    ],
)
def test_one_value_for_a_range(measured: Lake, query: str, series: dict[Any, tuple[float | None, ...]]) -> None:
    assert measured.series(query, Steps.whole(NOON, NOON + MINUTE)) == series


def test_numbers_beyond_bounds_do_not_fail(lake: Lake) -> None:
    for n, value in enumerate((float("inf"), -float("inf"), float("nan"), 1.7e308, -1.7e308, 0.0, 2**63 - 1, -(2**63))):
        lake.add(At(n + 1, attributes={"x": value, "k": n}))
    for function in ("histogram", "sum", "avg", "min", "max"):
        query = f"{{}} | {function}_over_time(span.x) by (span.k)"
        assert lake.lines(query, steps(0, STEP, STEP))
    assert lake.lines("{} | quantile_over_time(span.x, 0, 0.5, 1)", steps(0, STEP, STEP))


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ("{} | by(event:name) | count_over_time()", {("count_over_time",): (2,)}),
        ("{} | count_over_time() by (event:name)", {("a",): (1,), ("b",): (1,), ("nil",): (1,)}),
        ("{} | sum_over_time(event.x)", {("sum_over_time",): (6,)}),
        ("{} | max_over_time(event.x) by (event:name)", {("a",): (3,), ("b",): (3,)}),
        ("{} | max_over_time(event:timeSinceStart)", {("max_over_time",): (2,)}),
    ],
)
def test_series_of_events(lake: Lake, query: str, series: dict[Any, tuple[float | None, ...]]) -> None:
    events = [("a", 0, {"x": 1}), ("b", 2 * SECOND, {"x": 2}), ("b", SECOND, {"x": 3})]
    lake.add(At(1, start=1, events=events), At(2, 1, start=2))
    assert lake.series(query, Steps.whole(NOON, NOON + MINUTE)) == series


def test_counts_are_zero_where_nothing_is_stored(lake: Lake) -> None:
    assert lake.series("{} | rate()", steps(0, STEP, STEP)) == {("rate",): (0, 0)}
    assert lake.series("{} | count_over_time()", Steps.whole(NOON, NOON + STEP)) == {("count_over_time",): (0,)}
    assert lake.lines("{} | rate() by (name)", steps(0, STEP, STEP)) == []
    assert lake.lines("{} | max_over_time(duration)", steps(0, STEP, STEP)) == []


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(series=5), "more than 5 series.*--query-series"),
        (Limits(points=99), "more than 99 points.*--query-points"),
    ],
)
def test_too_many_series(tmp_path: Any, limits: Limits, message: str) -> None:
    lake = Lake(tmp_path, limits)
    lake.add(*(At(n, attributes={"k": n}) for n in range(1, 11)))
    with pytest.raises(LimitExceeded, match=message):
        lake.lines("{} | rate() by (span.k)", steps(0, 10 * STEP, STEP))
    lake.close()
