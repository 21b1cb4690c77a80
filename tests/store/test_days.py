"""UTC days of times in nanoseconds."""

from datetime import date

import pytest

from spanlake.store.days import DAY_NS, MAX_NS, MIN_NS, utc_day
from tests.store.tables import NOON


@pytest.mark.parametrize(
    ("ns", "day"),
    [
        (0, date(1970, 1, 1)),
        (-1, date(1969, 12, 31)),
        (DAY_NS - 1, date(1970, 1, 1)),
        (DAY_NS, date(1970, 1, 2)),
        (NOON, date(2026, 11, 22)),
        (MAX_NS, date(2262, 4, 11)),
        (2**64, date(2262, 4, 11)),
        (MIN_NS, date(1677, 9, 21)),
        (-(10**30), date(1677, 9, 21)),
    ],
)
def test_utc_day(ns: int, day: date) -> None:
    assert utc_day(ns) == day
