"""Blocks in which nothing matched are not read again for the same test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanlake.query.scan.misses import Misses
from tests.query.kit import SECOND, At, Lake

QUERY = "{ span.n = 3 }"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    made = Lake(tmp_path)
    yield made
    made.close()


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
