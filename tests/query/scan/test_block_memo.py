"""The values of a field in a block are read once, where they are few."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanlake.query.scan.block_memo import KnownValues, Misses
from spanlake.query.time_range import TimeRange
from tests.query.kit import NOON, SECOND, At, Lake, trace_id
from tests.query.kit import TENANT as TENANT_

TAG = "span.n"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    made = Lake(tmp_path)
    yield made
    made.close()


def test_values_are_read_only_of_blocks_that_are_new(lake: Lake, tmp_path: Path) -> None:
    (block,) = lake.add(At(1, attributes={"n": 4}), At(2, attributes={"n": 3}), At(3))
    assert lake.values(TAG) == [("int", "3"), ("int", "4")]
    (tmp_path / block.path).unlink()
    lake.add(At(1, trace=2, attributes={"n": 3}), At(2, trace=2, attributes={"n": 5}))
    assert lake.values(TAG) == [("int", "3"), ("int", "4"), ("int", "5")]


def test_values_of_a_deleted_trace_are_gone(lake: Lake) -> None:
    lake.add(At(1, attributes={"n": 4}), At(2, trace=2, attributes={"n": 3}))
    assert len(lake.values(TAG)) == 2
    assert lake.querier.delete(TENANT_, trace_id(1))
    assert lake.values(TAG) == [("int", "3")]


def test_values_of_a_part_of_a_block_are_read(lake: Lake) -> None:
    lake.add(At(1, attributes={"n": 4}), At(2, attributes={"n": 3}, start=500 * SECOND))
    assert len(lake.values(TAG)) == 2
    assert lake.values(TAG, when=TimeRange(NOON, NOON + 100 * SECOND)) == [("int", "4")]


@pytest.mark.parametrize("values", [range(40), [f"v{n:02}" for n in range(40)], [n + 0.5 for n in range(40)]])
def test_many_values_are_read_each_time(lake: Lake, values: list[object]) -> None:
    lake.use(values=KnownValues(most=8))
    lake.add(*(At(n + 1, attributes={"n": value}) for n, value in enumerate(values)))
    lake.add(At(99, trace=2, attributes={"n": values[0]}))
    for _ in range(2):
        assert len(lake.values(TAG)) == 40


@pytest.mark.parametrize("make", [int, str])
def test_values_of_some_blocks_are_all_there_beside_a_block_of_many(lake: Lake, make: Callable[[int], object]) -> None:
    lake.use(values=KnownValues(most=8))
    for trace, count in enumerate((7, 40, 6, 5), 1):
        lake.add(*(At(n + 1, trace=trace, attributes={"n": make(100 * trace + n)}) for n in range(count)))
    for _ in range(2):
        assert len(lake.values(TAG)) == 58


@pytest.mark.parametrize("value", [True, 2.5, "a", 3, ["a", "b"]])
def test_values_of_any_type_beside_blocks_without_any(lake: Lake, value: object) -> None:
    lake.add(At(1, attributes={"other": 1}), At(2, events=[("e", 1, {"other": 1})]))
    lake.add(At(1, trace=2, attributes={"n": value}, events=[("e", 1, {"n": value})]))
    for tag in (TAG, "event.n"):
        first = lake.values(tag)
        assert first
        assert lake.values(tag) == first


QUERY = "{ span.n = 3 }"


def test_search_asked_again_reads_only_blocks_that_are_new(lake: Lake, tmp_path: Path) -> None:
    (block,) = lake.add(At(1, attributes={"n": 4}))
    assert lake.traces(QUERY) == []
    (tmp_path / block.path).unlink()
    assert lake.traces(QUERY) == []
    lake.add(At(2, trace=2, attributes={"n": 3}))
    assert lake.traces(QUERY) == [2]


def test_misses_of_a_range_do_not_hold_beyond_it(lake: Lake) -> None:
    lake.add(At(1, attributes={"n": 3}, start=500 * SECOND), At(2, trace=2, attributes={"n": 4}))
    assert lake.traces(QUERY, end=10 * SECOND) == []
    assert lake.traces(QUERY) == [1]


def test_misses_keep_the_tests_asked_last(lake: Lake) -> None:
    blocks, known = lake.add(At(1)), Misses(most_tests=1)
    known.add(blocks, "one")
    assert known.without(blocks, "one") == []
    known.add(blocks, "other")
    assert known.without(blocks, "one") == blocks
