"""``spanlake backup`` and ``spanlake restore``, of directories and of S3, also while a server runs."""

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from spanlake.cli.commands import register
from spanlake.cli.storage import opened
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.transfer.export import Selection, export
from tests.cloud import Cloud
from tests.conftest import StartServer
from tests.payloads import block_files, export_request
from tests.server_process import SPANLAKE, SpanlakeServer, ask

TENANT = "single-tenant"


def run(*arguments: object) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


def names(*store: object) -> list[str]:
    """The names of all spans in a store, given its directory, or directory and URLs."""
    with opened(*store) as (objects, index):  # type: ignore[arg-type]
        traces = [each.traces for each in export(objects, index, Selection(TENANT))]
    found = (group for each in traces for group in each.resource_spans)
    return sorted(span.name for group in found for scope in group.scope_spans for span in scope.spans)


def store(server: SpanlakeServer, *names: str) -> None:
    assert server.post_traces(export_request(*names).SerializeToString()).status == 200


@pytest.fixture
def data(start_server: StartServer) -> Path:
    """The directory of a running server with two spans."""
    server = start_server()
    store(server, "a", "b")
    return server.data


def test_backup_restores_equal_store(data: Path, tmp_path: Path) -> None:
    result = run("backup", tmp_path / "backup", "--data", data)
    assert result.exit_code == 0
    assert "1 block with 2 spans" in result.stdout
    assert "1 block copied" in result.stdout
    assert "0 blocks copied" in run("backup", tmp_path / "backup", "--data", data).stdout
    result = run("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert result.exit_code == 0
    assert result.stdout.startswith("1 block with 2 spans restored from ")
    assert names(tmp_path / "new") == ["a", "b"]


def test_restored_store_is_served(data: Path, tmp_path: Path, start_server: StartServer) -> None:
    run("backup", tmp_path / "backup", "--data", data)
    run("restore", tmp_path / "backup", "--data", tmp_path / "new")
    server = start_server(data=tmp_path / "new")
    assert server.get(f"/api/traces/{(b't' * 16).hex()}").status == 200
    store(server, "c")
    assert server.stop() == 0
    assert names(tmp_path / "new") == ["a", "b", "c"]


def test_restored_store_lacks_traces_deleted_before_backup(
    data: Path, tmp_path: Path, start_server: StartServer
) -> None:
    with opened(data) as (_, index):
        index.mark_deleted(index.find(TENANT, 0, 2**63 - 1), b"t" * 16)
    run("backup", tmp_path / "backup", "--data", data)
    run("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert start_server(data=tmp_path / "new").get(f"/api/traces/{(b't' * 16).hex()}").status == 404


def test_restore_refuses_a_store_that_is_not_empty(data: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "backup", "--data", data)
    result = run("restore", tmp_path / "backup", "--data", data)
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert "--merge" in result.stderr
    assert run("restore", tmp_path / "backup", "--data", data, "--merge").exit_code == 0
    assert names(data) == ["a", "b"]


def test_backup_lists_selects_and_verifies_snapshots(data: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    first = run("backup", backup, "--data", data).stdout.partition(":")[0]
    second = run("backup", backup, "--data", data).stdout.partition(":")[0]
    assert [line.split()[0] for line in run("restore", backup, "--list").stdout.splitlines()] == [first, second]
    assert f"in {first} match their digests" in run("restore", backup, "--verify", "--snapshot", first).stdout
    for block in (backup / "spans").rglob("*.parquet"):
        block.write_bytes(block.read_bytes()[:-1] + b"!")
    result = run("restore", backup, "--verify")
    assert result.exit_code == 2
    assert "its SHA-256 is not the one that was saved" in result.stderr
    result = run("restore", backup, "--data", tmp_path / "new")
    assert result.exit_code == 2
    assert "nothing was restored" in result.stderr
    assert SqliteIndex(tmp_path / "new" / "index.sqlite").tenants() == []


def test_backup_removes_old_snapshots(data: Path, tmp_path: Path) -> None:
    for _ in range(3):
        assert run("backup", tmp_path / "backup", "--data", data, "--keep", "2").exit_code == 0
    assert len(run("restore", tmp_path / "backup", "--list").stdout.splitlines()) == 2


def test_backup_names_damaged_blocks_and_saves_others(data: Path, tmp_path: Path) -> None:
    for block in block_files(data):
        block.write_bytes(block.read_bytes()[:-1])
    result = run("backup", tmp_path / "backup", "--data", data)
    assert result.exit_code == 2
    assert "is damaged: it has" in result.stderr


@pytest.mark.parametrize("place", [".", "backup", "../data/spans"])
def test_backup_refuses_directory_within_store(place: str, data: Path) -> None:
    result = run("backup", data / place, "--data", data)
    assert result.exit_code == 2
    assert "within the store" in result.stderr


def test_restore_reports_place_without_backup(data: Path, tmp_path: Path) -> None:
    for arguments in (("--list",), ("--verify",), ("--data", tmp_path / "new")):
        result = run("restore", tmp_path / "nothing", *arguments)
        assert result.exit_code == 2
        assert "no backup" in result.stderr
    assert not (tmp_path / "nothing").exists()
    result = run("backup", tmp_path / "backup", "--data", tmp_path / "nothing")
    assert result.exit_code == 2


@contextmanager
def in_background(action: threading.Thread, stop: threading.Event) -> Iterator[None]:
    action.start()
    try:
        yield
    finally:
        stop.set()
        action.join()


def test_backup_of_busy_server_has_spans_acknowledged_before(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    acknowledged: list[str] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            name = f"{len(acknowledged)}"
            store(server, name)
            acknowledged.append(name)

    def compact() -> None:
        while not stop.is_set():
            subprocess.run([*SPANLAKE, "compact", "--data", server.data], check=True, capture_output=True)

    with in_background(threading.Thread(target=send), stop), in_background(threading.Thread(target=compact), stop):
        for _ in range(6):
            before = list(acknowledged)
            result = run("backup", tmp_path / "backup", "--data", server.data)
            assert result.exit_code == 0
            new = tmp_path / result.stdout.partition(":")[0]
            assert run("restore", tmp_path / "backup", "--data", new).exit_code == 0
            found = Counter(names(new))
            assert set(before) <= set(found)
            assert set(found.values()) <= {1}
    assert acknowledged


def test_backup_copies_directory_to_s3_and_restores_to_aws(data: Path, tmp_path: Path, cloud: Cloud) -> None:
    backup = f"s3://{cloud.bucket()}/backup"
    assert run("backup", backup, "--data", data).exit_code == 0
    assert "0 blocks copied" in run("backup", backup, "--data", data, "--keep", "1").stdout
    where = ["--objects", f"s3://{cloud.bucket()}/lake", "--index", f"dynamodb://{cloud.table()}"]
    assert run("restore", backup, *where).exit_code == 0
    assert names(tmp_path, where[1], where[3]) == ["a", "b"]
    assert run("restore", backup, *where).exit_code == 2
    assert run("backup", tmp_path / "local", *where).exit_code == 0
    assert run("restore", tmp_path / "local", "--data", tmp_path / "new").exit_code == 0
    assert names(tmp_path / "new") == ["a", "b"]
    assert run("backup", f"{where[1]}/below", *where).exit_code == 2


def test_backup_manifest_lists_its_content(data: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "backup", "--data", data)
    (manifest,) = (json.loads(path.read_text()) for path in tmp_path.glob("backup/snapshots/*/manifest.json"))
    assert (manifest["format"], manifest["blocks"], manifest["spans"]) == (1, 1, 2)
    assert sum(info.size for info in LocalObjects(tmp_path / "backup").list("spans/")) == manifest["bytes"]


def test_reindex_after_restore_does_not_revive_deleted_traces(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server()
    store(server, "deleted")
    kept = export_request("kept")
    kept.resource_spans[0].scope_spans[0].spans[0].trace_id = b"k" * 16
    assert server.post_traces(kept.SerializeToString()).status == 200
    status = ask(3200 + server.offset, "DELETE", f"/api/traces/{(b't' * 16).hex()}").status
    assert status == 204
    run("backup", tmp_path / "backup", "--data", server.data)
    run("restore", tmp_path / "backup", "--data", tmp_path / "new")
    (tmp_path / "new" / "index.sqlite").unlink()
    assert run("reindex", "--data", tmp_path / "new").exit_code == 0
    assert names(tmp_path / "new") == ["kept"]
