"""Metrics of a sample: which spans are taken, and what they stand for."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.query import sampling
from spanlake.query.sampling import Sampler
from spanlake.traceql import Dialect
from tests.query.kit import MINUTE, SECOND, At, Lake, steps


def adapted(counts: list[bool], delay: int) -> list[int]:
    """One span after the other is offered to the sampler; it hears of those that count some spans later."""
    taken: list[int] = []
    heard = counted = interval = 0
    turn = -1
    for number in range(len(counts)):
        if counted:
            turn = (turn + 1) % interval
        if counted and turn:
            continue
        taken.append(number)
        while heard < len(taken) - delay:
            if counts[taken[heard]]:
                counted += 1
                interval = min(math.ceil(counted / len(taken) * 10), 10)
            heard += 1
    return taken


@given(st.lists(st.booleans(), max_size=400), st.integers(1, 2))
def test_as_offered_one_by_one(counts: list[bool], delay: int) -> None:
    assert list(Sampler(None, delay).taken(len(counts), bytes(counts))) == adapted(counts, delay)


@given(st.integers(0, 400), st.integers(1, 2))
def test_where_every_span_counts(count: int, delay: int) -> None:
    assert list(Sampler(None, delay).taken(count, None)) == adapted([True] * count, delay)


def test_a_tenth_in_the_long_run() -> None:
    taken = Sampler(None, 1).taken(1951, None)
    assert len(taken) == 199
    assert list(taken[:9]) == [0, 1, 2, 9, 17, 25, 34, 43, 52]


HALF = 30 * SECOND


@pytest.fixture
def spans(tmp_path: Path) -> Iterator[Lake]:
    """Forty spans of twenty traces in two blocks, each of which holds one of a trace's spans; half are of kind 2."""
    lake = Lake(tmp_path, dialect=Dialect.served())
    traces = range(20, 0, -1)
    lake.add(*(At(1, trace=n, start=1 + n % 2 * HALF, length=4 * SECOND, attributes={"n": n}) for n in traces))
    lake.add(*(At(2, 1, trace=n, start=2 + n % 2 * HALF, length=2 * SECOND, kind=2) for n in traces))
    yield lake
    lake.close()


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ("{} | count_over_time() with (sample=0.5)", {("count_over_time",): (0, 20, 20)}),
        ("{} | count_over_time() by (kind) with (sample=0.5)", {("unspecified",): (0, 20, 20)}),
        ("{} | count_over_time() by (kind) with (sample=0.4)", {("unspecified",): (0, 20, 20)}),
        ("{} | count_over_time() by (kind) with (span_sample=0.5)", {("unspecified",): (0, 20, 20)}),
        ("{} | rate() with (sample=0.5)", {("rate",): (0, 2 / 3, 2 / 3)}),
        ("{} | count_over_time() with (sample=0.25)", {("count_over_time",): (0, 0, 40)}),
        ("{} | sum_over_time(duration) with (sample=0.5)", {("sum_over_time",): (None, 80, 80)}),
        ("{} | max_over_time(duration) with (sample=0.5)", {("max_over_time",): (None, 4, 4)}),
        ("{} | avg_over_time(duration) with (sample=0.5)", {("avg_over_time",): (None, 4, 4)}),
        ("{} | histogram_over_time(duration) with (sample=0.5)", {(2**32 / 1e9,): (0, 20, 20)}),
        ("{} | quantile_over_time(duration, 0.5) with (sample=0.5)", {(0.5,): (0, 2**31.5 / 1e9, 2**31.5 / 1e9)}),
        # what is not sampled
        ("{} | count_over_time() with (sample=false)", {("count_over_time",): (0, 20, 20)}),
        (
            "{} | count_over_time() by (kind) with (sample=2.0)",
            {("unspecified",): (0, 10, 10), ("server",): (0, 10, 10)},
        ),
        (
            "{} | count_over_time() by (kind) with (trace_sample=0.1)",
            {("unspecified",): (0, 10, 10), ("server",): (0, 10, 10)},
        ),
        ("{ kind = server } | count_over_time() with (sample=true)", {("count_over_time",): (0, 10, 10)}),
        ("{} | count() > 1 | count_over_time() with (sample=true)", {("count_over_time",): (0, 20, 20)}),
        ("{} | count_over_time() by (rootName) with (sample=0.5)", {("1",): (0, 20, 20)}),
        (
            "{} | count_over_time() by (parent.kind) with (sample=0.5)",
            {("nil",): (0, 10, 10), ("unspecified",): (0, 10, 10)},
        ),
        ("({} | count_over_time()) * 1 with (sample=true)", {("count_over_time",): (0, 20, 20)}),
    ],
)
def test_what_is_taken_is_scaled_up(spans: Lake, query: str, series: dict[Any, tuple[float | None, ...]]) -> None:
    found = spans.series(query, steps(0, MINUTE, HALF))
    assert found == {labels: pytest.approx(values) for labels, values in series.items()}


@pytest.mark.parametrize("dialect", [Dialect.tempo(), Dialect.extended()])
def test_a_sample_is_the_same_each_time(spans: Lake, dialect: Dialect) -> None:
    query = "{} | count_over_time() by (span.n) with (sample=true)"
    found = spans.series(query, steps(0, MINUTE, HALF), dialect=dialect)
    assert found == spans.series(query, steps(0, MINUTE, HALF), dialect=dialect)
    assert (len(found) == 21) is dialect.exact


def test_spans_of_other_times_are_offered_too(spans: Lake) -> None:
    query = "{} | count_over_time() with (sample=true)"
    late = spans.series(query, steps(HALF, MINUTE, HALF))
    taken = adapted([n % 2 == 1 for n in range(1, 21) for _ in range(2)], 1)
    counted = sum(number // 2 % 2 == 0 for number in taken)
    assert late[("count_over_time",)][1] == pytest.approx(counted * 40 / len(taken))


def test_of_more_spans_than_memory_holds_every_one_counts(spans: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_SPAN_BYTES", spans.duck.limits.memory_bytes)
    found = spans.series("{} | count_over_time() by (kind) with (sample=0.5)", steps(0, MINUTE, HALF))
    assert found == {("unspecified",): (0, 10, 10), ("server",): (0, 10, 10)}
