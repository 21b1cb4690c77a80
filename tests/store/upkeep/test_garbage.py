"""Garbage collection: what has no entry goes, and what gets one at the last moment stays."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.store.index import Block
from spanlake.store.upkeep.garbage import collect_garbage, put_back
from tests.store.tables import NOON, span_table
from tests.store.upkeep.lake import TENANT, Lake

HOUR_SECONDS = 3600


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def aged(lake: Lake, path: str, seconds: float = 2 * HOUR_SECONDS) -> None:
    """Make an object look as if it had been put that long ago."""
    then = time.time() - seconds
    os.utime(lake.objects.uri(path), (then, then))


def orphan(lake: Lake, seconds: float = 2 * HOUR_SECONDS) -> Block:
    """A block whose writer was killed before it came to the index."""
    (block,) = lake.add(span_table([{"start_time_unix_nano": NOON}]))
    lake.index.expire(block.date.replace(year=2100))
    aged(lake, block.path, seconds)
    return block


def paths(lake: Lake, prefix: str = "spans/") -> list[str]:
    return [info.path for info in lake.objects.list(prefix)]


def test_an_object_without_an_entry_goes_in_the_end(lake: Lake) -> None:
    block = orphan(lake)
    assert collect_garbage(lake.objects, lake.index).blocks == 0
    assert paths(lake) == []
    assert paths(lake, "trash/") == [f"trash/{block.path}"]
    aged(lake, f"trash/{block.path}")
    removed = collect_garbage(lake.objects, lake.index)
    assert (removed.blocks, removed.size) == (1, block.size)
    assert paths(lake, "") == []


def test_what_is_young_may_get_its_entry_yet(lake: Lake) -> None:
    block = orphan(lake, seconds=0.5 * HOUR_SECONDS)
    collect_garbage(lake.objects, lake.index)
    assert paths(lake) == [block.path]


def test_live_and_retired_blocks_are_no_garbage(lake: Lake) -> None:
    for _ in range(2):
        lake.add(span_table([{}]))
    lake.settle()
    for path in paths(lake):
        aged(lake, path)
    collect_garbage(lake.objects, lake.index)
    assert len(paths(lake)) == 3


def test_forgotten_blocks_that_are_put_again_are_garbage(lake: Lake) -> None:
    """A client retries a request whose block was merged long ago."""
    (block,) = lake.add(span_table([{}]))
    lake.settle()
    lake.index.forget([block])
    lake.index.add([block], {})
    aged(lake, block.path)
    collect_garbage(lake.objects, lake.index)
    assert paths(lake) == [live.path for live in lake.live()]


@pytest.mark.parametrize("name", ["spans/readme.txt", "spans/tenant=a/date=2026-99-99/0a.parquet", "notes/0a.parquet"])
def test_foreign_objects_are_left_alone(lake: Lake, name: str) -> None:
    lake.objects.put(name, b"somebody else's")
    aged(lake, name)
    collect_garbage(lake.objects, lake.index)
    assert paths(lake, "") == [name]


def test_a_block_that_is_acknowledged_after_its_deletion_comes_back(lake: Lake) -> None:
    """The entry follows only after the object has been moved."""
    block = orphan(lake)
    content = lake.objects.get(block.path)
    collect_garbage(lake.objects, lake.index)
    lake.index.add([block], {})
    collect_garbage(lake.objects, lake.index)
    assert lake.objects.get(block.path) == content
    assert paths(lake, "trash/") == []


def test_a_block_that_is_acknowledged_during_its_deletion_is_back_at_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = orphan(lake)
    delete = lake.objects.delete

    def acknowledged_meanwhile(path: str) -> None:
        delete(path)
        lake.index.add([block], {})

    monkeypatch.setattr(lake.objects, "delete", acknowledged_meanwhile)
    collect_garbage(lake.objects, lake.index)
    assert paths(lake, "") == [block.path]


def test_an_object_that_is_put_again_meanwhile_is_not_deleted(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    block = orphan(lake)
    put = lake.objects.put

    def put_again(path: str, data: bytes | pa.Buffer) -> None:
        put(path, data)
        put(block.path, data)

    monkeypatch.setattr(lake.objects, "put", put_again)
    collect_garbage(lake.objects, lake.index)
    assert paths(lake) == [block.path]


def test_an_object_that_is_put_again_while_it_is_deleted_is_put_back(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = orphan(lake)
    data, delete = lake.objects.get(block.path), lake.objects.delete

    def put_again_before_deleting(path: str) -> None:
        if path == block.path:
            lake.objects.put(path, data)
        delete(path)

    monkeypatch.setattr(lake.objects, "delete", put_again_before_deleting)
    collect_garbage(lake.objects, lake.index)
    lake.index.add([block], {})
    assert paths(lake) == []
    assert put_back(lake.objects, lake.index)
    assert paths(lake, "") == [block.path]
    assert not put_back(lake.objects, lake.index)


def test_other_tenants_objects_are_judged_by_their_own_entries(lake: Lake) -> None:
    (block,) = lake.add(span_table([{}]))
    other = block.path.replace(f"tenant={TENANT}", "tenant=%2A")
    lake.objects.put(other, b"")
    for path in (block.path, other):
        aged(lake, path)
    collect_garbage(lake.objects, lake.index)
    assert paths(lake) == [block.path]
