import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.cli.render.series import sparkline

LEVELS = "01234567"


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, "01234567"),
        ([7, 0], 2, "70"),
        ([7, 7, 0, 0, 7, 0], 3, "704"),
        ([0, 0, 0], 3, "000"),
        ([5, 5, 5], 3, "777"),
        ([-1, 1], 2, "07"),
        ([-2, -1], 2, "04"),
        ([3], 1, "7"),
        ([1e308, -1e308, 1e308], 3, "707"),
        ([5e-324, 0], 2, "70"),
    ],
)
def test_sparkline_draws_values_to_scale(values: list[float], width: int, drawn: str) -> None:
    assert sparkline(enumerate(values), 0, len(values) - 1, width, LEVELS) == drawn


def test_sparkline_is_blank_without_samples() -> None:
    assert sparkline([(0, 1), (30, 1)], 0, 30, 4, LEVELS) == "7  7"


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.floats(allow_nan=False, allow_infinity=False))),
    st.integers(1, 40),
)
def test_sparkline_has_requested_width(samples: list[tuple[int, float]], width: int) -> None:
    drawn = sparkline(samples, 0, 1000, width, LEVELS)
    assert len(drawn) == width
    assert set(drawn) <= set(LEVELS + " ")
