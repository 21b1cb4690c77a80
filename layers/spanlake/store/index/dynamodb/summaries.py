"""Totals of a DynamoDB index by day, without reading all of it each time.

Figures of a day are added up from its blocks and kept for a minute, of days gone by for an hour, unless this process
changes the day. The same goes for the list of a tenant's days. What is found unchanged is kept twice as long the next
time, for ten minutes at most or the hour: thousands of tenants that do nothing cost next to nothing. Counters in the
table would be a second write with every request.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Generic, TypeVar

from spanlake.store.blocks.block import Block, DaySummary
from spanlake.store.index.dynamodb.days import Days
from spanlake.store.index.dynamodb.items import is_live
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import DAY_ITEM, EXPIRES, partition

_RECENT = timedelta(days=2)
_KEPT_SECONDS = 60.0
_MOST_KEPT_SECONDS = 600.0  # of what was found unchanged
_LONG_KEPT_SECONDS = 3_600.0
_NAMES = ("sk", "start_ns", "spans", "size", "replaced", EXPIRES)


T = TypeVar("T")


@dataclass(frozen=True)
class _Kept(Generic[T]):
    """The result of the last query, and for how long it is kept."""

    found: T
    seconds: float  # for which it is kept
    until: float  # monotonic

    @classmethod
    def after(cls, former: "_Kept[T] | None", found: T, seconds: float) -> "_Kept[T]":
        """Return the new result, kept for longer than the former where both are equal."""
        if former is not None and former.found == found:
            seconds = max(seconds, min(2 * former.seconds, _MOST_KEPT_SECONDS))
        return cls(found, seconds, time.monotonic() + seconds)

    @property
    def is_due(self) -> bool:
        """True when it is time to look again."""
        return self.until <= time.monotonic()


class Summaries:
    """Adds up what days hold; safe to share between threads."""

    def __init__(self, requests: Requests, days: Days) -> None:
        self._requests = requests
        self._days = days
        self._taken: dict[tuple[str, date], _Kept[tuple[DaySummary, ...]]] = {}
        self._listed: dict[str, _Kept[tuple[date, ...]]] = {}
        self._changed: set[tuple[str, date]] = set()
        self._lock = threading.Lock()  # never held during a request

    def take(self, tenants: Iterable[str]) -> list[DaySummary]:
        """Return the totals of live blocks by tenant, day and level."""
        with self._lock:
            changed = frozenset(self._changed)
            kept = {about: figures for about, figures in self._taken.items() if about not in changed}
            self._changed.clear()
            listed = self._listed
        of_changed = {tenant for tenant, _ in changed}
        listed = {
            tenant: self._list(tenant, None if tenant in of_changed else listed.get(tenant)) for tenant in tenants
        }
        days = [(tenant, day) for tenant, found in listed.items() for day in found.found]
        taken = {about: self._figures(about, kept.get(about)) for about in days}
        with self._lock:
            self._taken, self._listed = taken, listed
        return [level for figures in taken.values() for level in figures.found]

    def forget(self, blocks: Iterable[Block]) -> None:
        """Take the figures of the blocks' days again when they are asked for."""
        with self._lock:
            self._changed.update((block.tenant, block.date) for block in blocks)

    def _list(self, tenant: str, kept: _Kept[tuple[date, ...]] | None) -> _Kept[tuple[date, ...]]:
        """Return the days of a tenant, in order."""
        if kept is not None and not kept.is_due:
            return kept
        return _Kept.after(kept, tuple(sorted(self._days.listed(tenant))), _KEPT_SECONDS)

    def _figures(
        self, about: tuple[str, date], kept: _Kept[tuple[DaySummary, ...]] | None
    ) -> _Kept[tuple[DaySummary, ...]]:
        if kept is not None and not kept.is_due:
            return kept
        recent = datetime.now(UTC).date() - about[1] < _RECENT
        seconds = _KEPT_SECONDS if recent else _LONG_KEPT_SECONDS
        return _Kept.after(kept, tuple(self._levels(*about)), seconds)

    def _levels(self, tenant: str, day: date) -> Iterable[DaySummary]:
        totals: Mapping[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        for item in self._requests.query(partition(tenant, day), below=DAY_ITEM, names=_NAMES):
            if is_live(item):
                total = totals[int(item["sk"].partition("#")[0])]
                for number, more in enumerate((1, item["spans"], item["size"])):
                    total[number] += more
        return [DaySummary(tenant, day, level, *totals[level]) for level in sorted(totals)]
