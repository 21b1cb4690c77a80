"""Sums as Tempo makes them, one span after the other, against what SQL tells of all of them at once."""

import math
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query import lossy_sums
from spanlake.query.measures import VALUE
from spanlake.traceql import Dialect
from tests.query.kit import SECOND, At, Lake, steps, trace_id

STEP = 10 * SECOND
Spans = list[tuple[int, int, float | None]]  # trace, group, value


def one_by_one(values: list[float | None]) -> float | None:
    """A compensated sum in which what is missing is not a number."""
    total, lost = math.nan, 0.0
    for value in (math.nan if value is None else value for value in values):
        if math.isnan(total):
            total = value
        else:
            addend = value - lost
            larger, smaller = sorted((total, addend), key=abs, reverse=True)
            total = larger + smaller
            lost = (larger - total) + smaller
    return None if math.isnan(total) else total


def at_once(spans: Spans) -> dict[int | None, float | None]:
    table = pa.table(
        {
            lossy_sums.TRACE: pa.array([trace_id(trace) for trace, _, _ in spans], pa.binary()),
            lossy_sums.PLACE: pa.array(range(len(spans)), pa.int64()),
            "g": pa.array([group or None for _, group, _ in spans], pa.int64()),
            VALUE: pa.array([value for *_, value in spans], pa.float64()),
        }
    )
    grouped = exp.select("g", *lossy_sums.aggregates(exp.column(VALUE))).group_by("g")
    query = lossy_sums.with_tails(grouped, exp.select("*").from_("stored"), ["g"], exp.column(VALUE))
    with duckdb.connect() as duck:
        duck.register("stored", table)
        rows = duck.execute(query.sql(DuckDB)).to_arrow_table().to_pylist()
    return {row["g"]: lossy_sums.read(row) for row in rows}


spans = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2), st.one_of(st.none(), st.integers(1, 9))), max_size=12)


@settings(max_examples=40, deadline=None)
@given(spans)
def test_as_added_one_by_one(spans: Spans) -> None:
    stored = sorted(spans, key=lambda span: span[0])
    groups = {group or None: [value for _, g, value in stored if g == group] for _, group, _ in spans}
    assert at_once(spans) == {group: one_by_one(values) for group, values in groups.items()}


@pytest.mark.parametrize(
    ("values", "kept", "exact"),
    [
        ([1, 2, 3], 6, 6),
        ([None, None, 1, 2], 3, 3),
        ([1, 2, None], None, 3),
        ([1, None, 2], 2, 3),
        ([1, None, 2, 4], None, 7),
        ([1, None, 2, 4, 8], 8, 15),
        ([None], None, None),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_what_follows_a_gap(lake: Lake, values: list[int | None], kept: float, exact: float, apart: bool) -> None:
    for n, value in enumerate(values, 1):
        attributes = {"n": value} if value is not None else {}
        lake.add(At(n, trace=n if apart else 1, start=1, attributes=attributes))
    for dialect, total in ((Dialect.tempo(), kept), (Dialect.extended(), exact)):
        found = lake.series("{} | sum_over_time(span.n)", steps(0, STEP, STEP), dialect=dialect)
        assert found == ({} if total is None else {("sum_over_time",): (None, total)})


@pytest.mark.parametrize("dialect", [Dialect.tempo(), Dialect.extended()])
@pytest.mark.parametrize(("hint", "series"), [("true", {("sum_over_time",): (None, 3)}), ("false", {})])
def test_a_hint_says_how_exact_it_is_to_be(lake: Lake, dialect: Dialect, hint: str, series: dict[Any, Any]) -> None:
    lake.add(At(1, start=1, attributes={"n": 1}), At(2, start=1, attributes={"n": 2}), At(3, start=1))
    query = f"{{}} | sum_over_time(span.n) with (exact={hint})"
    assert lake.series(query, steps(0, STEP, STEP), dialect=dialect) == series


def test_under_a_structural_filter(lake: Lake) -> None:
    lake.add(At(1, start=1), *(At(n, 1, start=1, attributes={"n": n} if n != 4 else {}) for n in range(2, 6)))
    found = lake.series("{ } > { } | sum_over_time(span.n)", steps(0, STEP, STEP))
    assert found == {("sum_over_time",): (None, 5)}


def test_durations_are_never_missing(lake: Lake) -> None:
    lake.add(At(1, start=1, length=SECOND), At(2, start=1, length=2 * SECOND))
    assert lake.series("{} | sum_over_time(duration)", steps(0, STEP, STEP)) == {("sum_over_time",): (None, 3)}
