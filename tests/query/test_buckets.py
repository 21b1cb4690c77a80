"""Buckets that are powers of two, and the quantiles that are estimated from them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query import buckets


@pytest.mark.parametrize(
    ("number", "power"),
    [
        (None, None),
        (-4, None),
        (0, None),
        (1, None),
        (2, 1),
        (3, 2),
        (4, 2),
        (5, 3),
        (2**30, 30),
        (2**30 + 1, 31),
        (2**62, 62),
        (2**63 - 1, 63),
    ],
)
def test_a_bucket_holds_what_is_above_half_of_its_power(number: int | None, power: int | None) -> None:
    value = exp.cast(exp.Null() if number is None else exp.Literal.number(number), "DOUBLE")
    (found,) = duckdb.sql(exp.select(buckets.bucket(value)).sql(DuckDB)).fetchall()
    assert found == (power,)


def estimates(histograms: Sequence[Mapping[int, int]], share: float, scale: float = 1.0) -> list[float]:
    """The estimates of a quantile of several histograms, the counts of their buckets by power."""
    powers = pa.array([list(counts) for counts in histograms], pa.list_(pa.int32()))
    counts = pa.array([list(counts.values()) for counts in histograms], pa.list_(pa.int64()))
    (found,) = buckets.estimates(powers, counts, [share], scale)
    estimated: list[float] = found.to_pylist()
    return estimated


@pytest.mark.parametrize(
    ("share", "counts", "found"),
    [
        (0.0, {3: 1}, 8),
        (1.0, {3: 1}, 8),
        (0.5, {3: 2}, 4 * 2**0.5),
        (0.5, {3: 1, 4: 1}, 8),
        (0.75, {3: 2, 4: 2}, 8 * 2**0.5),
        (0.75, {3: 2, 9: 2}, 8 * 2**3),  # from the bucket before, however far below
        (0.51, {3: 50, 4: 50}, 8 * 2**0.02),
        (0.51, {4: 50, 3: 50}, 8 * 2**0.02),
    ],
)
def test_estimates(share: float, counts: dict[int, int], found: float) -> None:
    assert estimates([counts], share) == pytest.approx([found])


@given(st.lists(st.integers(2, 10**12), min_size=1, max_size=30), st.floats(0, 1))
def test_an_estimate_lies_beside_the_quantile(numbers: list[int], share: float) -> None:
    """Not above the bucket of the exact quantile, and above the bucket before that is not empty."""
    counts = Counter((number - 1).bit_length() for number in numbers)
    exact = sorted(numbers)[max(math.ceil(share * len(numbers)), 1) - 1]
    power = (exact - 1).bit_length()
    below = max((one for one in counts if one < power), default=power - 1)
    estimate = math.log2(estimates([counts], share)[0])
    assert below < estimate <= power + 1e-9


def test_histograms_are_estimated_each_by_itself() -> None:
    histograms = [{3: 2}, {9: 2, 3: 2}, {1: 7}, {3: 1, 4: 1}]
    assert estimates(histograms, 0.75) == [found for one in histograms for found in estimates([one], 0.75)]


def test_a_share_beyond_all_gives_the_last_bucket() -> None:
    assert estimates([{3: 1, 4: 1}, {2: 5}], 1.5) == [16, 4]


def test_a_limit_that_is_no_float_is_infinite() -> None:
    assert estimates([{1024: 1}], 1.0) == [math.inf]


def test_scaled_counts_are_whole_numbers() -> None:
    """Of 1 and 1 by 1.5 each bucket has 1."""
    assert estimates([{3: 1, 5: 1}], 0.5, 1.5) == estimates([{3: 1, 5: 1}], 0.5)
    assert estimates([{3: 1, 5: 2}], 0.4, 2.5) == estimates([{3: 2, 5: 5}], 0.4)


def test_without_histograms_there_are_no_estimates() -> None:
    assert estimates([], 0.5) == []
