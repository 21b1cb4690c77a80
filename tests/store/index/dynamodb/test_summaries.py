"""Tests the caching of a DynamoDB index's totals."""

import time

import pytest

from spanlake.store.index.dynamodb.index import DynamoIndex
from tests.cloud import Cloud, calls
from tests.patches import patch_here
from tests.store.index.test_index import block

MINUTE = 60.0


@pytest.fixture
def index(cloud: Cloud) -> DynamoIndex:
    index = DynamoIndex(cloud.table())
    index.add([block("1", tenant=f"tenant-{number}") for number in range(10)], {})
    index.summary()
    return index


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds by which the monotonic clock of the summaries is ahead."""
    ahead = [0.0]
    monotonic = time.monotonic
    patch_here(monkeypatch, time, "monotonic", lambda: monotonic() + ahead[0])
    return ahead


def queries(index: DynamoIndex) -> int:
    with calls(index.client) as made:
        assert len(index.summary()) == 10
    return made.count("Query")


def test_days_without_change_are_looked_at_less_and_less_often(index: DynamoIndex, clock: list[float]) -> None:
    asked = []
    for minute in range(1, 20):
        clock[0] = minute * MINUTE + 1
        asked.append(queries(index))
    assert asked[0] == 1 + 10, "the list of tenants, and the days of each"
    assert sum(asked) <= 19 + 10 * 5, "after 1, 2, 4, 8 and 10 minutes"


def test_days_that_this_process_changes_are_looked_at_each_time(index: DynamoIndex, clock: list[float]) -> None:
    for minute in range(1, 4):
        clock[0] = minute * MINUTE / 4
        index.add([block(f"more-{minute}", tenant="tenant-3")], {})
        assert sum(day.blocks for day in index.summary()) == 10 + minute
        assert queries(index) == 1
