"""A clock that jumps ahead is not believed at once."""

import pytest

from spanlake.store.days import DAY_NS
from spanlake.store.index.base import Index
from spanlake.store.maintenance.clock import is_trusted
from tests.store.index.test_index import block
from tests.store.tables import HOUR, NOON

MINUTE = HOUR // 60


def test_is_trusted_while_the_clock_goes_on(index: Index) -> None:
    assert all(is_trusted(index, NOON + minute * MINUTE) for minute in range(3))
    assert is_trusted(index, NOON + DAY_NS)
    assert is_trusted(index, NOON + 2 * DAY_NS)


@pytest.mark.parametrize("days", [3, 365, 100_000])
def test_is_trusted_after_an_hour_of_a_clock_that_jumped(index: Index, days: int) -> None:
    assert is_trusted(index, NOON)
    ahead = NOON + days * DAY_NS
    assert not is_trusted(index, ahead)
    assert not is_trusted(index, ahead + 59 * MINUTE)
    assert is_trusted(index, ahead + HOUR)
    assert is_trusted(index, ahead + HOUR + MINUTE)


def test_is_trusted_counts_no_second_jump_as_the_hour_of_doubt(index: Index) -> None:
    assert is_trusted(index, NOON)
    assert not is_trusted(index, NOON + 100 * DAY_NS)
    assert not is_trusted(index, NOON + 365 * DAY_NS)
    assert not is_trusted(index, NOON + 365 * DAY_NS + 59 * MINUTE)
    assert is_trusted(index, NOON + 365 * DAY_NS + HOUR)


def test_is_trusted_at_once_when_the_jump_is_taken_back(index: Index) -> None:
    assert is_trusted(index, NOON)
    assert not is_trusted(index, NOON + 365 * DAY_NS)
    assert is_trusted(index, NOON + MINUTE)
    assert not is_trusted(index, NOON + 365 * DAY_NS + 2 * HOUR), "the doubt begins anew"


def test_is_trusted_compares_with_the_newest_day_where_no_run_is_on_record(index: Index) -> None:
    index.add([block("1", start_ns=NOON)], {})
    assert not is_trusted(index, NOON + 365 * DAY_NS)
    assert is_trusted(index, NOON + DAY_NS)
