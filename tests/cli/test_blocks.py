"""``spanlake blocks``: which blocks are live, as lines, JSON and SQL."""

import json
from pathlib import Path

import duckdb
import pytest

from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from tests.cli.transfer.test_transfer import run
from tests.store.tables import NOON, span_table

TENANT = "o'neil!"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with two blocks of a tenant whose name has to be escaped, and one of another."""
    add(tmp_path / "data", TENANT, "a", "b")
    add(tmp_path / "data", "other", "c")
    return tmp_path / "data"


def add(data: Path, tenant: str, *names: str) -> None:
    objects, index = LocalObjects(data), SqliteIndex(data / "index.sqlite")
    for name in names:
        spans = [{"name": name, "start_time_unix_nano": NOON, "trace_id": name.encode() * 16}]
        write(objects, index, tenant, span_table(spans), name.encode())
    index.close()


def read(sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        connection.execute(sql)
        return sorted(connection.execute("SELECT tenant, name FROM spans").fetchall())


def test_blocks_prints_a_file_a_line(data: Path) -> None:
    lines = run("blocks", "--data", data).stdout.splitlines()
    assert len(lines) == 3
    assert all(Path(line).is_file() for line in lines)
    assert len(run("blocks", "--data", data, "--tenant", "other").stdout.splitlines()) == 1


def test_blocks_json_matches_index(data: Path) -> None:
    (block,) = json.loads(run("blocks", "--data", data, "--json", "--tenant", "other").stdout)
    assert Path(block.pop("uri")).stat().st_size == block.pop("bytes")
    assert block == {
        "tenant": "other",
        "date": "2026-11-22",
        "level": 0,
        "spans": 1,
        "start_time_unix_nano": NOON,
        "end_time_unix_nano": block["end_time_unix_nano"],
        "deleted_traces": [],
    }


def test_blocks_sql_makes_a_view(data: Path) -> None:
    assert read(run("blocks", "--data", data, "--sql").stdout) == [(TENANT, "a"), (TENANT, "b"), ("other", "c")]


def test_blocks_sql_excludes_hidden_spans(data: Path) -> None:
    index = SqliteIndex(data / "index.sqlite")
    for block in index.find(TENANT, 0, 2**63 - 1):
        index.mark_deleted([block], b"a" * 16)
    index.close()
    add(data, "other", "a")
    assert read(run("blocks", "--data", data, "--sql").stdout) == [(TENANT, "b"), ("other", "a"), ("other", "c")]


def test_blocks_output_replaces_a_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "live").write_text("old")
    assert run("blocks", "--data", data, "--output", tmp_path / "live").stdout == ""
    assert len((tmp_path / "live").read_text().splitlines()) == 3
    assert run("blocks", "--data", data, "--output", tmp_path / "none" / "live").exit_code == 2


def test_blocks_of_empty_store_prints_nothing(data: Path) -> None:
    assert run("blocks", "--data", data, "--tenant", "nobody").exit_code == 1
    assert run("blocks", "--data", data.parent).exit_code == 2
    assert run("blocks", "--data", data, "--json", "--sql").exit_code == 2
