import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.cli.render.numbers import counted, duration, mean, moment, number

S = 10**9


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "0s"),
        (1, "1ns"),
        (999, "999ns"),
        (1_000, "1µs"),
        (12_345, "12.3µs"),
        (1_234_567, "1.23ms"),
        (97_300_000, "97.3ms"),
        (100_000_000, "100ms"),
        (S, "1s"),
        (59 * S, "59s"),
        (60 * S, "1m"),
        (90 * S, "1m30s"),
        (3600 * S, "1h"),
        (2 * 3600 * S + 300 * S, "2h5m"),
        (86_400 * S, "1d"),
        (100 * 3600 * S, "4d4h"),
        (-3_000_000, "-3ms"),
        (999 * 86_400 * S + 23 * 3600 * S, "999d23h"),
        (-97_149_600 * S, "-1124d"),
    ],
)
def test_duration_is_shown_in_fitting_unit(nanoseconds: int, shown: str) -> None:
    assert duration(nanoseconds) == shown


@given(st.integers(-(10**17), 10**17))
def test_duration_is_at_most_eight_characters(nanoseconds: int) -> None:
    assert len(duration(nanoseconds)) <= 8


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (1.05, "1.05"),
        (12.3456, "12.35"),
        (999.96, "1,000"),
        (1234.56, "1,235"),
        (1_234_567.0, "1,234,567"),
        (-1234.5, "-1,234"),
        (0.016666, "0.01667"),
        (0.00001, "1e-05"),
        (1e15, "1.000e+15"),
    ],
)
def test_number_is_shown_rounded(value: float, shown: str) -> None:
    assert number(value) == shown


@given(st.floats(-1e300, 1e300))
def test_number_keeps_at_least_three_digits(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=6e-4, abs=1e-300)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_mean_is_between_minimum_and_maximum(values: list[float]) -> None:
    found = mean(values)
    assert min(values) <= found <= max(values) or found == pytest.approx(values[0])


@pytest.mark.parametrize("nanoseconds", [0, 1, 2**63, 2**64 - 1])
def test_moment_shows_every_time(nanoseconds: int) -> None:
    assert len(moment(nanoseconds)) == 23


def test_moment_shows_utc_milliseconds() -> None:
    assert moment(1_795_350_592_626_876_320) == "2026-11-22 12:29:52.626"


@pytest.mark.parametrize(("count", "shown"), [(0, "0 spans"), (1, "1 span"), (2, "2 spans"), (1951, "1,951 spans")])
def test_counted_uses_singular_and_plural(count: int, shown: str) -> None:
    assert counted(count, "span") == shown
