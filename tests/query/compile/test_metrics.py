"""The buckets of histograms: powers of two, of negative numbers too."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from spanlake.query.compile.metrics import bucket, limit, nearest_power, whole_bucket
from spanlake.query.engine.duckdb import DuckDB

FINITE = st.floats(-(2.0**1023), 2.0**1023, allow_subnormal=False)


def limits(*numbers: float) -> list[float]:
    """The limits of the buckets of some numbers."""
    duck = DuckDB([])
    columns = [exp.alias_(_bucket(number), f"n{n}") for n, number in enumerate(numbers)]
    (row,) = duck.session().run(exp.select(*columns)).to_pylist()
    duck.close()
    return [limit(code) for code in row.values()]


def _bucket(number: float) -> exp.Expr:
    is_whole = isinstance(number, int)
    one = exp.cast(exp.Literal.string(str(number)), "BIGINT" if is_whole else "DOUBLE")
    return whole_bucket(one) if is_whole else bucket(one, nearest_power(one))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("power", range(63))
def test_buckets_of_integers_beside_powers_of_two(power: int, sign: int) -> None:
    exact = 2**power
    beside = [exact - 1, exact, exact + 1] if power > 1 else [exact]
    next_ = 2 * exact if power < 53 else exact  # the nearest float is the power itself
    above = [exact, exact, next_] if power > 1 else [exact]
    if sign < 0:
        beside, above = (beside[1:], [exact, exact]) if 1 < power < 53 else ([exact], [exact])
    assert limits(*(sign * number for number in beside)) == [float(sign * number) for number in above]


LARGE = st.integers(53, 62).flatmap(lambda power: st.integers(2**power, 2**power + 2**11))


@settings(max_examples=15)
@given(st.lists(st.integers(1, 2**63 - 1) | LARGE, min_size=1, max_size=50))
def test_bucket_of_integer_is_that_of_its_nearest_float(numbers: list[int]) -> None:
    assert limits(*numbers) == limits(*map(float, numbers))


def test_buckets_of_the_largest_integers() -> None:
    assert limits(2**63 - 1, -(2**63)) == [2.0**63, -(2.0**63)]


@pytest.mark.parametrize(
    ("number", "found"),
    [(0, 0), (0.3, 0.5), (0.5, 0.5), (1, 1), (3, 4), (4, 4), (-3, -2), (-4, -4), (-0.3, -0.25), (2.0**60, 2.0**60)],
)
def test_limit_of_a_numbers_bucket(number: float, found: float) -> None:
    assert limits(number) == [found]


def test_a_limit_that_is_no_float_is_infinite() -> None:
    assert limits(1.7e308) == [math.inf]


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_no_number_exceeds_its_limit_and_half_of_it_is_too_low(numbers: list[float]) -> None:
    for number, found in zip(numbers, limits(*numbers), strict=True):
        assert number <= found
        assert number == found == 0 or (number > found / 2 if number > 0 else number > found * 2)


@given(st.integers(-1000, 1000), st.sampled_from([-1, 0, 1]))
def test_powers_of_two_are_told_from_their_neighbours(power: int, beside: int) -> None:
    exact = 2.0**power
    number = math.nextafter(exact, math.inf * beside) if beside else exact
    assert limits(number) == [exact * 2 if beside > 0 else exact]
