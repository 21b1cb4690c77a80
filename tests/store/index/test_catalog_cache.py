"""Tests a process's memory of catalog entries."""

from datetime import date

from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.index.catalog_cache import CatalogCache

DAY = ("a", date(2026, 11, 22), 1)


def entries(*keys: str) -> frozenset[CatalogEntry]:
    return frozenset(CatalogEntry("span", key, "int") for key in keys)


def test_what_was_told_is_no_longer_missing() -> None:
    known = CatalogCache()
    assert known.missing(DAY, entries("x", "y")) == entries("x", "y")
    known.remember(DAY, entries("x"))
    assert known.missing(DAY, entries("x", "y")) == entries("y")


def test_days_and_their_generations_are_kept_apart() -> None:
    known = CatalogCache()
    known.remember(DAY, entries("x"))
    for other in [("b", *DAY[1:]), ("a", date(2026, 11, 23), 1), ("a", DAY[1], 2)]:
        assert known.missing(other, entries("x")) == entries("x")


def test_catalog_cache_is_bounded() -> None:
    known = CatalogCache(limit=3)
    known.remember(DAY, entries("x", "y"))
    known.remember(DAY, entries("x", "z"))
    assert known.missing(DAY, entries("x", "y", "z")) == frozenset()
    known.remember(DAY, entries("w"))
    assert known.missing(DAY, entries("w", "x")) == entries("x")
