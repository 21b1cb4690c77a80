"""The examples of docs/storage-format.md work as written, and read live spans only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from spanlake.store.index.sqlite import SqliteIndex
from tests.conftest import StartServer
from tests.documents import commands, document, fenced, section
from tests.payloads import block_files, export_request
from tests.scenarios.interop.clients import prepared
from tests.server_process import SPANLAKE

_DOCUMENT = document("docs/storage-format.md")
_DUCKDB = section(_DOCUMENT, "Read it with DuckDB")
_ARROW, _PANDAS = fenced(section(_DOCUMENT, "Read it with Arrow and pandas"), "python")


@pytest.fixture
def beside_data(start_server: StartServer) -> Path:
    """A directory with `data` in it, whose four spans stand in several files each, for they were merged twice.

    Each span has an attribute that the others do not have; the one called `failed` has an exception.
    """
    server = start_server("--no-compaction")
    for number, name in enumerate(["plain", "failed", "third", "fourth"]):
        request = export_request(name)
        span = request.resource_spans[0].scope_spans[0].spans[0]
        span.trace_id = bytes([number + 1]) * 16
        span.attributes.add(key=f"attribute.{number}").value.int_value = number
        if name == "failed":
            event = span.events.add(name="exception")
            event.attributes.add(key="exception.type").value.string_value = "OutOfEggs"
        assert server.post_traces(request.SerializeToString()).status == 200
        if number:
            subprocess.run([*SPANLAKE, "compact", "--data", server.data], check=True, capture_output=True)
    assert server.post_traces(export_request("fifth").SerializeToString()).status == 200
    return server.data.parent


def run(program: str, folder: Path, python: str = sys.executable) -> str:
    path = f"{Path(SPANLAKE[0]).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [python, "-c", program],
        cwd=folder,
        env=os.environ | {"PATH": path},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def columns(folder: Path) -> set[str]:
    """The columns of all live blocks."""
    found = subprocess.run([*SPANLAKE, "blocks"], cwd=folder, check=True, capture_output=True, text=True).stdout
    names = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet({found.split()}, union_by_name=true, hive_partitioning=0)")
    return {name for name, *_ in names.fetchall()}


def delete_trace(folder: Path, trace_id: bytes) -> None:
    index = SqliteIndex(folder / "data" / "index.sqlite")
    index.mark_deleted(index.find("single-tenant", 0, 2**63 - 1), trace_id)
    index.close()


def test_files_hold_more_than_live_spans(beside_data: Path) -> None:
    """Holds the reason for the examples: a glob over all files counts spans several times."""
    files = [str(file) for file in block_files(beside_data / "data")]
    assert len(duckdb.read_parquet(files, union_by_name=True).fetchall()) > 5


def test_duckdb_reads_live_spans(beside_data: Path) -> None:
    (program,), (query,) = fenced(_DUCKDB, "python"), fenced(_DUCKDB, "sql")
    output = run(
        f"{program}\nprint(duckdb.sql({query!r}))\nprint(duckdb.sql('SELECT count(*) AS n FROM spans'))", beside_data
    )
    assert all(word in output for word in ("plain", "failed", "exception.type", "OutOfEggs"))
    assert "5" in output.rpartition("├")[2]


def test_duckdb_leaves_out_deleted_traces(beside_data: Path) -> None:
    (program,) = fenced(_DUCKDB, "python")
    delete_trace(beside_data, b"\x03" * 16)
    output = run(f"{program}\nprint(duckdb.sql('SELECT name FROM spans').fetchall())", beside_data)
    names = output.splitlines()[-1]
    assert "third" not in names
    assert all(name in names for name in ("plain", "failed", "fourth", "fifth"))


@pytest.mark.parametrize("deleted", [0, 1])
def test_arrow_reads_live_spans(deleted: int, beside_data: Path) -> None:
    if deleted:
        delete_trace(beside_data, b"\x03" * 16)
    assert run(_ARROW, beside_data) == f"{5 - deleted} spans, {len(columns(beside_data))} columns\n"


def test_pandas_reads_live_spans_with_all_columns(beside_data: Path) -> None:
    python = str(prepared("python/pandas") / "bin" / "python")
    assert run(_PANDAS, beside_data, python) == f"5 spans, {len(columns(beside_data))} columns\n"
    frame = f"{_ARROW}\nprint(len(spans.to_pandas()))"
    assert run(frame, beside_data, python).splitlines()[-1] == "5"


def test_the_list_is_replaced_in_a_file(beside_data: Path) -> None:
    (command,) = commands(section(_DOCUMENT, "The list of live blocks"))
    (beside_data / "live.json").write_text("old")
    subprocess.run(
        ["bash", "-c", command.replace("spanlake", SPANLAKE[0], 1)], cwd=beside_data, check=True, capture_output=True
    )
    blocks = json.loads((beside_data / "live.json").read_text())
    assert sum(block["spans"] for block in blocks) == 5
    assert not list(beside_data.glob(".live*"))
