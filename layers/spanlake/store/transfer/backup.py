"""Copies what is live into a backup, also while a server writes, compacts and deletes."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial

from spanlake.store.blocks.block import Block, arrival_order
from spanlake.store.blocks.entry import check_checksum
from spanlake.store.blocks.paths import BLOCKS
from spanlake.store.days import day_range
from spanlake.store.deletions import DELETIONS
from spanlake.store.errors import ObjectNotFound, StorageCorrupt
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects
from spanlake.store.transfer.snapshots import (
    SavedBlock,
    Snapshot,
    batches,
    prepare,
    read_digests,
    remove_snapshots,
    snapshots,
    write_snapshot,
)

_ATTEMPTS = 5
"""Blocks, and their bytes, that are copied at once."""
_THREADS = 8


@dataclass(frozen=True, slots=True)
class BackedUp:
    """Counts of what a backup copied."""

    snapshot: Snapshot
    copied: int  # blocks that were not in the backup yet
    damaged: tuple[str, ...]  # what is wrong with live blocks that could not be copied
    removed: int  # blocks of old snapshots


@dataclass(frozen=True, slots=True)
class _Copied:
    """A block of which the backup has an object."""

    saved: SavedBlock
    is_new: bool


def back_up(
    objects: Objects,
    index: Index,
    backup: Objects,
    *,
    keep: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> BackedUp:
    """Add a snapshot of all that is live to a backup; ``keep`` removes all but so many of the newest, 0 none.

    Each day is copied as its live blocks were at one moment. What was acknowledged before the start is in it. The
    objects of a snapshot are durable before it counts. ``advance`` is told the bytes of blocks that are done. Raises
    StoreError.
    """
    started = datetime.now(UTC)
    prepare(backup)
    earlier = snapshots(backup)
    copying = _Copying(objects, backup, _known(backup, earlier[-1]) if earlier else {}, advance)
    copied, damaged = list[_Copied](), list[str]()
    catalog = {}
    for tenant, day in _days(index):
        blocks = copying.copy_day(partial(_live, index, tenant, day), damaged)
        if blocks:
            copied += blocks
            catalog[tenant, day] = index.catalog(tenant, *day_range(day))
    records = dict(_records(objects))
    snapshot = write_snapshot(backup, [each.saved for each in copied], catalog, records)
    removed = remove_snapshots(backup, keep, started) if keep else 0
    return BackedUp(snapshot, sum(each.is_new for each in copied), tuple(damaged), removed)


def _known(backup: Objects, snapshot: Snapshot) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of the blocks of a snapshot that are there, by path."""
    there = {info.path: info.size for info in backup.list(BLOCKS)}
    return {path: known for path, known in read_digests(backup, snapshot).items() if there.get(path) == known[0]}


def _days(index: Index) -> list[tuple[str, date]]:
    return sorted({(day.tenant, day.date) for day in index.summary()})


def _live(index: Index, tenant: str, day: date) -> list[Block]:
    return sorted((b for b in index.find(tenant, *day_range(day)) if b.date == day), key=arrival_order)


def _records(objects: Objects) -> Iterator[tuple[str, bytes]]:
    for info in objects.list(DELETIONS):
        try:
            yield info.path, objects.get(info.path)
        except ObjectNotFound:
            continue


@dataclass(frozen=True, slots=True)
class _Copying:
    """Copies blocks from a store to a backup."""

    objects: Objects
    backup: Objects
    known: dict[str, tuple[int, str]]
    """Size and SHA-256 of the blocks that the last snapshot names, by path."""
    advance: Callable[[int], None]

    def copy_day(self, find: Callable[[], list[Block]], damaged: list[str]) -> list[_Copied]:
        """Copy what is live on a day, once more where compaction has replaced some of it meanwhile."""
        done: dict[str, _Copied | str] = {}
        for _ in range(_ATTEMPTS):
            blocks = find()
            gone = self._copy([block for block in blocks if block.path not in done], done)
            if not gone or set(gone) <= {block.path for block in find()}:
                break
        found = [done.get(block.path, f"{block.path} is live, but its object is gone") for block in blocks]
        damaged.extend(each for each in found if isinstance(each, str))
        entries = {block.path: block for block in blocks}
        return [
            _Copied(each.saved._replace(block=entries[each.saved.block.path]), each.is_new)
            for each in found
            if isinstance(each, _Copied)
        ]

    def _copy(self, blocks: Sequence[Block], done: dict[str, _Copied | str]) -> list[str]:
        """Copy blocks, some at a time; the paths of those that have no object."""
        gone = []
        with ThreadPoolExecutor(_THREADS) as threads:
            for some in batches(blocks, lambda block: block.size):
                for block, outcome in zip(some, threads.map(self._copy_block, some), strict=True):
                    if outcome is None:
                        gone.append(block.path)
                        continue
                    done[block.path] = outcome
                    self.advance(block.size)
        return gone

    def _copy_block(self, block: Block) -> _Copied | str | None:
        """Copy a block unless it is there; None when it has no object, a text when the object is damaged."""
        known = self.known.get(block.path)
        if known is not None and known[0] == block.size:
            return _Copied(SavedBlock(block, *known), is_new=False)
        try:
            data = self.objects.get(block.path)
        except ObjectNotFound:
            return None
        if len(data) != block.size:
            return f"{block.path} is damaged: it has {len(data)} bytes, and not {block.size}"
        try:
            check_checksum(block, data)
        except StorageCorrupt as error:
            return str(error)
        self.backup.put(block.path, data)
        return _Copied(SavedBlock(block, len(data), hashlib.sha256(data).hexdigest()), is_new=True)
