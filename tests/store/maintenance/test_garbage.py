"""Garbage collection: what has no entry goes, and what gets one at the last moment stays."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.deletions import forget_deletions, record_deletion
from spanlake.store.maintenance.garbage import GarbagePolicy, collect_garbage, put_back
from spanlake.store.maintenance.retention import Removed
from spanlake.store.objects.base import ObjectInfo
from spanlake.store.write import write_table
from tests.store.maintenance.day_of_blocks import TENANT, Lake
from tests.store.tables import NOON, span_table

HOUR_SECONDS = 3600


class GarbageLake(Lake):
    """A lake with a block that makes the index know the day of the others."""

    known = ""  # its path


@pytest.fixture
def lake(tmp_path: Path) -> GarbageLake:
    return GarbageLake(tmp_path)


def aged(lake: GarbageLake, path: str, seconds: float = 2 * HOUR_SECONDS) -> None:
    """Make an object look as if it had been put that long ago."""
    then = time.time() - seconds
    os.utime(lake.objects.uri(path), (then, then))


def orphan(lake: GarbageLake, seconds: float = 2 * HOUR_SECONDS, content: bytes = b"orphan") -> Block:
    """A block whose writer was killed before it came to the index, on a day that the index knows."""
    if not lake.known:
        (known,) = lake.add(span_table([{"start_time_unix_nano": NOON}]))
        lake.known = known.path
    (fresh,) = write_table(TENANT, span_table([{"start_time_unix_nano": NOON}]), content, NOON)
    lake.objects.put(fresh.block.path, fresh.data)
    aged(lake, fresh.block.path, seconds)
    return fresh.block


def collect(lake: GarbageLake) -> Removed:
    """Collect garbage on days of which any share may be garbage."""
    return collect_garbage(lake.objects, lake.index, share=1).removed


def paths(lake: GarbageLake, prefix: str = "spans/") -> list[str]:
    """Objects but those of the block that makes the index know the day."""
    return [info.path for info in lake.objects.list(prefix) if info.path != lake.known]


def test_an_object_without_an_entry_goes_in_the_end(lake: GarbageLake) -> None:
    block = orphan(lake)
    assert collect(lake).blocks == 0
    assert paths(lake) == []
    assert paths(lake, "trash/") == [f"trash/{block.path}"]
    aged(lake, f"trash/{block.path}")
    removed = collect(lake)
    assert (removed.blocks, removed.size) == (1, block.size)
    assert paths(lake, "") == []


def test_what_is_young_may_get_its_entry_yet(lake: GarbageLake) -> None:
    block = orphan(lake, seconds=0.5 * HOUR_SECONDS)
    collect(lake)
    assert paths(lake) == [block.path]


def test_live_and_retired_blocks_are_no_garbage(lake: GarbageLake) -> None:
    for _ in range(2):
        lake.add(span_table([{}]))
    lake.settle()
    for path in paths(lake):
        aged(lake, path)
    collect(lake)
    assert len(paths(lake)) == 3


def test_forgotten_blocks_that_are_put_again_are_garbage(lake: GarbageLake) -> None:
    """A client retries a request whose block was merged long ago."""
    (block,) = lake.add(span_table([{}]))
    lake.settle()
    lake.index.purge([block])
    lake.index.add([block], {})
    aged(lake, block.path)
    collect(lake)
    assert paths(lake) == [live.path for live in lake.live()]


@pytest.mark.parametrize("name", ["spans/readme.txt", "spans/tenant=a/date=2026-99-99/0a.parquet", "notes/0a.parquet"])
def test_foreign_objects_are_left_alone(lake: GarbageLake, name: str) -> None:
    lake.objects.put(name, b"somebody else's")
    aged(lake, name)
    collect(lake)
    assert paths(lake, "") == [name]


def test_a_block_that_is_acknowledged_after_its_deletion_comes_back(lake: GarbageLake) -> None:
    """The entry follows only after the object has been moved."""
    block = orphan(lake)
    content = lake.objects.get(block.path)
    collect(lake)
    lake.index.add([block], {})
    collect(lake)
    assert lake.objects.get(block.path) == content
    assert paths(lake, "trash/") == []


def test_a_block_that_is_acknowledged_during_its_deletion_is_back_at_once(
    lake: GarbageLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = orphan(lake)
    delete = lake.objects.delete

    def acknowledged_meanwhile(path: str) -> None:
        delete(path)
        lake.index.add([block], {})

    monkeypatch.setattr(lake.objects, "delete", acknowledged_meanwhile)
    collect(lake)
    assert paths(lake, "") == [block.path]


def test_an_object_that_is_put_again_meanwhile_is_not_deleted(
    lake: GarbageLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = orphan(lake)
    put = lake.objects.put

    def put_again(path: str, data: bytes | pa.Buffer) -> None:
        put(path, data)
        put(block.path, data)

    monkeypatch.setattr(lake.objects, "put", put_again)
    collect(lake)
    assert paths(lake) == [block.path]


def test_an_object_that_is_put_again_while_it_is_deleted_is_put_back(
    lake: GarbageLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = orphan(lake)
    data, delete = lake.objects.get(block.path), lake.objects.delete

    def put_again_before_deleting(path: str) -> None:
        if path == block.path:
            lake.objects.put(path, data)
        delete(path)

    monkeypatch.setattr(lake.objects, "delete", put_again_before_deleting)
    collect(lake)
    lake.index.add([block], {})
    assert paths(lake) == []
    assert put_back(lake.objects, lake.index)
    assert paths(lake, "") == [block.path]
    assert not put_back(lake.objects, lake.index)


def test_objects_of_unknown_tenants_are_left_alone(lake: GarbageLake) -> None:
    (block,) = lake.add(span_table([{}]))
    other = block.path.replace(f"tenant={TENANT}", "tenant=%2A")
    lake.objects.put(other, b"")
    for path in (block.path, other):
        aged(lake, path)
    assert collect_garbage(lake.objects, lake.index, share=1).refused == 1
    assert set(paths(lake)) == {block.path, other}


def test_objects_of_unknown_days_are_left_alone_unless_beyond_the_retention(lake: GarbageLake) -> None:
    block = orphan(lake)
    lake.index.expire(block.date.replace(year=2100))
    for path in (block.path, lake.known):
        aged(lake, path)
    assert collect_garbage(lake.objects, lake.index, oldest=block.date, share=1).refused == 2
    assert collect_garbage(lake.objects, lake.index, oldest=block.date + timedelta(1)).refused == 0
    assert {info.path for info in lake.objects.list("trash/")} == {f"trash/{block.path}", f"trash/{lake.known}"}


def test_more_than_a_share_of_a_day_is_left_alone(lake: GarbageLake) -> None:
    """Sixty objects, of which two, three and four have no entry: a twentieth is three."""
    for _ in range(57):
        lake.add(span_table([{"start_time_unix_nano": NOON}]))
    orphans = [orphan(lake, content=bytes([number])).path for number in range(4)]
    assert collect_garbage(lake.objects, lake.index).refused == 4
    assert set(orphans) < {info.path for info in lake.objects.list("spans/")}
    lake.objects.delete(orphans[0])
    assert collect_garbage(lake.objects, lake.index).refused == 0
    assert {info.path for info in lake.objects.list("trash/")} == {f"trash/{path}" for path in orphans[1:]}


@pytest.mark.parametrize("at_once", [1, 2, 7, 1000])
def test_collection_in_parts_of_a_day_judges_as_a_whole(
    lake: GarbageLake, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Live blocks, replaced ones, a merge that lost, a block that is put again, and one that nothing proves."""
    lake.known = "none"
    lost = [block for n in range(3) for block in lake.add(span_table([{"start_time_unix_nano": NOON}]))]
    monkeypatch.setattr(lake.index, "replace", lambda *_: None)
    lake.settle_once()
    monkeypatch.undo()
    merged = {info.path for info in lake.objects.list("spans/")} - {block.path for block in lost}
    (forgotten,) = lake.add(span_table([{"start_time_unix_nano": NOON}]))
    lake.index.replace([], [forgotten])
    lake.index.purge([forgotten])
    for _ in range(5):
        lake.add(span_table([{"start_time_unix_nano": NOON}]))
    unknown = orphan(lake).path
    needed = {block.path for block in lake.index.entries(TENANT, forgotten.date)}
    for path in paths(lake):
        aged(lake, path)
    found = collect_garbage(lake.objects, lake.index, share=0, policy=GarbagePolicy(at_once=at_once))
    assert found.refused == 1
    assert set(paths(lake)) == needed | {unknown}
    assert {path.removeprefix("trash/") for path in paths(lake, "trash/")} == merged | {forgotten.path}


