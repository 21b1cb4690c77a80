"""Compaction of real files: killed at any time, by several at once, and while traces are deleted."""

import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spanlake.store.errors import IndexConflict, StorageUnavailable
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compacted
from tests.store.maintenance.day_of_blocks import TENANT, Lake, rows_in_order
from tests.store.tables import NOON, busy_table, span_table

TRACE = (1).to_bytes(16, "big")


def names(lake: Lake) -> list[str]:
    return [str(name) for block in lake.live() for name in lake.table(block)["name"].to_pylist()]


def test_blocks_are_swapped_and_the_old_ones_stay_for_a_while(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        fresh = [*lake.add(span_table([{"name": "one"}])), *lake.add(span_table([{"name": "two"}]))]
        (merge,) = lake.compactor.plan(TENANT, fresh[0].date, settle=True)
        done = lake.compactor.run(merge)
        assert done == Compacted(merge, lake.live()[0])
        assert names(lake) == ["one", "two"]
        assert {info.path for info in lake.objects.list("spans/")} == {block.path for block in [*fresh, *lake.live()]}
        assert lake.compactor.plan(TENANT, fresh[0].date, settle=True) == []


def test_days_and_tenants_are_the_latest_first(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        lake.add(span_table([{"start_time_unix_nano": NOON - day * 24 * 3600 * 10**9} for day in range(3)]))
        days = [day for _, day in lake.compactor.days()]
        assert days == sorted(days, reverse=True)
        assert len(days) == 3


def test_a_merge_that_was_done_already_changes_nothing(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        lake.add(span_table([{"name": "one"}]))
        lake.add(span_table([{"name": "two"}]))
        merge = Merge(tuple(lake.live()))
        first, second = lake.compactor.run(merge), lake.compactor.run(merge)
        assert first is not None
        assert second is not None
        assert first.block is not None
        assert second.block is not None
        assert first.block.id == second.block.id
        assert names(lake) == ["one", "two"]


def test_of_two_that_merge_a_block_one_loses(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        for name in ("one", "two", "three"):
            lake.add(span_table([{"name": name}]))
        one, two, three = lake.live()
        assert lake.compactor.run(Merge((one, two)))
        assert lake.compactor.run(Merge((two, three))) is None
        assert sorted(names(lake)) == ["one", "three", "two"]


def test_a_trace_deleted_while_its_blocks_are_merged_stays_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lake(tmp_path) as lake:
        lake.add(span_table([{"name": "gone"}]))
        lake.add(span_table([{"name": "gone"}, {"name": "kept"}]))
        put = lake.objects.put

        def delete_meanwhile(path: str, data: bytes) -> None:
            monkeypatch.undo()
            put(path, data)
            lake.index.mark_deleted(lake.live(), TRACE)

        monkeypatch.setattr(lake.objects, "put", delete_meanwhile)
        assert lake.compactor.run(Merge(tuple(lake.live()))) is None
        assert all(block.hidden == {TRACE} for block in lake.live())
        assert lake.settle() == 1
        assert names(lake) == ["kept"]


@pytest.mark.parametrize("content", [b"no Parquet", None])
def test_a_block_that_cannot_be_read_is_left_alone(tmp_path: Path, content: bytes | None) -> None:
    with Lake(tmp_path) as lake:
        lake.add(span_table([{"name": "one"}]))
        (broken,) = lake.add(span_table([{"name": "two"}]))
        lake.add(span_table([{"name": "three"}]))
        lake.objects.delete(broken.path)
        if content:
            lake.objects.put(broken.path, content)
        assert lake.settle() == 1
        assert {block.spans for block in lake.live()} == {1, 2}


def test_storage_that_fails_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lake(tmp_path) as lake:
        lake.add(span_table([{"name": "one"}]))
        lake.add(span_table([{"name": "two"}]))
        before = lake.live()

        def full(*_: object) -> None:
            raise StorageUnavailable("no space left on device")

        monkeypatch.setattr(lake.objects, "put", full)
        with pytest.raises(StorageUnavailable):
            lake.compactor.run(Merge(tuple(before)))
        assert lake.live() == before


def test_several_compactors_at_once(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        for seed in range(40):
            lake.add(busy_table(50, seed % 30))
        expected = lake.rows()

        def compact(_: int) -> None:
            with Lake(tmp_path) as other:
                for _ in range(3):
                    for tenant, day in other.compactor.days():
                        due = other.compactor.plan(tenant, day, settle=True)
                        for merge in random.sample(due, len(due)):
                            other.compactor.run(Merge(merge.inputs[: random.randint(2, 80)]))

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(compact, range(4)))
        lake.settle()
        (block,) = lake.live()
        assert rows_in_order(lake.table(block)) == expected


# Stores blocks of which it has stored the half before, as a client does that did not hear of it, and compacts all the
# time, until it is killed. Prints how many requests are stored.
WORKER = """
import itertools, sys
from pathlib import Path
from tests.store.tables import busy_table
from tests.store.maintenance.day_of_blocks import TENANT, Lake
from spanlake.store.write import write

role, directory, first = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
with Lake(directory) as lake:
    for number in itertools.count(first):
        if role == "write":
            write(lake.objects, lake.index, TENANT, busy_table(20, number // 2), str(number).encode())
            print(number, flush=True)
        else:
            lake.settle()
            print("settled", flush=True)
"""


def killed_at_random(directory: Path, first: int) -> int:
    """Run a writer and two compactors, kill all; returns the number after the last request acknowledged."""
    roles = ("write", "compact", "compact")
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, role, str(directory), str(first)], stdout=subprocess.PIPE, text=True
        )
        for role in roles
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()  # it is at work by now
    time.sleep(random.uniform(0, 0.5))
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    written, *_ = [worker.communicate()[0].rpartition("\n")[0].split() for worker in workers]
    return int(written[-1]) + 1 if written else first + 1


def test_killed_at_any_time_it_loses_nothing_and_keeps_nothing_twice(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        acknowledged = killed_at_random(tmp_path, acknowledged)
        with Lake(tmp_path) as lake:
            objects = {info.path for info in lake.objects.list("spans/")}
            assert objects >= {block.path for block in lake.live()}
    with Lake(tmp_path) as lake:
        lake.settle()
        (block,) = lake.live()
        stored = rows_in_order(lake.table(block))
        assert len(stored) == len(set(stored))
        ids = set(lake.table(block)["span_id"].to_pylist())
        for number in range(acknowledged):
            assert ids >= set(busy_table(20, number // 2)["span_id"].to_pylist())


def test_a_conflict_in_the_index_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lake(tmp_path) as lake:
        lake.add(span_table([{}]))

        def conflict(*_: object) -> None:
            raise IndexConflict("somebody else")

        monkeypatch.setattr(lake.index, "replace", conflict)
        assert lake.compactor.run(Merge(tuple(lake.live()))) is None
