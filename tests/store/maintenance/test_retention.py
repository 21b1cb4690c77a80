"""Retention, and the deletion of what compaction has replaced, with real files."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.days import DAY_NS
from spanlake.store.maintenance.retention import Removed, expire_by_age, expire_by_size, purge_replaced
from tests.store.maintenance.day_of_blocks import Lake
from tests.store.tables import HOUR, NOON, span_table

MIDNIGHT = NOON - 12 * HOUR


def stored(lake: Lake) -> set[str]:
    return {info.path for info in lake.objects.list("spans/")}


def add_at(lake: Lake, start_ns: int) -> Block:
    (block,) = lake.add(span_table([{"start_time_unix_nano": start_ns}]))
    return block


@pytest.mark.parametrize(
    ("retention", "kept"),
    [
        (timedelta(days=10), 4),
        (timedelta(days=3), 4),
        (timedelta(days=2), 3),
        (timedelta(hours=13), 2),
        (timedelta(hours=11), 1),
        (timedelta(seconds=1), 1),
    ],
)
def test_days_go_when_all_their_spans_are_too_old(tmp_path: Path, retention: timedelta, kept: int) -> None:
    """Blocks of today and of the three days before, at noon; it is noon."""
    with Lake(tmp_path) as lake:
        blocks = [add_at(lake, NOON - day * DAY_NS) for day in range(4)]
        removed = expire_by_age(lake.objects, lake.index, retention, NOON)
        assert removed.blocks == 4 - kept
        assert {block.path for block in lake.live()} == {block.path for block in blocks[:kept]}
        assert len(stored(lake)) == 4, "queries may be reading them"
        purge_replaced(lake.objects, lake.index, grace_seconds=-1)
        assert {block.path for block in lake.live()} == stored(lake) == {block.path for block in blocks[:kept]}
        assert expire_by_age(lake.objects, lake.index, retention, NOON) == Removed()
        assert lake.index.days("a") == sorted(block.date for block in blocks[:kept])


@pytest.mark.parametrize("offset", [-1, 0])
def test_a_day_goes_with_its_last_nanosecond(tmp_path: Path, offset: int) -> None:
    """The retention ends just before and just at midnight."""
    with Lake(tmp_path) as lake:
        add_at(lake, MIDNIGHT - 1)
        expire_by_age(lake.objects, lake.index, timedelta(days=1), MIDNIGHT + DAY_NS + offset)
        assert len(lake.live()) == (1 if offset < 0 else 0)


def test_a_longer_retention_keeps_what_is_there(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        add_at(lake, NOON - 3 * DAY_NS)
        expire_by_age(lake.objects, lake.index, timedelta(days=4), NOON)
        expire_by_age(lake.objects, lake.index, timedelta(days=400), NOON + 300 * DAY_NS)
        assert len(lake.live()) == 1


def test_a_retention_beyond_all_time_keeps_everything(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        add_at(lake, NOON)
        assert expire_by_age(lake.objects, lake.index, timedelta(days=300_000), NOON) == Removed()


@pytest.mark.parametrize(("most", "kept"), [(10**9, 4), (4, 4), (3, 3), (2, 2), (1, 1)])
def test_the_oldest_days_go_while_there_is_too_much(tmp_path: Path, most: int, kept: int) -> None:
    with Lake(tmp_path) as lake:
        blocks = [add_at(lake, NOON - day * DAY_NS) for day in range(4)]
        size = max(block.size for block in blocks)
        removed = expire_by_size(lake.objects, lake.index, most * size)
        assert (removed.blocks, removed.spans) == (4 - kept, 4 - kept)
        assert {block.path for block in lake.live()} == stored(lake) == {block.path for block in blocks[:kept]}


def test_of_a_day_that_is_too_large_by_itself_the_oldest_blocks_go(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        blocks = [add_at(lake, NOON + number) for number in range(5)]
        add_at(lake, NOON - DAY_NS)
        size = blocks[0].size
        assert expire_by_size(lake.objects, lake.index, 3 * size + size // 2).blocks == 1
        assert {block.id for block in lake.live()} == {block.id for block in blocks[2:]}
        assert len(stored(lake)) == 5, "queries may be reading them"


def test_replaced_blocks_are_deleted_after_a_time_of_grace(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        fresh = [add_at(lake, NOON + number) for number in range(2)]
        lake.settle()
        assert purge_replaced(lake.objects, lake.index) == Removed()
        assert len(stored(lake)) == 3
        removed = purge_replaced(lake.objects, lake.index, grace_seconds=-1)
        assert removed == Removed(2, 2, sum(block.size for block in fresh))
        assert stored(lake) == {block.path for block in lake.live()}
        assert lake.index.replaced_before(int(time.time()) + 9) == []


def test_an_object_that_is_gone_already_is_no_obstacle(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        for block in (add_at(lake, NOON), add_at(lake, NOON + 1), add_at(lake, NOON - DAY_NS)):
            lake.objects.delete(block.path)
        lake.settle()
        purge_replaced(lake.objects, lake.index, grace_seconds=-1)
        assert expire_by_age(lake.objects, lake.index, timedelta(hours=1), NOON).blocks == 1