def test_collection_holds_a_part_of_a_day_in_memory(lake: GarbageLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a storage that lists as many objects as anybody wants to see."""
    asked: list[tuple[str, str]] = []
    listed = 0

    def endless(prefix: str = "") -> Iterator[ObjectInfo]:
        nonlocal listed
        for number in range(1000 if prefix == "spans/" else 0):
            listed += 1
            name = f"spans/tenant=a/date=2026-11-22/{number:032x}.parquet"
            yield ObjectInfo(name, 1, datetime.fromtimestamp(0, UTC))

    def entries(_: str, __: date, ids: tuple[str, str]) -> list[Block]:
        asked.append(ids)
        assert listed <= 100 * len(asked) + 1, "no further object was listed before"
        return []

    monkeypatch.setattr(lake.objects, "list", endless)
    monkeypatch.setattr(lake.index, "entries", entries)
    assert collect_garbage(lake.objects, lake.index, policy=GarbagePolicy(at_once=100)).refused == 1000
    assert asked == [(f"{first:032x}", f"{first + 99:032x}") for first in range(0, 1000, 100)]


def test_deletion_records_stay_while_a_block_is_there_or_may_be_put_back(lake: GarbageLake) -> None:
    blocks = [block for _ in range(2) for block in lake.add(span_table([{"start_time_unix_nano": NOON}]))]
    record_deletion(lake.objects, blocks, b"t" * 16)
    (record,) = [info.path for info in lake.objects.list("deletions/")]
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    lake.objects.delete(blocks[0].path)
    lake.objects.put(f"trash/{blocks[1].path}", lake.objects.get(blocks[1].path))
    for gone in (None, blocks[1].path, f"trash/{blocks[1].path}"):
        forget_deletions(lake.objects, in_two_days)
        assert lake.objects.get(record)
        if gone:
            lake.objects.delete(gone)
    forget_deletions(lake.objects, datetime.now(UTC))
    assert lake.objects.get(record), "it is young"
    forget_deletions(lake.objects, in_two_days)
    assert not list(lake.objects.list("deletions/"))


def test_a_merge_that_was_not_swapped_is_garbage_for_certain(
    lake: GarbageLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [block for _ in range(2) for block in lake.add(span_table([{"start_time_unix_nano": NOON}]))]
    monkeypatch.setattr(lake.index, "replace", lambda *_: None)
    lake.settle_once()
    monkeypatch.undo()
    (merged,) = {info.path for info in lake.objects.list("spans/")} - {block.path for block in inputs}
    aged(lake, merged)
    assert collect_garbage(lake.objects, lake.index, share=0).refused == 0
    assert {info.path for info in lake.objects.list("spans/")} == {block.path for block in inputs}


def test_a_merge_is_no_garbage_while_the_object_of_an_input_is_missing(
    lake: GarbageLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that was restored to before the merge: its blocks are gone, their spans stand in the merge alone."""
    inputs = [block for _ in range(2) for block in lake.add(span_table([{"start_time_unix_nano": NOON}]))]
    monkeypatch.setattr(lake.index, "replace", lambda *_: None)
    lake.settle_once()
    monkeypatch.undo()
    (merged,) = {info.path for info in lake.objects.list("spans/")} - {block.path for block in inputs}
    aged(lake, merged)
    lake.objects.delete(inputs[0].path)
    assert collect_garbage(lake.objects, lake.index, share=0).refused == 1
    assert merged in {info.path for info in lake.objects.list("spans/")}
