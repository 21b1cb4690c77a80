"""Backups: whole at every moment, small when little is new, compared with their digests when they are restored."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.errors import ObjectNotFound, StorageCorrupt, StoreError
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.retention import purge_replaced
from spanlake.store.objects.local import LocalObjects
from spanlake.store.transfer.backup import BackedUp, back_up
from spanlake.store.transfer.export import Selection, export
from spanlake.store.transfer.restore import NotEmpty, find_snapshot, require_empty, restore, verify
from spanlake.store.transfer.snapshots import snapshots
from spanlake.store.write import write
from tests.store.tables import HOUR, NOON, SERVICE, span_table


@dataclass
class Store:
    objects: LocalObjects
    index: SqliteIndex

    @classmethod
    def at(cls, place: Path) -> "Store":
        return cls(LocalObjects(place), SqliteIndex(place / "index.sqlite"))

    def add(self, name: str, start: int = NOON, tenant: str = "t") -> None:
        spans = [{"name": name, "start_time_unix_nano": start, "trace_id": name.encode().ljust(16, b".")}]
        write(self.objects, self.index, tenant, span_table(spans, {SERVICE: ["shop"]}), name.encode())

    def delete(self, name: str) -> None:
        trace_id = name.encode().ljust(16, b".")
        blocks = self.index.find("t", 0, 2**63 - 1)
        self.index.mark_deleted(blocks, trace_id)

    def compact(self) -> None:
        compactor = Compactor(self.objects, self.index)
        for day in compactor.days():
            for merge in compactor.plan(*day, settle=True):
                compactor.run(merge)
        purge_replaced(self.objects, self.index, grace_seconds=-1)

    def names(self, tenant: str = "t") -> list[str]:
        return sorted(
            span.name
            for each in export(self.objects, self.index, Selection(tenant))
            for group in each.traces.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        )

    def back_up(self, backup: LocalObjects, keep: int = 0) -> BackedUp:
        return back_up(self.objects, self.index, backup, keep=keep)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "data")


@pytest.fixture
def backup(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path / "backup")


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "restored")


def restored(backup: LocalObjects, into: Store, name: str = "") -> Store:
    assert restore(backup, find_snapshot(backup, name), into.objects, into.index).faults == ()
    return into


def test_restore_brings_back_spans_entries_and_catalog(store: Store, backup: LocalObjects, empty: Store) -> None:
    store.add("a")
    store.add("b", NOON + 24 * HOUR)
    store.add("c", tenant="other")
    done = store.back_up(backup)
    assert (done.snapshot.blocks, done.snapshot.spans, done.copied, done.damaged) == (3, 3, 3, ())
    restored(backup, empty)
    for tenant in ("t", "other"):
        assert empty.names(tenant) == store.names(tenant)
        assert empty.index.find(tenant, 0, 2**63 - 1) == store.index.find(tenant, 0, 2**63 - 1)
        assert empty.index.catalog(tenant, 0, 2**63 - 1) == store.index.catalog(tenant, 0, 2**63 - 1)
    assert CatalogEntry("resource", "service.name", "string") in empty.index.catalog("t", NOON, NOON)


def test_a_second_backup_copies_what_is_new(store: Store, backup: LocalObjects, empty: Store) -> None:
    store.add("a")
    store.back_up(backup)
    store.add("b")
    assert store.back_up(backup).copied == 1
    assert restored(backup, empty).names() == ["a", "b"]


def test_blocks_that_are_missing_in_the_backup_are_copied_again(store: Store, backup: LocalObjects) -> None:
    store.add("a")
    store.back_up(backup)
    for info in list(backup.list("spans/")):
        backup.delete(info.path)
    assert store.back_up(backup).copied == 1


def test_an_earlier_snapshot_can_be_restored(store: Store, backup: LocalObjects, empty: Store) -> None:
    store.add("a")
    first = store.back_up(backup).snapshot
    store.add("b")
    store.compact()
    store.back_up(backup)
    assert restored(backup, empty, first.name).names() == ["a"]


@pytest.mark.parametrize("is_compacted", [False, True])
def test_what_was_deleted_stays_deleted(is_compacted: bool, store: Store, backup: LocalObjects, empty: Store) -> None:
    store.add("a")
    store.add("deleted")
    store.delete("deleted")
    if is_compacted:
        store.compact()
    store.back_up(backup)
    restored(backup, empty)
    assert empty.names() == ["a"]
    empty.compact()
    assert empty.names() == ["a"]


def test_records_of_deletions_are_restored(store: Store, backup: LocalObjects, empty: Store) -> None:
    store.add("a")
    store.objects.put("deletions/tenant=t/1.json", b"{}")
    store.back_up(backup)
    assert restored(backup, empty).objects.get("deletions/tenant=t/1.json") == b"{}"


class _Interrupted(LocalObjects):
    """Runs something before an object is read for the first time."""

    def __init__(self, root: Path, action: Callable[[], None]) -> None:
        super().__init__(root)
        self._action: Callable[[], None] | None = action

    def get(self, path: str) -> bytes:
        action, self._action = self._action, None
        if action is not None:
            action()
        return super().get(path)


def test_a_block_replaced_meanwhile_is_copied_as_what_replaced_it(
    store: Store, backup: LocalObjects, empty: Store, tmp_path: Path
) -> None:
    for name in "abcd":
        store.add(name)
    objects = _Interrupted(tmp_path / "data", store.compact)
    done = back_up(objects, store.index, backup)
    assert (done.snapshot.blocks, done.damaged) == (1, ())
    assert restored(backup, empty).names() == ["a", "b", "c", "d"]


def test_a_trace_deleted_meanwhile_is_not_lost_to_the_others(
    store: Store, backup: LocalObjects, empty: Store, tmp_path: Path
) -> None:
    store.add("a")
    store.add("b")
    done = back_up(_Interrupted(tmp_path / "data", lambda: store.delete("b")), store.index, backup)
    assert done.damaged == ()
    assert "a" in restored(backup, empty).names()


def test_damaged_and_missing_blocks_are_named_and_the_others_saved(
    store: Store, backup: LocalObjects, empty: Store
) -> None:
    for name in "abcd":
        store.add(name)
    short, flipped, missing, _ = store.index.find("t", 0, 2**63 - 1)
    store.objects.put(short.path, store.objects.get(short.path)[:-1])
    content = store.objects.get(flipped.path)
    store.objects.put(flipped.path, content[:9] + bytes([content[9] ^ 1]) + content[10:])
    store.objects.delete(missing.path)
    done = store.back_up(backup)
    assert len(done.damaged) == 3
    assert all(block.path in " ".join(done.damaged) for block in (short, flipped, missing))
    assert done.snapshot.blocks == 1
    assert len(restored(backup, empty).names()) == 1


@pytest.mark.parametrize("damage", [bytes.swapcase, lambda data: data[:-1]])
def test_a_damaged_backup_restores_nothing(
    damage: Callable[[bytes], bytes], store: Store, backup: LocalObjects, empty: Store
) -> None:
    store.add("a")
    store.add("b")
    store.back_up(backup)
    path = next(iter(backup.list("spans/"))).path
    backup.put(path, damage(backup.get(path)))
    snapshot = find_snapshot(backup)
    (fault,) = verify(backup, snapshot).faults
    assert path in fault
    assert restore(backup, snapshot, empty.objects, empty.index).faults == (fault,)
    assert empty.index.tenants() == []


def test_a_block_missing_in_the_backup_is_named(store: Store, backup: LocalObjects) -> None:
    store.add("a")
    store.back_up(backup)
    path = next(iter(backup.list("spans/"))).path
    backup.delete(path)
    assert verify(backup, find_snapshot(backup)).faults == (f"{path} is missing in the backup",)


def test_damaged_lists_of_blocks_are_refused(store: Store, backup: LocalObjects) -> None:
    store.add("a")
    folder = store.back_up(backup).snapshot.folder
    backup.put(f"{folder}blocks.parquet", b"nothing")
    with pytest.raises(StorageCorrupt, match=r"blocks.parquet is damaged"):
        find_snapshot(backup)
    backup.delete(f"{folder}blocks.parquet")
    with pytest.raises(StorageCorrupt, match=r"blocks.parquet is missing"):
        find_snapshot(backup)
    backup.put(f"{folder}manifest.json", b"{")
    with pytest.raises(StorageCorrupt, match=r"manifest.json cannot be read"):
        find_snapshot(backup)


def test_a_snapshot_counts_only_with_its_manifest(store: Store, backup: LocalObjects) -> None:
    store.add("a")
    first = store.back_up(backup).snapshot
    second = store.back_up(backup).snapshot
    backup.delete(f"{second.folder}manifest.json")
    assert [each.name for each in snapshots(backup)] == [first.name]
    with pytest.raises(StoreError, match=first.name):
        find_snapshot(backup, second.name)


def test_a_newer_format_is_refused(store: Store, backup: LocalObjects) -> None:
    store.add("a")
    store.back_up(backup)
    backup.put("backup.json", json.dumps({"format": 2}).encode())
    for act in (lambda: find_snapshot(backup), lambda: store.back_up(backup)):
        with pytest.raises(StoreError, match="newer spanlake"):
            act()


def test_places_that_are_no_backup_are_refused(store: Store, backup: LocalObjects) -> None:
    store.add("a")
    with pytest.raises(StoreError, match="not a backup"):
        find_snapshot(backup)
    backup.put("something", b"else")
    with pytest.raises(StoreError, match="not a backup"):
        store.back_up(backup)


def test_old_snapshots_are_removed_with_the_blocks_that_only_they_name(
    store: Store, backup: LocalObjects, empty: Store
) -> None:
    store.add("a")
    store.add("b")
    store.back_up(backup)
    store.compact()
    store.back_up(backup)
    assert len(list(backup.list("spans/"))) == 3
    store.add("c")
    done = store.back_up(backup, keep=1)
    assert done.removed == 2
    assert [each.name for each in snapshots(backup)] == [done.snapshot.name]
    assert len({info.path.split("/")[1] for info in backup.list("snapshots/")}) == 1
    assert restored(backup, empty).names() == ["a", "b", "c"]


def test_a_store_with_something_in_it_is_not_empty(empty: Store) -> None:
    require_empty(empty.objects, empty.index)
    empty.objects.put("spans/tenant=t/date=2026-11-22/x.parquet", b"")
    with pytest.raises(NotEmpty, match="--merge"):
        require_empty(empty.objects, empty.index)


def test_restore_adds_to_what_is_there(store: Store, backup: LocalObjects, empty: Store) -> None:
    store.add("a")
    store.back_up(backup)
    empty.add("b")
    assert restored(backup, empty).names() == ["a", "b"]
    assert restored(backup, empty).names() == ["a", "b"]


def test_restore_leaves_alone_what_was_deleted_in_the_store(store: Store, backup: LocalObjects) -> None:
    store.add("a")
    store.add("b")
    store.back_up(backup)
    store.delete("b")
    assert restored(backup, store).names() == ["a"]
    store.compact()
    assert restored(backup, store).names() == ["a"]


def test_many_blocks_of_a_day_are_restored(store: Store, backup: LocalObjects, empty: Store) -> None:
    for number in range(100):
        store.add(f"{number:03}", NOON + number)
    store.back_up(backup)
    assert len(restored(backup, empty).names()) == 100
    assert empty.index.catalog("t", NOON, NOON)
    assert empty.index.summary()[0].date == date(2026, 11, 22)


def test_an_empty_store_is_backed_up_and_restored(store: Store, backup: LocalObjects, empty: Store) -> None:
    assert store.back_up(backup).snapshot.blocks == 0
    assert restored(backup, empty).names() == []
    with pytest.raises(ObjectNotFound):
        backup.get("spans")
