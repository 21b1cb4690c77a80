"""Tests the SQLite index beyond the suite: files of all kinds, several processes, locks, and few writes."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.days import MAX_NS
from spanlake.store.errors import StorageCorrupt, StorageUnavailable
from spanlake.store.index import sqlite_schema
from spanlake.store.index.base import StoredBefore
from spanlake.store.index.sqlite import SqliteIndex
from tests.store.index.test_index import TODAY, block
from tests.store.tables import NOON

ADD_MANY = """
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from spanlake.store.index.sqlite import SqliteIndex
from tests.store.index.test_index import block

index = SqliteIndex(Path(sys.argv[1]))
for number in range(40):
    index.add([block(f"{sys.argv[2]}-{number}")], {})
"""


def test_several_processes_may_begin_and_share_an_index(tmp_path: Path) -> None:
    path = tmp_path / "new" / "index.db"
    writers = [subprocess.Popen([sys.executable, "-c", ADD_MANY, str(path), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(SqliteIndex(path).find("a", 0, MAX_NS)) == 120


# Opens one new index after another, each at the very moment at which others do.
OPEN_MANY = """
import sys, time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from spanlake.store.index.sqlite import SqliteIndex

for number in range(60):
    time.sleep(max(0, float(sys.argv[2]) + number * 0.05 - time.time()))
    SqliteIndex(Path(sys.argv[1]) / f"{number}.db").close()
"""


def test_processes_may_begin_an_index_at_the_same_moment(tmp_path: Path) -> None:
    start = str(time.time() + 1)
    openers = [subprocess.Popen([sys.executable, "-c", OPEN_MANY, str(tmp_path), start]) for _ in range(4)]
    assert [opener.wait() for opener in openers] == [0, 0, 0, 0]


def test_commits_are_durable(tmp_path: Path) -> None:
    connection = sqlite_schema.connect(tmp_path / "index.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    connection.close()


def test_what_is_no_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(b"these are not the bytes of a database" * 100)
    with pytest.raises(StorageCorrupt, match=r"index\.db is damaged \(file is not a database\)"):
        SqliteIndex(path)


def test_a_damaged_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = SqliteIndex(path)
    index.add([block(f"{number}") for number in range(500)], {})
    index.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StorageCorrupt, match="is damaged"):
        SqliteIndex(path).find("a", 0, MAX_NS)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE notes (text)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StorageCorrupt, match="another program"):
        SqliteIndex(path)
    assert path.read_bytes() == before


def test_a_database_of_a_newer_spanlake_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    SqliteIndex(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 5")
    newer.close()
    with pytest.raises(StorageCorrupt, match="newer spanlake"):
        SqliteIndex(path)


VERSION_1 = """
    CREATE TABLE day (
        tenant TEXT NOT NULL, date TEXT NOT NULL, last_date TEXT NOT NULL, generation INTEGER NOT NULL,
        PRIMARY KEY (tenant, date)
    ) WITHOUT ROWID;
    CREATE TABLE block (
        tenant TEXT NOT NULL, date TEXT NOT NULL, level INTEGER NOT NULL, id TEXT NOT NULL,
        start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, spans INTEGER NOT NULL, size INTEGER NOT NULL,
        created_ns INTEGER NOT NULL, replaced INTEGER, trace_filter BLOB NOT NULL,
        PRIMARY KEY (tenant, date, level, id)
    ) WITHOUT ROWID;
    CREATE TABLE catalog (
        tenant TEXT NOT NULL, date TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL,
        PRIMARY KEY (tenant, date, scope, key, type)
    ) WITHOUT ROWID;
    INSERT INTO day VALUES ('a', '2026-11-22', '2026-11-22', 7);
    INSERT INTO catalog VALUES ('a', '2026-11-22', 'span', 'http.method', 'string');
    PRAGMA application_id = 0x53504C4B;
    PRAGMA user_version = 1;
