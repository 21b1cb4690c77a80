"""Archived blocks of a DynamoDB index: not read by queries, kept for garbage collection and restored tables."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.errors import StoreError
from spanlake.store.index.dynamodb.index import DynamoIndex
from tests.cloud import Cloud, Reply, answering, calls
from tests.store.index.test_index import TODAY, block
from tests.store.tables import NOON

Open = Callable[..., DynamoIndex]
FRESH = [block(f"{number:02}", NOON - number) for number in range(60)]
MERGED = block("ff", level=1)


@pytest.fixture
def open_table(cloud: Cloud) -> Iterator[Open]:
    """Opens one table each time, as another process would."""
    table = cloud.table()
    opened: list[DynamoIndex] = []

    def open_(retention: timedelta | None = None) -> DynamoIndex:
        opened.append(DynamoIndex(table, retention))
        return opened[-1]

    yield open_
    for index in opened:
        index.close()


def soon() -> int:
    return int(time.time()) + 60


def compacted(index: DynamoIndex) -> DynamoIndex:
    """An index in which one block has replaced the fresh ones."""
    index.add(FRESH, {})
    index.replace([MERGED], FRESH)
    return index


def items_read(index: DynamoIndex) -> int:
    """Counts the items that a question about the day reads."""
    read: list[int] = []

    def note(parsed: dict[str, int], **_: object) -> None:
        read.append(parsed.get("ScannedCount", 0))

    index.client.meta.events.register("after-call.dynamodb.Query", note)
    assert index.find("a", NOON, NOON) == [MERGED]
    index.client.meta.events.unregister("after-call.dynamodb.Query", note)
    return sum(read)


def paths(blocks: list[Block]) -> list[str]:
    return sorted(one.path for one in blocks)


def check_kept(index: DynamoIndex) -> None:
    """Every replaced block must be told as one whose object is needed, each once."""
    assert paths(index.entries("a", TODAY)) == paths([*FRESH, MERGED])
    assert paths(index.replaced_before(soon())) == paths(FRESH)
    assert index.known_ids("a", TODAY) >= {one.id for one in (*FRESH, MERGED)}


def test_archived_blocks_are_kept_and_not_read_by_queries(open_table: Open) -> None:
    index = compacted(open_table())
    assert items_read(index) == len(FRESH) + 2
    index.archive_replaced(0)
    assert items_read(index) == len(FRESH) + 2, "nothing is so old"
    index.archive_replaced(soon())
    assert items_read(index) == 2
    check_kept(index)
    with calls(index.client) as made:
        index.archive_replaced(soon())
    assert made == ["Query"]


def test_purge_forgets_archived_blocks(open_table: Open) -> None:
    index = compacted(open_table())
    index.archive_replaced(soon())
    index.purge(index.replaced_before(soon()))
    assert paths(index.entries("a", TODAY)) == [MERGED.path]
    assert index.replaced_before(soon()) == []
    with calls(index.client) as made:
        assert index.replaced_before(soon()) == []
    assert "BatchGetItem" not in made, "no swap is left"
    assert {found.block.id for found in index.add(FRESH[:2], {})} == {"00", "01"}
    assert index.find("a", NOON, NOON) == [MERGED]


def test_adding_an_archived_block_changes_nothing(open_table: Open) -> None:
    index = compacted(open_table())
    index.archive_replaced(soon())
    (found,) = index.add(FRESH[:1], {})
    assert (found.created_ns, found.hidden) == (FRESH[0].created_ns, None)
    assert index.find("a", NOON, NOON) == [MERGED]


def test_expiry_removes_archived_blocks(open_table: Open) -> None:
    index = compacted(open_table())
    index.archive_replaced(soon())
    assert paths(index.expire(TODAY + timedelta(1))) == paths([*FRESH, MERGED])
    assert index.entries("a", TODAY) == []


def test_raised_retention_keeps_archived_blocks(open_table: Open) -> None:
    index = compacted(open_table(timedelta(days=365)))
    index.archive_replaced(soon())
    archived = {item["expires"]["N"] for item in _archived(index)}
    other = open_table(timedelta(days=400))
    other.keep_for(timedelta(days=400))
    assert {str(int(one) + 35 * 86_400) for one in archived} == {item["expires"]["N"] for item in _archived(index)}


def _archived(index: DynamoIndex) -> list[dict[str, dict[str, str]]]:
    return index.client.query(  # type: ignore[return-value]
        TableName=index.table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": f"a#{TODAY}"}, ":sk": {"S": "~"}},
    )["Items"]


@pytest.mark.parametrize("step", range(8))
def test_archiving_that_ends_at_any_request_is_finished_later(open_table: Open, step: int) -> None:
    index = compacted(open_table())
    refusal = Reply.refusal("ValidationException")
    for operation in ("BatchGetItem", "BatchWriteItem"):
        with answering(index.client, operation, *[None] * step, refusal):
            try:
                index.archive_replaced(soon())
            except StoreError:
                check_kept(open_table())
                assert open_table().find("a", NOON, NOON) == [MERGED]
    index.archive_replaced(soon())
    check_kept(index)
    assert items_read(index) == 2


def test_archiving_beside_purging_leaves_tombstones(open_table: Open) -> None:
    """A process that stops between reading and writing finds nothing to undo what another has done."""
    index, other = compacted(open_table()), open_table()

    def purge_first(**_: object) -> None:
        index.client.meta.events.unregister("before-call.dynamodb.BatchWriteItem", purge_first)
        other.purge(other.replaced_before(soon()))

    index.client.meta.events.register("before-call.dynamodb.BatchWriteItem", purge_first)
    index.archive_replaced(soon())
    other.purge(other.replaced_before(soon()))
    assert other.replaced_before(soon()) == []
    assert paths(other.entries("a", TODAY)) == [MERGED.path]
