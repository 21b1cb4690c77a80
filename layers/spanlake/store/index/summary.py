"""Totals of a store by tenant and day, and their JSON."""

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import groupby

from spanlake.store.index.base import DaySummary, UnfinishedMerge


def by_day(summary: Iterable[DaySummary]) -> list[dict[str, object]]:
    """One object for each tenant and day, with what is at each level of compaction; sizes in bytes.

    The summary is in the order of tenants and days.
    """
    days = groupby(summary, key=lambda day: (day.tenant, day.date))
    return [{"tenant": tenant, "date": on.isoformat()} | _day(list(levels)) for (tenant, on), levels in days]


def _day(levels: list[DaySummary]) -> dict[str, object]:
    return {
        "blocks": sum(level.blocks for level in levels),
        "spans": sum(level.spans for level in levels),
        "bytes": sum(level.size for level in levels),
        "levels": [
            {"level": level.level, "blocks": level.blocks, "spans": level.spans, "bytes": level.size}
            for level in levels
        ],
    }


MOST_ATTEMPTS = 3
QUARANTINE_SECONDS = 86_400  # after which a day gets another attempt: what has passed by itself needs nobody

Day = tuple[str, date]  # tenant and day


def quarantined(unfinished: Iterable[UnfinishedMerge], now: float) -> Mapping[Day, UnfinishedMerge]:
    """The tenants and days that compaction leaves alone at a time (Unix seconds), with a failed merge."""
    return {
        (one.merge.tenant, one.merge.date): one
        for one in unfinished
        if one.attempts >= MOST_ATTEMPTS and now - one.seconds < QUARANTINE_SECONDS
    }


def quarantined_days(unfinished: Iterable[UnfinishedMerge], now: float) -> list[dict[str, object]]:
    """One object for each quarantined tenant and day; times in seconds since 1970."""
    return [
        {
            "tenant": tenant,
            "date": on.isoformat(),
            "attempts": one.attempts,
            "reason": one.reason or "the process ended during the merge",
            "failed": one.seconds,
        }
        for (tenant, on), one in quarantined(unfinished, now).items()
    ]
