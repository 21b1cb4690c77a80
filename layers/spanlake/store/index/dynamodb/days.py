"""The days of tenants in a DynamoDB index: which there are, how far their spans reach, what is in their catalogs.

A block stands under the day on which its spans start, and they may last for longer. SQLite keeps the last day they
reach beside each day and reads it with every question; here that would be one more request each time. Instead a day
says of itself up to when spans of *earlier* days reach into it (``reached_ns``), which comes with the day's blocks at
no cost. Only a question about a time before that, in practice the first moments after midnight, or about a day that
has not begun, goes on to the list of days.

For that to be true, whoever begins a day first puts it on the list, then reads from the list what reaches into it, and
only then says that it has begun; whoever lets a day reach further first says so on the list, then reads from it which
later days there are, and tells them. Of two who do this at once one sees the other. Both come before the block itself.
Reaches are rounded up to the hour, so that this happens once a day and not with each request before midnight.

Expiring takes nothing away that others may rely on: a process remembers for an hour that a day has begun and what is in
its catalog, so an expired day is marked, and its marked items go after two hours, unless somebody who has forgotten
begins it anew.
"""

import itertools
import threading
import time
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.days import DAY_NS, MAX_NS, utc_day
from spanlake.store.index.catalog import CatalogCache, without_room
from spanlake.store.index.dynamodb.items import Item, Update, entry_item, is_entry, is_kept, is_there, to_entry
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import DAY_ITEM, EXPIRES, TENANTS, day_key, listed_day_key, partition

_REMEMBERED_SECONDS = 3_600.0
_MARKED_SECONDS = 7_200  # longer than anybody remembers
_REACH_STEP_NS = 3_600 * 10**9
_MOST_REMEMBERED = 10_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class _OpenDay:
    """A day that this process knows to have begun."""

    generation: int  # of its catalog in KnownEntries
    until: float  # monotonic time at which it is forgotten
    reach_ns: int  # up to where it is known to reach


