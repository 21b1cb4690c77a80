"""Entries of catalogs: their bound, and a process's memory of them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.block import OTHER_KEYS, CatalogEntry
from spanlake.store.index.catalog import CatalogCache, has_column, listed
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.reindex import reindex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from tests.query.kit import At, Lake, request

DAY = ("a", date(2026, 11, 22), 1)


def entries(*names: str) -> frozenset[CatalogEntry]:
    return frozenset(CatalogEntry("span", key, "int") for key in names)


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


def small_index(folder: Path) -> SqliteIndex:
    """Makes an index whose catalogs have four keys."""
    return SqliteIndex(folder / "index.sqlite", most_entries=4)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    index = small_index(tmp_path)
    yield index
    index.close()


def keys(*names: str, type_: str = "string") -> frozenset[CatalogEntry]:
    return frozenset(CatalogEntry("span", key, type_) for key in names)


TODAY = date(2026, 1, 1)


def test_catalog_has_room_for_a_number_of_entries(index: SqliteIndex) -> None:
    assert index.beyond_catalog("t", TODAY, keys(*"abcd")) == frozenset()
    assert index.beyond_catalog("t", TODAY, keys(*"fedcba")) == keys("e", "f")


def test_tenants_limit_is_the_lower_one(index: SqliteIndex) -> None:
    assert index.beyond_catalog("t", TODAY, keys(*"abcd"), most=2) == keys("c", "d")
    assert index.beyond_catalog("t", TODAY, keys(*"abcdef"), most=9) == keys("e", "f")


def test_blocks_keep_to_the_columns_of_their_tenant(tmp_path: Path, index: SqliteIndex) -> None:
    objects = LocalObjects(tmp_path)
    table = decode([request([At(1, attributes={"a": 1, "b": 2, "c": 3})])]).table
    for tenant in ("few", "many"):
        write(objects, index, tenant, table, b"h", columns_of={"few": 2, "many": None}.get)
    found = {tenant: index.catalog(tenant, 0, 2**63 - 1) for tenant in ("few", "many")}
    assert sum(has_column(entry) for entry in found["few"]) == 2
    assert sum(has_column(entry) for entry in found["many"]) == 4


def test_listed_entries_keep_columns_and_stand_for_others(index: SqliteIndex) -> None:
    columns, rest = keys(*"abcde"), keys(*"vwxyz", type_="rest")
    assert listed(index, "t", TODAY, columns | rest) == columns | keys(OTHER_KEYS, type_="rest")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path, index=small_index(tmp_path))
    yield lake
    lake.close()


def test_queries_find_keys_without_an_entry(lake: Lake) -> None:
    lake.add(At(1, attributes={"a": 1, "b": "x"}, scope={"lib": "l"}))
    for number in range(2, 7):
        event = ("e", 0, {f"in.{number}": [number, "x"], "plain": number})
        lake.add(At(number, attributes={f"key.{number}": f"v{number}", "a": number}, events=[event]))
    for number in range(2, 7):
        assert lake.names(f'{{ span.key.{number} = "v{number}" }}', spans=9) == [str(number)]
        assert lake.names(f"{{ .key.{number} != nil }}", spans=9) == [str(number)]
        assert lake.values(f"span.key.{number}") == [("string", f"v{number}")]
        assert lake.names(f"{{ event.in.{number} = {number} }}", spans=9) == [str(number)]
        assert lake.values("event.plain") == [("int", str(each)) for each in range(2, 7)]
    assert lake.names("{ span.a > 4 }", spans=9) == ["5", "6"]
    assert lake.names('{ span.key.77 = "v" }', spans=9) == []
    assert OTHER_KEYS not in str(lake.tags())
    assert len(lake.index.catalog("kit", 0, 2**63 - 1)) <= 4 + 3


def test_reindexed_blocks_keep_the_limit(lake: Lake, tmp_path: Path) -> None:
    for number in range(8):
        lake.add(At(number + 1, attributes={f"key.{number}": "v"}))
    (tmp_path / "again").mkdir()
    again = small_index(tmp_path / "again")
    reindex(lake.objects, again)
    found = again.catalog("kit", 0, 2**63 - 1)
    again.close()
    assert CatalogEntry("span", OTHER_KEYS, "rest") in found
    assert len(found) <= 4 + 3
