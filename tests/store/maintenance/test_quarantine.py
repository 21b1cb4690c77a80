"""A day whose merges fail is left alone after three attempts, and the others go on."""

import time
from pathlib import Path

import pytest

from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.base import MOST_ATTEMPTS, QUARANTINE_SECONDS, Index, MergeKey, quarantined, quarantined_days
from spanlake.store.maintenance import compactor as compaction
from spanlake.store.maintenance import merge as merging
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from tests.store.index.test_index import TODAY
from tests.store.maintenance.day_of_blocks import TENANT, Lake
from tests.store.tables import HOUR, NOON, busy_table, span_table

KEY = MergeKey("a", TODAY, "ab")


class Killed(BaseException):
    """The process ends."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two blocks of each of two days."""
    lake = Lake(tmp_path)
    for seed in range(2):
        lake.add(busy_table(20, seed))
        lake.add(span_table([{"start_time_unix_nano": NOON - 24 * HOUR + seed}]))
    return lake


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let all merges of the later day fail."""
    merge_blocks = merging.merge_blocks

    def failing(objects: object, merge: Merge, *more: object) -> object:
        if merge.inputs[0].date == TODAY:
            raise error
        return merge_blocks(objects, merge, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(compaction, "merge_blocks", failing)


def attempt(lake: Lake) -> None:
    """Compact all there is in a process of its own."""
    compactor = Compactor(lake.objects, lake.index, lambda: lake.now_ns)
    for day in compactor.days():
        try:
            for merge in compactor.plan(*day, settle=True):
                compactor.run(merge)
        except Killed:
            return


def levels(lake: Lake) -> list[int]:
    return [block.level for block in lake.live()]


def test_attempts_are_counted_until_the_merge_ends(index: Index) -> None:
    for _ in range(2):
        index.begin_merge(KEY)
    (unfinished,) = index.unfinished_merges()
    assert (unfinished.merge, unfinished.attempts, unfinished.reason) == (KEY, 2, "")
    index.end_merge(KEY, "no memory")
    (unfinished,) = index.unfinished_merges()
    assert (unfinished.attempts, unfinished.reason) == (2, "no memory")
    assert abs(unfinished.seconds - time.time()) < 60
    index.end_merge(KEY)
    assert index.unfinished_merges() == []


@pytest.mark.parametrize("error", [MemoryError("out of memory"), ValueError("an odd value"), Killed()])
def test_day_is_left_alone_after_three_failures(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    fail(monkeypatch, error)
    if isinstance(error, Killed):  # as the end of the process, nothing is recorded
        monkeypatch.setattr(lake.index, "end_merge", lambda *_: None)
    for _ in range(MOST_ATTEMPTS):
        attempt(lake)
    compactor = Compactor(lake.objects, lake.index)
    assert compactor.plan(TENANT, TODAY, settle=True) == []
    assert list(compactor.quarantined()) == [(TENANT, TODAY)]
    (told,) = quarantined_days(lake.index.unfinished_merges(), time.time())
    assert (told["tenant"], told["date"], told["attempts"]) == (TENANT, TODAY.isoformat(), MOST_ATTEMPTS)
    assert Compactor(lake.objects, lake.index, quarantines=False).plan(TENANT, TODAY, settle=True)


def test_other_days_are_merged_beside_a_day_that_fails(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, MemoryError())
    attempt(lake)
    assert sorted(levels(lake)) == [0, 0, 1]


def test_storage_that_is_away_is_no_failure_of_the_merge(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, StorageUnavailable("throttled"))
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(StorageUnavailable):
            attempt(lake)
    assert lake.index.unfinished_merges() == []


def test_merge_that_succeeds_leaves_no_record(lake: Lake) -> None:
    attempt(lake)
    assert sorted(levels(lake)) == [1, 1]
    assert lake.index.unfinished_merges() == []


def test_quarantine_ends_after_a_day(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, MemoryError())
    for _ in range(MOST_ATTEMPTS):
        attempt(lake)
    unfinished = lake.index.unfinished_merges()
    assert quarantined(unfinished, time.time())
    assert not quarantined(unfinished, time.time() + QUARANTINE_SECONDS + 1)


def test_merge_that_fails_is_not_planned_for_again_by_the_process(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, MemoryError())
    compactor = Compactor(lake.objects, lake.index)
    (merge,) = compactor.plan(TENANT, TODAY, settle=True)
    assert compactor.run(merge) is None
    assert compactor.plan(TENANT, TODAY, settle=True) == []