"""


@pytest.fixture
def of_version_1(tmp_path: Path) -> Path:
    """An index as the first version of the format has it: block 1 was replaced by block 12, block 3 is live too."""
    path = tmp_path / "index.db"
    old = sqlite3.connect(path)
    old.executescript(VERSION_1)
    for number, level, replaced in (("1", 0, 1_700_000_000), ("12", 1, None), ("3", 0, None)):
        values = block(number, level=level)
        numbers = (values.start_ns, values.end_ns, values.spans, values.size, values.created_ns)
        row = ("a", "2026-11-22", level, number, *numbers, replaced, values.trace_filter)
        old.execute(f"INSERT INTO block VALUES ({', '.join('?' * len(row))})", row)
    old.commit()
    old.close()
    return path


def test_an_index_of_the_first_version_is_brought_up_to_date(of_version_1: Path) -> None:
    for _ in range(2):
        index = SqliteIndex(of_version_1)
        assert {found.id: found for found in index.find("a", 0, MAX_NS)} == {
            "12": replace(block("12", level=1), uncompressed_size=0),
            "3": replace(block("3"), uncompressed_size=0),
        }
        assert index.replaced_before(1_700_000_001) == [replace(block("1"), uncompressed_size=0)]
        assert index.catalog("a", NOON, NOON) == {CatalogEntry("span", "http.method", "string")}
        index.close()


def test_an_index_of_the_second_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    SqliteIndex(path).close()
    old = sqlite3.connect(path)
    old.executescript(
        "DROP TABLE deletion; DROP TABLE identity; ALTER TABLE forgotten DROP COLUMN created_ns;"
        "INSERT INTO forgotten VALUES ('a', '2026-11-22', 0, '1'); PRAGMA user_version = 2;"
    )
    old.close()
    index = SqliteIndex(path)
    assert index.add([block("1"), block("2")], {}) == [StoredBefore(block("1"), 0, None)]
    assert index.find("a", 0, MAX_NS) == [block("2")]


def test_several_processes_may_bring_an_index_up_to_date(of_version_1: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", ADD_MANY, str(of_version_1), name]) for name in "xyz"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(SqliteIndex(of_version_1).find("a", 0, MAX_NS)) == 122


def test_a_place_where_there_can_be_no_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="cannot use the index"):
        SqliteIndex(tmp_path / "file" / "index.db")
    with pytest.raises(StorageUnavailable, match="cannot use the index"):
        SqliteIndex(tmp_path)


def test_an_index_that_stays_locked_is_retryable(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.db", busy_seconds=0.01)
    other = sqlite3.connect(tmp_path / "index.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="locked"):
        index.add([block("1")], {})
    assert index.find("a", 0, MAX_NS) == [], "reading goes on"
    other.execute("ROLLBACK")
    other.close()
    index.add([block("1")], {})
    assert index.find("a", 0, MAX_NS) == [block("1")]


def test_a_full_disk_is_retryable_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index.db"
    connect = sqlite_schema.connect

    def connect_small(path: Path, busy_seconds: float) -> sqlite3.Connection:
        connection = connect(path, busy_seconds)
        connection.execute("PRAGMA max_page_count = 20")
        return connection

    with monkeypatch.context() as full:
        full.setattr("spanlake.store.index.sqlite.connect", connect_small)
        index = SqliteIndex(path)
        index.add([block("0")], {})
        with pytest.raises(StorageUnavailable, match="full"):
            index.add([block(str(number), tenant="a" * 100) for number in range(1, 5000)], {})
        assert index.tenants() == ["a"]
    index = SqliteIndex(path)
    index.add([block("1")], {})
    assert len(index.find("a", 0, MAX_NS)) == 2


def test_only_what_is_new_is_written_to_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    connect = sqlite_schema.connect

    def connect_traced(path: Path, busy_seconds: float) -> sqlite3.Connection:
        connection = connect(path, busy_seconds)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr("spanlake.store.index.sqlite.connect", connect_traced)
    index = SqliteIndex(tmp_path / "index.db")

    def entries_written(*keys: str) -> int:
        statements.clear()
        catalog = {("a", TODAY): frozenset(CatalogEntry("span", key, "int") for key in keys)}
        index.add([block("1")], catalog)
        return sum("INTO catalog" in statement for statement in statements)

    assert entries_written("x", "y") == 2
    assert entries_written("x", "y") == 0
    assert entries_written("x", "y", "z") == 1
    index.expire(TODAY.replace(year=2027))
    assert entries_written("x") == 1
    assert index.catalog("a", NOON, NOON) == {CatalogEntry("span", "x", "int")}


def test_entries_without_an_uncompressed_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    SqliteIndex(path).close()
    with closing(sqlite3.connect(path)) as older:
        for table in ("block", "retired"):
            older.execute(f"ALTER TABLE {table} DROP COLUMN uncompressed_size")
    index = SqliteIndex(path)
    index.add([replace(block("1"), uncompressed_size=5)], {})
    assert [found.uncompressed_size for found in index.find("a", 0, MAX_NS)] == [5]
