"""Catalogs of bounded size: the keys beyond are in the rest columns, and one entry stands for all of them."""

from collections.abc import Iterable
from datetime import date

from spanlake.store.blocks.block import OTHER_KEYS, CatalogEntry
from spanlake.store.index.base import Index

NESTED = {"event": "events", "link": "links"}
"""Column of each scope whose attributes have no columns of their own."""


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
