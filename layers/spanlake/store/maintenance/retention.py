"""Blocks whose time has come: their entries go first, then their objects."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from time import monotonic

from spanlake.store.blocks.block import MAX_REPLACED, Block, DaySummary
from spanlake.store.days import day_range, utc_day
from spanlake.store.deletions import DeletedDays
from spanlake.store.errors import IndexConflict
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects

GRACE_SECONDS = 600  # longer than any query runs: how long the objects of retired blocks stay
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Removed:
    """Counts of removed blocks and bytes."""

    blocks: int = 0
    spans: int = 0
    size: int = 0  # bytes

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.blocks + other.blocks, self.spans + other.spans, self.size + other.size)


def purge_replaced(
    objects: Objects,
    index: Index,
    now_ns: int | None = None,
    *,
    grace_seconds: int = GRACE_SECONDS,
    counted_from: date = date.min,
) -> Removed:
    """Delete the objects of blocks that ceased to be live longer ago than that; counts those of days from a date on.

    A caller gives the time that it has found to be right.

    The lower levels go first: as long as a block is there, so are those that replaced it.
    """
    now = (time.time_ns() if now_ns is None else now_ns) // 10**9
    if grace_seconds > GRACE_SECONDS:
        index.archive_replaced(now - GRACE_SECONDS)
    retired = sorted(index.replaced_before(now - grace_seconds), key=lambda block: block.level)
    removed = Removed()
    for first in range(0, len(retired), _AT_ONCE):
        blocks = retired[first : first + _AT_ONCE]
        _delete(objects, blocks)
        removed += _sum(block for block in blocks if block.date >= counted_from)
        index.purge(blocks)
    return removed


def replaced_blocks(index: Index, tenant: str, day: date) -> list[Block]:
    """Blocks of a day that have been replaced and whose objects are there still."""
    entries = index.entries(tenant, day)  # first: what is added meanwhile must not be taken for replaced
    live = {block.path for block in index.find(tenant, *day_range(day))}
    return sorted((block for block in entries if block.path not in live), key=lambda block: block.level)


def delete_replaced(objects: Objects, index: Index, blocks: Sequence[Block]) -> Removed:
    """Delete the objects of replaced blocks, which no query reads any more, whatever time of grace they have left."""
    removed = _delete(objects, blocks)
    index.purge(blocks)
    return removed


class DeletedRemoval:
    """Removes replaced blocks of days on which traces were deleted, since these blocks hold what was deleted.

    Where the objects of replaced blocks are kept for long these are not; they stay as long as queries may read them.
    """

    def __init__(
        self, objects: Objects, index: Index, grace_seconds: int = GRACE_SECONDS, clock: Callable[[], float] = monotonic
    ) -> None:
        self._objects = objects
        self._index = index
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._days = DeletedDays(objects)
        self._seen: dict[str, float] = {}  # by path when a block was first found replaced

    def remove(self) -> Removed:
        """Remove what was found replaced so long ago; raises StorageUnavailable and StorageCorrupt."""
        now = self._clock()
        found = [block for day in self._days.read() for block in replaced_blocks(self._index, *day)]
        self._seen = {block.path: self._seen.get(block.path, now) for block in found}
        due = [block for block in found if now - self._seen[block.path] >= self._grace_seconds]
        return delete_replaced(self._objects, self._index, due)


def expire_by_age(
    objects: Objects, index: Index, retention: timedelta, now_ns: int, tenants: Sequence[str] | None = None
) -> Removed:
    """Remove the days all of whose spans started longer ago than that: their entries now, their objects later.

    The objects stay for the time of grace, as those of replaced blocks do; see ``purge_replaced``. Returns what ceased
    to be live. Days of all tenants go unless some are named.
    """
    before = oldest_day(retention, now_ns)
    among = index.tenants() if tenants is None else tenants
    days = [(tenant, day) for tenant in among for day in index.days(tenant) if day < before]
    removed, is_empty = Removed(), True
    for tenant, day in days:
        live = [block for block in index.find(tenant, *day_range(day)) if block.date == day]
        removed += _retire(index, live)
        is_empty = is_empty and not index.entries(tenant, day)
    if days and is_empty:
        _delete(objects, index.expire(before, tenants))
    return removed


def oldest_day(retention: timedelta, now_ns: int) -> date:
    """Return the first day that has spans which are not too old."""
    return utc_day(now_ns - retention // timedelta(microseconds=1) * 1000)


def _retire(index: Index, blocks: Sequence[Block]) -> Removed:
    """Take blocks of one day away, their objects in time; returns what is gone."""
    removed = Removed()
    for first in range(0, len(blocks), MAX_REPLACED):
        some = blocks[first : first + MAX_REPLACED]
        with suppress(IndexConflict):  # compaction was quicker, and the next time comes
            index.replace([], some, lost=True)
            removed += _sum(some)
    return removed


def expire_by_size(objects: Objects, index: Index, most: int) -> Removed:
    """Remove the oldest days while there are more bytes than that; of a day that is too large by itself, blocks.

    Of those blocks, which end first, the objects stay for the time of grace.
    """
    summary = index.summary()
    days = sorted({day.date for day in summary})
    removed = Removed()
    while sum(day.size for day in summary) > most and len(days) > 1:
        removed += _delete(objects, index.expire(days.pop(0) + timedelta(1)))
        summary = [day for day in summary if day.date in days]
    excess = sum(day.size for day in summary) - most
    if excess > 0:
        _retire_oldest(index, summary, excess)
    return removed


def _retire_oldest(index: Index, summary: Sequence[DaySummary], excess: int) -> None:
    """Take blocks of one day away, those that end first, until so many bytes are gone."""
    tenants = {(day.tenant, day.date) for day in summary}
    found = [block for tenant, day in tenants for block in index.find(tenant, *day_range(day)) if block.date == day]
    chosen: list[Block] = []
    for block in sorted(found, key=lambda block: (block.end_ns, block.path)):
        if excess <= 0:
            break
        chosen.append(block)
        excess -= block.size
    for tenant, _ in tenants:
        _retire(index, [block for block in chosen if block.tenant == tenant])


def _delete(objects: Objects, blocks: Sequence[Block]) -> Removed:
    """Delete the objects of blocks, level by level in the order in which levels come."""
    for _, of_level in groupby(blocks, key=lambda block: block.level):
        objects.delete_all([block.path for block in of_level])
    return _sum(blocks)


def _sum(blocks: Iterable[Block]) -> Removed:
    blocks = list(blocks)
    return Removed(len(blocks), sum(block.spans for block in blocks), sum(block.size for block in blocks))
