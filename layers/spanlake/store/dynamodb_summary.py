"""What a DynamoDB index holds, day by day, without reading all of it each time.

Figures of a day are added up from its blocks and kept for a minute, of days gone by for an hour, unless this process
changes the day. Counters in the table would be a second write with every request.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from spanlake.store.dynamodb_days import Days
from spanlake.store.dynamodb_items import is_live
from spanlake.store.dynamodb_requests import Requests
from spanlake.store.dynamodb_table import DAY_ITEM, EXPIRES, partition
from spanlake.store.index import Block, DaySummary

_RECENT = timedelta(days=2)
_KEPT_SECONDS = 60.0
_LONG_KEPT_SECONDS = 3_600.0
_NAMES = ("sk", "start_ns", "spans", "size", "replaced", EXPIRES)


@dataclass(frozen=True)
class _Figures:
    """What a day held when it was last looked at."""

    levels: tuple[DaySummary, ...]
    until: float  # monotonic


class Summaries:
    """Adds up what days hold; safe to share between threads."""

    def __init__(self, requests: Requests, days: Days) -> None:
        self._requests = requests
        self._days = days
        self._taken: dict[tuple[str, date], _Figures] = {}
        self._changed: set[tuple[str, date]] = set()
        self._lock = threading.Lock()  # never held during a request

    def take(self, tenants: Iterable[str]) -> list[DaySummary]:
        """What is live, by tenant, day and level."""
        with self._lock:
            kept = {about: figures for about, figures in self._taken.items() if about not in self._changed}
            self._changed.clear()
        days = [(tenant, day) for tenant in tenants for day in sorted(self._days.listed(tenant))]
        taken = {about: self._figures(about, kept.get(about)) for about in days}
        with self._lock:
            self._taken = taken
        return [level for figures in taken.values() for level in figures.levels]

    def forget(self, blocks: Iterable[Block]) -> None:
        """Take the figures of the blocks' days again when they are asked for."""
        with self._lock:
            self._changed.update((block.tenant, block.date) for block in blocks)

    def _figures(self, about: tuple[str, date], kept: _Figures | None) -> _Figures:
        if kept is not None and kept.until > time.monotonic():
            return kept
        recent = datetime.now(UTC).date() - about[1] < _RECENT
        seconds = _KEPT_SECONDS if recent else _LONG_KEPT_SECONDS
        return _Figures(tuple(self._levels(*about)), time.monotonic() + seconds)

    def _levels(self, tenant: str, day: date) -> Iterable[DaySummary]:
        totals: Mapping[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        for item in self._requests.query(partition(tenant, day), below=DAY_ITEM, names=_NAMES):
            if is_live(item):
                total = totals[int(item["sk"].partition("#")[0])]
                for number, more in enumerate((1, item["spans"], item["size"])):
                    total[number] += more
        return [DaySummary(tenant, day, level, *totals[level]) for level in sorted(totals)]
