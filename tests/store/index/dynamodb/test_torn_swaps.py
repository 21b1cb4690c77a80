"""Queries of DynamoDB that show a transaction in part: no block is missing in what the index answers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.dynamodb.index import DynamoIndex
from tests.cloud import Cloud, calls
from tests.patches import patch_here
from tests.store.index.test_index import TODAY, block, everything
from tests.store.tables import NOON

FRESH = [block(f"{number:02}", NOON - number) for number in range(4)]
MERGED = block("ff", level=1)
NEXT = block("fe", level=2)


@pytest.fixture
def index(cloud: Cloud) -> Iterator[DynamoIndex]:
    """An index in which one block has just replaced others."""
    index = DynamoIndex(cloud.table())
    index.add(FRESH, {})
    index.replace([MERGED], FRESH)
    yield index
    index.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_here(monkeypatch, time, "sleep", lambda _: None)


@contextmanager
def unseen(index: DynamoIndex, name: str, queries: int) -> Iterator[list[str]]:
    """Let so many queries show the table as it is without an item, as if its part of a swap were still to come."""
    left = iter(range(queries))

    def hide(parsed: dict[str, Any], **_: object) -> None:
        if next(left, None) is not None:
            parsed["Items"] = [item for item in parsed["Items"] if item["sk"] != {"S": name}]

    index.client.meta.events.register("after-call.dynamodb.Query", hide)
    with calls(index.client) as made:
        yield made
    index.client.meta.events.unregister("after-call.dynamodb.Query", hide)


def delete_item(index: DynamoIndex, name: str) -> None:
    """Remove an item of the day."""
    index.client.delete_item(TableName=index.table, Key={"pk": {"S": f"a#{TODAY}"}, "sk": {"S": name}})


@pytest.mark.parametrize("find", [everything, lambda index: index.find("a", NOON, NOON)], ids=["all time", "an hour"])
def test_swap_shown_in_part_is_read_again(index: DynamoIndex, find: Callable[[DynamoIndex], object]) -> None:
    with unseen(index, "01#ff", queries=2):
        assert find(index) == [MERGED]


def test_swap_that_stays_torn_is_an_error_that_may_pass(index: DynamoIndex) -> None:
    with unseen(index, "01#ff", queries=100), pytest.raises(StorageUnavailable, match="try again"):
        index.find("a", NOON, NOON)


def test_whole_swaps_are_read_once(index: DynamoIndex) -> None:
    index.replace([NEXT], [MERGED])
    with calls(index.client) as made:
        assert index.find("a", NOON, NOON) == [NEXT]
    assert made == ["Query"]


@pytest.mark.parametrize("is_purged", [False, True])
def test_block_that_was_archived_or_forgotten_first_is_no_torn_swap(index: DynamoIndex, is_purged: bool) -> None:
    index.replace([NEXT], [MERGED])
    if is_purged:
        index.purge([MERGED])
    else:
        (item,) = index.client.query(
            TableName=index.table,
            KeyConditionExpression="pk = :pk AND sk = :sk",
            ExpressionAttributeValues={":pk": {"S": f"a#{TODAY}"}, ":sk": {"S": "01#ff"}},
        )["Items"]
        index.client.put_item(TableName=index.table, Item={**item, "sk": {"S": "~01#ff"}})
        delete_item(index, "01#ff")
    assert index.find("a", NOON, NOON) == [NEXT]


def test_swap_of_long_ago_is_not_waited_for(index: DynamoIndex) -> None:
    delete_item(index, "01#ff")  # as an operator may
    with pytest.raises(StorageUnavailable):
        index.find("a", NOON, NOON)
    impatient = DynamoIndex(index.table, swap_seconds=0)
    assert impatient.find("a", NOON, NOON) == []
    impatient.close()
