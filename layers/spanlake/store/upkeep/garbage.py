"""Objects that no entry of the index names: what writers left that were killed, or that lost a race.

The same object may be put again while it is collected, by a client that retries, and its entry may follow at any
moment. So an object is not deleted outright but moved below ``trash/``, and for a while the index is asked again: when
an entry has come up, the object goes back to its place.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from spanlake.store.errors import ObjectNotFound
from spanlake.store.index import Index
from spanlake.store.objects import Objects
from spanlake.store.tenant import unescape_tenant
from spanlake.store.upkeep.removal import Removed

TRASH = "trash/"

_UNTOUCHED = timedelta(hours=1)  # longer than from the first put of a commit to its entry
_REGRET = timedelta(minutes=10)  # for how long what was moved can go back
_BLOCK = re.compile(r"spans/tenant=(?P<tenant>[^/]+)/date=(?P<date>\d{4}-\d\d-\d\d)/[^/]+\.parquet")

Day = tuple[str, date]  # tenant and day


def collect_garbage(objects: Objects, index: Index) -> Removed:
    """Remove objects of blocks that have no entry; returns what is gone for good."""
    now = datetime.now(UTC)
    removed = _empty_trash(objects, index, now)
    for path in list(_garbage(objects, index, now)):
        _move_to_trash(objects, path, now)
    put_back(objects, index)
    return removed


def _garbage(objects: Objects, index: Index, now: datetime) -> Iterator[str]:
    for day, infos in groupby(objects.list("spans/"), key=lambda info: _day(info.path)):
        untouched = [info.path for info in infos if now - info.modified > _UNTOUCHED]
        if day is not None and untouched:
            needed = _needed(index, day)
            yield from (path for path in untouched if path not in needed)


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
    """Whose block it is by its path, and of which day; None when it is no block's path."""
    match = _BLOCK.fullmatch(path)
    if match is None:
        return None
    with suppress(ValueError):
        return unescape_tenant(match["tenant"]), date.fromisoformat(match["date"])
    return None


def _needed(index: Index, day: Day) -> frozenset[str]:
    return frozenset(block.path for block in index.entries(*day))
