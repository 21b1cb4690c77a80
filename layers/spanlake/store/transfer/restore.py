"""Puts the blocks of a backup into a store, each compared with its digest."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import groupby, islice

from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.blocks.paths import BLOCKS
from spanlake.store.errors import ObjectNotFound, StorageCorrupt, StoreError
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects
from spanlake.store.transfer.snapshots import (
    SavedBlock,
    Snapshot,
    batches,
    check_files,
    check_mark,
    read_blocks,
    read_catalog,
    read_records,
    snapshots,
)

_THREADS = 8
_ENTRIES = 40  # of one transaction


class NotEmpty(StoreError):  # noqa: N818
    """The store that is to be restored holds something."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of verifying the blocks of a snapshot."""

    snapshot: Snapshot
    faults: tuple[str, ...]


def find_snapshot(backup: Objects, name: str = "") -> Snapshot:
    """Return a snapshot, or the newest one, its files whole. Raises StoreError when there is none, StorageCorrupt."""
    try:
        check_mark(backup)
    except ObjectNotFound:
        raise StoreError("this is not a backup: name a place that `spanlake backup` has written to") from None
    found = snapshots(backup)
    wanted = [snapshot for snapshot in found if not name or snapshot.name == name]
    if not wanted:
        known = ", ".join(snapshot.name for snapshot in found) or "none"
        raise StoreError(f"the backup has no snapshot {name}: it has {known}" if name else "the backup has no snapshot")
    check_files(backup, wanted[-1])
    return wanted[-1]


def require_empty(objects: Objects, index: Index) -> None:
    """Raise NotEmpty for a store that holds blocks, or whose index knows of any."""
    if index.tenants() or any(True for _ in objects.list(BLOCKS)):
        raise NotEmpty("the store that is to be restored is not empty: name an empty one, or add to it with --merge")


def verify(backup: Objects, snapshot: Snapshot, advance: Callable[[int], None] = lambda _: None) -> Verified:
    """Compare the blocks of a snapshot with their digests."""
    return Verified(snapshot, _each(read_blocks(backup, snapshot), lambda saved: _content(backup, saved), advance))


def restore(
    backup: Objects,
    snapshot: Snapshot,
    objects: Objects,
    index: Index,
    advance: Callable[[int], None] = lambda _: None,
) -> Verified:
    """Put the blocks of a snapshot into a store: first all objects, then their entries; none where one is damaged.

    Entries that the index has already stay as they are. A restore that was interrupted can be repeated.
    """

    def put(saved: SavedBlock) -> None:
        objects.put(saved.block.path, _content(backup, saved))

    verified = Verified(snapshot, _each(read_blocks(backup, snapshot), put, advance))
    if not verified.faults:
        for path, content in read_records(backup, snapshot):
            objects.put(path, content)
        _add_entries(index, read_blocks(backup, snapshot), read_catalog(backup, snapshot))
    return verified


def _content(backup: Objects, saved: SavedBlock) -> bytes:
    """Return the content of a block; raises StorageCorrupt when it is not the one that was saved."""
    try:
        data = backup.get(saved.block.path)
    except ObjectNotFound:
        raise StorageCorrupt(f"{saved.block.path} is missing in the backup") from None
    if len(data) != saved.size:
        raise StorageCorrupt(f"{saved.block.path} is damaged: it has {len(data)} bytes, and not {saved.size}")
    if hashlib.sha256(data).hexdigest() != saved.sha256:
        raise StorageCorrupt(f"{saved.block.path} is damaged: its SHA-256 is not the one that was saved")
    return data


def _each(
    blocks: Iterator[SavedBlock], act: Callable[[SavedBlock], object], advance: Callable[[int], None]
) -> tuple[str, ...]:
    """Do something with all blocks, several at a time; what was wrong with some of them."""

    def done(saved: SavedBlock) -> str:
        try:
            act(saved)
        except StorageCorrupt as error:
            return str(error)
        return ""

    faults = list[str]()
    with ThreadPoolExecutor(_THREADS) as threads:
        for some in batches(blocks, lambda saved: saved.size):
            faults += filter(None, threads.map(done, some))
            advance(sum(saved.size for saved in some))
    return tuple(faults)


def _add_entries(
    index: Index, blocks: Iterator[SavedBlock], catalog: dict[tuple[str, date], frozenset[CatalogEntry]]
) -> None:
    """Make blocks live; they come day by day."""
    for day, of_day in groupby(blocks, key=lambda saved: (saved.block.tenant, saved.block.date)):
        entries = (saved.block for saved in of_day)
        while some := list(islice(entries, _ENTRIES)):
            index.add(some, {day: catalog.get(day, frozenset())})
