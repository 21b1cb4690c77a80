"""An index file that is damaged, deleted, or on a full disk."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS
from spanlake.store.errors import StorageCorrupt, StorageUnavailable
from spanlake.store.index import sqlite
from spanlake.store.index.sqlite import SqliteIndex
from tests.store.index.test_index import block

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index of several pages, which nobody has open."""
    path = tmp_path / "index.sqlite"
    index = SqliteIndex(path)
    index.add([block(f"{number}") for number in range(300)], {})
    index.close()
    return path


def damage_pages(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // PAGE):
            file.seek(page * PAGE)
            file.write(os.urandom(64))


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_index_with_damaged_pages_is_not_opened(path: Path) -> None:
    damage_pages(path)
    with pytest.raises(StorageCorrupt, match=r"the index .*index\.sqlite is damaged .*run spanlake reindex"):
        SqliteIndex(path)


def test_damage_while_the_index_is_open_is_a_hindrance(path: Path) -> None:
    index = SqliteIndex(path)
    assert index.unready_reason() is None
    damage_pages(path)
    for connection in index._idle:
        connection.execute("PRAGMA shrink_memory")
    with pytest.raises(StorageCorrupt):
        index.find("a", 0, MAX_NS)
    assert "is damaged" in (index.unready_reason() or "")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE block SET date = '2026-99-99' WHERE id = '7'",
        "UPDATE block SET hidden = 7 WHERE id = '7'",
    ],
)
def test_row_that_makes_no_sense_is_damage(path: Path, statement: str) -> None:
    change(path, statement)
    index = SqliteIndex(path)
    with pytest.raises(StorageCorrupt, match="is damaged"):
        index.expire(date(9999, 1, 1))
    assert index.unready_reason()


def test_nothing_is_written_into_a_deleted_index(path: Path) -> None:
    index = SqliteIndex(path)
    path.unlink()
    with pytest.raises(StorageUnavailable, match=r"index\.sqlite was deleted or replaced .* restart the server"):
        index.add([block("new")], {})
    with pytest.raises(StorageUnavailable):
        index.find("a", 0, MAX_NS)
    assert "was deleted" in (index.unready_reason() or "")


def test_index_deleted_during_a_commit_is_not_acknowledged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = SqliteIndex(path)
    put = sqlite._put_blocks

    def deleting(*arguments: object) -> None:
        put(*arguments)  # type: ignore[arg-type]
        path.unlink()

    monkeypatch.setattr(sqlite, "_put_blocks", deleting)
    with pytest.raises(StorageUnavailable):
        index.add([block("new")], {})


def test_index_that_was_replaced_is_not_used(path: Path) -> None:
    index = SqliteIndex(path)
    other = path.with_name("other")
    SqliteIndex(other).close()
    other.rename(path)
    with pytest.raises(StorageUnavailable, match="replaced"):
        index.find("a", 0, MAX_NS)


def test_removal_on_a_full_disk_takes_the_reserved_space(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = SqliteIndex(path)
    reserve = path.with_name(".index.sqlite.reserve")
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    was_reserved: list[bool] = []
    expire = index._expire

    def expire_where_there_is_room(limit: Mapping[str, str | None]) -> list[Block]:
        was_reserved.append(reserve.exists())
        if reserve.exists():
            raise StorageUnavailable("full") from full
        return expire(limit)

    monkeypatch.setattr(index, "_expire", expire_where_there_is_room)
    assert len(index.expire(date(9999, 1, 1))) == 300
    assert was_reserved == [True, False]
    assert reserve.exists(), "it is filled again"
