"""Objects that no entry of the index names: what writers left that were killed, or that lost a race.

An index that has lost entries, or that is another's, makes blocks look the same. So little is taken for garbage: blocks
that the index knows to be replaced, merges whose inputs it knows, days beyond the retention, and of what remains a
small share of a day.

The same object may be put again while it is collected, by a client that retries, and its entry may follow at any
moment. So an object is not deleted outright but moved below ``trash/``, and for a while the index is asked again: when
an entry has come up, the object goes back to its place.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from spanlake.store.blocks.paths import BlockPath, by_day
from spanlake.store.blocks.reader import block_metadata
from spanlake.store.blocks.schema import Lineage
from spanlake.store.deletions import forget_deletions
from spanlake.store.errors import ObjectNotFound, StorageCorrupt
from spanlake.store.index.base import Index
from spanlake.store.maintenance.retention import Removed
from spanlake.store.objects.base import ObjectInfo, Objects

_log = logging.getLogger(__name__)

TRASH = "trash/"
SHARE = 0.05

_REACHED = "garbage collected up to"  # the path of a day, where time was over; empty after all days

_UNTOUCHED = timedelta(hours=1)  # longer than from the first put of a commit to its entry
_REGRET = timedelta(minutes=10)  # for how long what was moved can go back

Day = tuple[str, date]  # tenant and day


@dataclass(frozen=True, slots=True)
class Collected:
    """Counts of objects without an entry: collected, kept or refused."""

    removed: Removed  # gone for good
    refused: int  # objects left in place, since they might be data


@dataclass(frozen=True, slots=True)
class _OfDay:
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
) -> Collected:
    """Remove objects of blocks that have no entry, as far as they cannot be data.

    Days before the ``oldest`` are beyond the retention. The ``share`` of a day's objects may be garbage that nothing
    proves to be; when more of them have no entry, they stay. When ``has_time`` says that time is over, the next call
    goes on with the day that is next. A caller gives the time that it has found to be right.
    """
    now = datetime.now(UTC) if now_ns is None else datetime.fromtimestamp(now_ns // 10**9, UTC)
    removed = _empty_trash(objects, index, now)
    refused = 0
    existing: set[str] = set()
    start, reached = index.get_property(_REACHED) or "", ""
    for tenant, day, blocks in by_day(objects):
        existing.update(info.path for _, info in blocks)
        place = blocks[0][1].path.rpartition("/")[0]
        if reached or place < start:
            continue
        if not has_time():
            reached = place
            continue
        untouched = [(id_, info) for id_, info in blocks if now - info.modified > _UNTOUCHED]
        found = _judged(objects, index, (tenant, day), blocks, untouched, oldest=oldest, share=share)
        for path in found.garbage:
            _move_to_trash(objects, path, now)
        if found.refused:
            refused += len(found.refused)
            _log.error(
                "blocks without an index entry left in place, spanlake reindex takes them in",
                extra={"tenant": tenant, "date": day.isoformat(), "blocks": len(found.refused)},
            )
    if reached != start:
        index.set_property(_REACHED, reached)
    put_back(objects, index)
    forget_deletions(objects, frozenset(existing))
    return Collected(removed, refused)


def _judged(
    objects: Objects,
    index: Index,
    day: Day,
    blocks: Sequence[tuple[str, ObjectInfo]],
    untouched: Sequence[tuple[str, ObjectInfo]],
    *,
    oldest: date | None,
    share: float,
) -> _OfDay:
    needed = _needed(index, day) if untouched else frozenset()
    without_entry = {id_: info.path for id_, info in untouched if info.path not in needed}
    if not without_entry:
        return _OfDay([], [])
    paths = list(without_entry.values())
    if day[1] not in index.days(day[0]):
        is_too_old = oldest is not None and day[1] < oldest
        return _OfDay(paths, []) if is_too_old else _OfDay([], paths)
    known = index.known_ids(*day)
    safe = known - {BlockPath.parse(path).id for path in needed if not _is_there(path, blocks)}  # type: ignore[union-attr]
    sure = [path for id_, path in without_entry.items() if id_ in known or _is_made_of(objects, path, safe)]
    rest = [path for path in paths if path not in sure]
    return _OfDay(paths, []) if len(rest) <= share * len(blocks) else _OfDay(sure, rest)


def _is_there(path: str, blocks: Sequence[tuple[str, ObjectInfo]]) -> bool:
    return any(info.path == path for _, info in blocks)


def _is_made_of(objects: Objects, path: str, safe: frozenset[str]) -> bool:
    """True for a merge of blocks whose spans are safe without it."""
    try:
        lineage = Lineage.of(block_metadata(objects, path))
    except (ObjectNotFound, StorageCorrupt):
        return False
    return lineage is not None and safe.issuperset(lineage.inputs)


def _move_to_trash(objects: Objects, path: str, now: datetime) -> None:
    with suppress(ObjectNotFound):
        objects.put(TRASH + path, objects.get(path))
        if all(now - info.modified > _UNTOUCHED for info in objects.list(path)):  # still nobody has put it again
            objects.delete(path)


def _empty_trash(objects: Objects, index: Index, now: datetime) -> Removed:
    put_back(objects, index)
    old = [info for info in objects.list(TRASH) if now - info.modified > _REGRET]
    for info in old:
        objects.delete(info.path)
    return Removed(blocks=len(old), size=sum(info.size for info in old))


def put_back(objects: Objects, index: Index) -> bool:
    """Put those collected objects back that have an entry now; returns whether others may still have to be."""
    paths = [info.path.removeprefix(TRASH) for info in objects.list(TRASH)]
    for day, of_day in groupby(paths, key=_day):
        needed = frozenset[str]() if day is None else _needed(index, day)
        for path in of_day:
            if path in needed:
                _restore(objects, path)
    return bool(paths)


def _restore(objects: Objects, path: str) -> None:
    if not any(info.path == path for info in objects.list(path)):
        objects.put(path, objects.get(TRASH + path))
    objects.delete(TRASH + path)


def _day(path: str) -> Day | None:
    """The tenant and day of a block by its path; None when it is not that of a block."""
    parsed = BlockPath.parse(path)
    return None if parsed is None else (parsed.tenant, parsed.date)


def _needed(index: Index, day: Day) -> frozenset[str]:
    return frozenset(block.path for block in index.entries(*day))