class Days:
    """Begins days, keeps their catalogs and their reach; safe to share between threads."""

    def __init__(self, requests: Requests, retention: timedelta | None) -> None:
        self._requests = requests
        self._retention = retention
        self._begun: dict[tuple[str, date], _OpenDay] = {}
        self._known = CatalogCache()
        self._generations = itertools.count()
        self._turn = threading.Lock()

    def begin(self, tenant: str, day: date) -> None:
        """Make sure that a day has begun, so that blocks may be added to it."""
        with self._turn:
            self._remembered(tenant, day)

    def has_begun(self, tenant: str, day: date) -> bool:
        """Return True where a day has begun."""
        return any(is_begun(item) for item in self._requests.query(partition(tenant, day), begins=DAY_ITEM))

    def reach(self, block: Block) -> None:
        """Make sure that the block is found on each day that its spans reach; its day has begun."""
        with self._turn:
            begun = self._remembered(block.tenant, block.date)
            if block.end_ns <= begun.reach_ns:
                return
            reach_ns = min(-(-block.end_ns // _REACH_STEP_NS) * _REACH_STEP_NS, MAX_NS)
            self._reach(block.tenant, block.date, reach_ns)
            self._begun[block.tenant, block.date] = replace(begun, reach_ns=reach_ns)

    def learn(self, tenant: str, day: date, entries: Set[CatalogEntry]) -> None:
        """Put into the catalog of a day that has begun what is not in it."""
        with self._turn:
            about = tenant, day, self._remembered(tenant, day).generation
            new = self._known.missing(about, entries)
            if new:
                life = expiry(day, self._retention)
                self._requests.put(entry_item(tenant, day, entry) | life for entry in new if is_kept(entry))
                self._known.remember(about, new)

    def beyond(
        self, tenant: str, day: date, entries: Set[CatalogEntry], most: int | None = None
    ) -> frozenset[CatalogEntry]:
        """Return the entries for which the catalog of a day has no room, as far as this process knows it."""
        with self._turn:
            begun = self._begun.get((tenant, day))
            if begun is None:
                return without_room(entries, 0, most)
            about = tenant, day, begun.generation
            missing = self._known.missing(about, entries)
            return without_room(missing, len(self._known.known(about)), most) if missing else frozenset()

    def listed(self, tenant: str) -> dict[date, int]:
        """Return the days of a tenant, and up to when spans of each last."""
        items = filter(is_there, self._requests.query(tenant))
        return {date.fromisoformat(item["sk"]): item["reach_ns"] for item in items if "reach_ns" in item}

    def mark(self, tenant: str, day: date, entries: Iterable[CatalogEntry]) -> None:
        """Let a day go: what is known of it, blocks apart, is gone in two hours."""
        now = self._requests.now()
        marks = {"forgotten": now, EXPIRES: now + _MARKED_SECONDS}
        with self._turn:
            self._begun.pop((tenant, day), None)
            keys = day_key(tenant, day), listed_day_key(tenant, day)
            self._requests.transact([Update(key, put=marks) for key in keys])
            self._requests.put(entry_item(tenant, day, entry) | marks for entry in entries)

    def _remembered(self, tenant: str, day: date) -> _OpenDay:
        begun = self._begun.get((tenant, day))
        if begun is not None and begun.until > time.monotonic():
            return begun
        if len(self._begun) >= _MOST_REMEMBERED:
            self._begun.clear()
        begun = self._begun[tenant, day] = self._begin(tenant, day)
        return begun

    def _begin(self, tenant: str, day: date) -> _OpenDay:
        items = list(self._requests.query(partition(tenant, day), begins=DAY_ITEM))
        if not any(is_begun(item) and "forgotten" not in item for item in items):
            self._begin_anew(tenant, day)
        begun = _OpenDay(next(self._generations), time.monotonic() + _REMEMBERED_SECONDS, _end(day))
        lasting = {to_entry(item) for item in items if is_entry(item) and is_there(item) and "forgotten" not in item}
        self._known.remember((tenant, day, begun.generation), lasting)
        return begun

    def _begin_anew(self, tenant: str, day: date) -> None:
        self._requests.update(Update((TENANTS, tenant), put={"last_day": day.isoformat()}, rising="last_day"))
        self._requests.update(Update(listed_day_key(tenant, day), once={"reach_ns": _end(day)}))
        reached = max((reach for other, reach in self.listed(tenant).items() if other < day), default=0)
        if utc_day(reached) >= day:
            self._reached(tenant, day, reached)
        life = expiry(day, self._retention)
        gone = ["forgotten"] if life else ["forgotten", EXPIRES]
        listed = Update(listed_day_key(tenant, day), put=life, once={"reach_ns": _end(day)}, remove=gone)
        self._requests.transact([listed, Update(day_key(tenant, day), put=life | {"begun": 1}, remove=gone)])

    def _reach(self, tenant: str, day: date, reach_ns: int) -> None:
        self._requests.update(Update(listed_day_key(tenant, day), put={"reach_ns": reach_ns}, rising="reach_ns"))
        for later in self.listed(tenant):
            if day < later <= utc_day(reach_ns):
                self._reached(tenant, later, reach_ns)

    def _reached(self, tenant: str, day: date, reach_ns: int) -> None:
        self._requests.update(Update(day_key(tenant, day), put={"reached_ns": reach_ns}, rising="reached_ns"))


def is_begun(item: Item) -> bool:
    """Return True for the item of a day that has begun."""
    return item["sk"] == DAY_ITEM and "begun" in item and is_there(item)


def expiry(day: date, retention: timedelta | None, spare_days: int = 6) -> dict[str, int]:
    """When items of a day expire: so many days after its last span is too old; nothing when spans are kept."""
    if retention is None:
        return {}
    ends = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1 + spare_days)
    return {EXPIRES: int((ends + retention).timestamp())}


def _end(day: date) -> int:
    """Return the last nanosecond of a day, or of time."""
    return min(((day - _EPOCH).days + 1) * DAY_NS - 1, MAX_NS)
