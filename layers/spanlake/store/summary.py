"""What a store holds by tenant and day, as it is told in JSON."""

from collections.abc import Iterable
from itertools import groupby

from spanlake.store.index import DaySummary


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
