"""Entries of catalogs: of bounded size, and known to a process that has written them.

Keys beyond the bound are in the rest columns, and one entry stands for all of them. A commit writes only new
entries.
"""

from collections.abc import Iterable, Set
from datetime import date

from spanlake.store.blocks.block import MOST_ENTRIES, NESTED, OTHER_KEYS, CatalogEntry
from spanlake.store.index.base import Index

_MOST_ENTRIES = 200_000  # entries over all days; some 20 MB

Day = tuple[str, date, int]  # tenant, day, and the generation its catalog was begun in


class CatalogCache:
    """A bounded memory of catalog entries by day; it may forget, but it never remembers what was not told."""

    def __init__(self, limit: int = _MOST_ENTRIES) -> None:
        self._limit = limit
        self._days: dict[Day, set[CatalogEntry]] = {}
        self._count = 0

    def missing(self, day: Day, entries: Set[CatalogEntry]) -> Set[CatalogEntry]:
        """Return those of the entries that are not known."""
        return entries - self._days.get(day, set())

    def remember(self, day: Day, entries: Set[CatalogEntry]) -> None:
        """Know these entries from now on, at the price of all others when there are too many."""
        fresh = self.missing(day, entries)
        if self._count + len(fresh) > self._limit:
            self._days.clear()
            self._count = 0
        self._days.setdefault(day, set()).update(fresh)
        self._count += len(fresh)

    def known(self, day: Day) -> frozenset[CatalogEntry]:
        """Return the entries that are remembered of a day."""
        return frozenset(self._days.get(day, ()))


def without_room(fresh: Set[CatalogEntry], entries: int, most: int | None = None) -> frozenset[CatalogEntry]:
    """Return those of the fresh entries for which a catalog with this number of entries has no room.

    ``most`` is the limit of the tenant, where it has one.
    """
    room = min(MOST_ENTRIES, MOST_ENTRIES if most is None else most) - entries
    return frozenset(sorted(fresh)[max(room, 0) :])


def has_column(entry: CatalogEntry) -> bool:
    """Return True for an entry of a column."""
    return entry.type != "rest" and entry.scope not in NESTED


def standing_for(left: Iterable[CatalogEntry]) -> frozenset[CatalogEntry]:
    """Return the entries that stand for others."""
    return frozenset(CatalogEntry(entry.scope, OTHER_KEYS, "rest") for entry in left)


def listed(index: Index, tenant: str, day: date, entries: frozenset[CatalogEntry]) -> frozenset[CatalogEntry]:
    """Return the entries to add for blocks that are written already: columns are always listed."""
    left = frozenset(entry for entry in index.beyond_catalog(tenant, day, entries) if not has_column(entry))
    return (entries - left) | standing_for(left)
