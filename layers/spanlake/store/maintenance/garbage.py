"""Objects that no entry of the index names: what writers left that were killed, or that lost a race.

An index that has lost entries, or that is another's, makes blocks look the same. So little is taken for garbage: blocks
that the index knows to be replaced, merges whose inputs it knows, days beyond the retention, and of what remains a
small share of a day.

The same object may be put again while it is collected, by a client that retries, and its entry may follow at any
moment. So an object is not deleted outright but moved below ``trash/``, and for a while the index is asked again: when
an entry has come up, the object goes back to its place.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import groupby, islice

from spanlake.store.blocks.paths import TRASH, BlockPath, DayPart, in_parts
from spanlake.store.blocks.reader import block_metadata
from spanlake.store.blocks.schema import Lineage
from spanlake.store.deletions import forget_deletions
from spanlake.store.errors import ObjectNotFound, StorageCorrupt
from spanlake.store.index.base import IdRange, Index
from spanlake.store.maintenance.retention import Removed
from spanlake.store.objects.base import ObjectInfo, Objects

_log = logging.getLogger(__name__)

SHARE = 0.05

_REACHED = "garbage collected up to"  # the path of an object, where time was over; empty after all days

Day = tuple[str, date]  # tenant and day


@dataclass(frozen=True, slots=True)
class GarbagePolicy:
    """Times and amounts of a collection."""

    untouched: timedelta = timedelta(hours=1)  # of an object; longer than from the first put of a commit to its entry
    regret: timedelta = timedelta(minutes=10)  # for how long what was moved can go back
    at_once: int = 10_000  # objects in memory, some 20 MB with their entries


USUAL_GARBAGE = GarbagePolicy()


@dataclass(frozen=True, slots=True)
class Collected:
    """Counts of objects without an entry: collected, kept or refused."""

    removed: Removed  # gone for good
    refused: int  # objects left in place, since they might be data


@dataclass(frozen=True, slots=True)
class _OfPart:
    """Objects of a tenant and day that have no entry."""

    garbage: list[str]  # paths
    refused: list[str]


def collect_garbage(
    objects: Objects,
    index: Index,
    now_ns: int | None = None,
    *,
    oldest: date | None = None,
    share: float = SHARE,
    has_time: Callable[[], bool] = lambda: True,
    policy: GarbagePolicy = USUAL_GARBAGE,
) -> Collected:
    """Remove objects of blocks that have no entry, as far as they cannot be data.

    Days before the ``oldest`` are beyond the retention. The ``share`` of a day's objects may be garbage that nothing
    proves to be; when more of them have no entry, they stay. Of a day of very many objects it is told of 10,000 at a
    time, in no order that means anything: memory is bounded. When ``has_time`` says that time is over, the next call
    goes on where this one has ended. A caller gives the time that it has found to be right.
    """
    now = datetime.now(UTC) if now_ns is None else datetime.fromtimestamp(now_ns // 10**9, UTC)
    removed = _empty_trash(objects, index, now, policy)
    start, reached, refused = index.get_property(_REACHED) or "", "", 0
    for part in in_parts(objects, policy.at_once):
        if part.blocks[-1][1].path < start:
            continue
        if not has_time():
            reached = part.blocks[0][1].path
            break
        refused += _collect(_Part(objects, index, part, policy.untouched), now, oldest, share)
    if reached != start:
        index.set_property(_REACHED, reached)
    put_back(objects, index, policy.at_once)
    forget_deletions(objects, now, has_time)
    return Collected(removed, refused)


def _collect(part: "_Part", now: datetime, oldest: date | None, share: float) -> int:
    """Move the garbage of a part to the trash; returns how many objects were refused."""
    found = _judged(part, now, oldest, share)
    for path in found.garbage:
        _move_to_trash(part, path, now)
    if found.refused:
        tenant, day = part.day
        _log.error(
            "blocks without an index entry left in place, spanlake reindex takes them in",
            extra={"tenant": tenant, "date": day.isoformat(), "blocks": len(found.refused)},
        )
    return len(found.refused)


@dataclass(frozen=True)
class _Part:
    """Objects of a day, and what the index has of their ids. Looked up when it is needed, once."""

    objects: Objects
    index: Index
    part: DayPart
    untouched: timedelta

    @property
    def day(self) -> Day:
        """The tenant and day."""
        return self.part.tenant, self.part.date

    @cached_property
    def needed(self) -> frozenset[str]:
        """Ids of blocks whose objects are needed."""
        return frozenset(block.id for block in self.index.entries(*self.day, self.part.ids))

    @cached_property
    def known(self) -> frozenset[str]:
        """Ids of blocks that are or were live."""
        return self.index.known_ids(*self.day, self.part.ids)

    @cached_property
    def there(self) -> frozenset[str]:
        """Ids of the blocks whose objects exist."""
        return frozenset(id_ for id_, _ in self.part.blocks)

    def is_safe(self, id_: str) -> bool:
        """True for a block whose spans are live, or live on in another, as far as the index knows."""
        first, last = self.part.ids
        if first <= id_ <= last:
            return id_ in self.known and (id_ in self.there or id_ not in self.needed)
        alone = id_, id_
        if not self.index.known_ids(*self.day, alone):
            return False
        return all(any(self.objects.list(block.path)) for block in self.index.entries(*self.day, alone))


def _judged(part: _Part, now: datetime, oldest: date | None, share: float) -> _OfPart:
    untouched = [(id_, info.path) for id_, info in part.part.blocks if now - info.modified > part.untouched]
    without_entry = {id_: path for id_, path in untouched if id_ not in part.needed}
    if not without_entry:
        return _OfPart([], [])
    paths = list(without_entry.values())
    tenant, day = part.day
    if day not in part.index.days(tenant):
        is_too_old = oldest is not None and day < oldest
        return _OfPart(paths, []) if is_too_old else _OfPart([], paths)
    sure = [path for id_, path in without_entry.items() if id_ in part.known or _is_made_of(part, path)]
    rest = [path for path in paths if path not in sure]
    return _OfPart(paths, []) if len(rest) <= share * len(part.part.blocks) else _OfPart(sure, rest)


def _is_made_of(part: _Part, path: str) -> bool:
    """True for a merge of blocks whose spans are safe without it."""
    try:
        lineage = Lineage.of(block_metadata(part.objects, path))
    except (ObjectNotFound, StorageCorrupt):
        return False
    return lineage is not None and all(map(part.is_safe, lineage.inputs))


def _move_to_trash(part: _Part, path: str, now: datetime) -> None:
    objects = part.objects
    with suppress(ObjectNotFound):
        objects.put(TRASH + path, objects.get(path))
        if all(now - info.modified > part.untouched for info in objects.list(path)):  # still nobody has put it again
            objects.delete(path)


def _empty_trash(objects: Objects, index: Index, now: datetime, policy: GarbagePolicy) -> Removed:
    put_back(objects, index, policy.at_once)
    removed = Removed()
    for info in objects.list(TRASH):
        if now - info.modified > policy.regret:
            objects.delete(info.path)
            removed += Removed(blocks=1, size=info.size)
    return removed


def put_back(objects: Objects, index: Index, at_once: int = USUAL_GARBAGE.at_once) -> bool:
    """Put those collected objects back that have an entry now; returns whether others may still have to be."""
    is_empty = True
    for day, of_day in groupby(objects.list(TRASH), key=_day):
        is_empty = False
        for paths in _some(of_day, at_once):
            needed = frozenset[str]() if day is None else _needed(index, day, paths)
            for path in paths:
                if path in needed:
                    _restore(objects, path)
    return not is_empty


def _some(found: Iterator[ObjectInfo], most: int) -> Iterator[list[str]]:
    """Yield the paths that collected objects had, in order."""
    while paths := [info.path.removeprefix(TRASH) for info in islice(found, most)]:
        yield paths


def _restore(objects: Objects, path: str) -> None:
    if not any(info.path == path for info in objects.list(path)):
        objects.put(path, objects.get(TRASH + path))
    objects.delete(TRASH + path)


def _day(info: ObjectInfo) -> Day | None:
    """Return the tenant and day of a collected block by its path; None when it is not that of a block."""
    parsed = BlockPath.parse(info.path.removeprefix(TRASH))
    return None if parsed is None else (parsed.tenant, parsed.date)


def _needed(index: Index, day: Day, paths: list[str]) -> frozenset[str]:
    """Paths of the blocks of a day whose objects are needed, among those from the first to the last path."""
    first, last = (BlockPath.parse(path) for path in (paths[0], paths[-1]))
    assert first is not None
    assert last is not None
    ids: IdRange = (first.id, last.id)
    return frozenset(block.path for block in index.entries(*day, ids))
