"""The procedures of docs/operations.md work as written, up to ports and places."""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from spanlake.cli.storage import opened
from spanlake.store.identity import adopt
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.retention import purge_replaced
from spanlake.store.transfer.export import Selection, export
from spanlake.store.write import write
from tests.cli.tempo import serving
from tests.cloud import Cloud
from tests.conftest import StartServer
from tests.documents import commands, document, section
from tests.payloads import export_request
from tests.server_process import SPANLAKE, SpanlakeServer
from tests.store.tables import NOON, span_table

DOCUMENT = document("docs/operations.md")
TRACE = "74" * 16


def procedure(title: str) -> list[str]:
    """The commands of a section."""
    return commands(section(DOCUMENT, title))


@pytest.fixture
def server(start_server: StartServer) -> SpanlakeServer:
    """A server with a span of now that failed, one that did not, and one of 2026-11-22."""
    server = start_server()
    request = export_request("failed", "plain")
    request.resource_spans[0].scope_spans[0].spans[0].status.code = 2  # type: ignore[assignment]
    request.resource_spans[0].scope_spans[1].spans[0].trace_id = b"p" * 16
    assert server.post_traces(request.SerializeToString()).status == 200
    with opened(server.data) as (objects, index):
        old = span_table([{"name": "old", "start_time_unix_nano": NOON, "trace_id": b"o" * 16}])
        write(objects, index, "single-tenant", old, b"")
    return server


def shell(command: str, server: SpanlakeServer, replaced: Mapping[str, str] | None = None) -> str:
    """Run a command beside the data directory; what it printed."""
    for old, new in (replaced or {}).items():
        command = command.replace(old, new)
    environment = os.environ | {"PATH": f"{Path(SPANLAKE[0]).parent}:{os.environ['PATH']}"}
    command = f"set -eo pipefail; {command}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=server.data.parent, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout + done.stderr


def names(data: Path, tenant: str = "single-tenant", objects_url: str = "", index_url: str = "") -> list[str]:
    with opened(data, objects_url, index_url) as (objects, index):
        traces = [each.traces for each in export(objects, index, Selection(tenant))]
    found = (group for each in traces for group in each.resource_spans)
    return sorted(span.name for group in found for scope in group.scope_spans for span in scope.spans)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands need curl")
def test_export_and_import(server: SpanlakeServer) -> None:
    *from_store, from_server = procedure("Export")
    told = [shell(command, server) for command in from_store]
    assert told == ["3 spans exported\n", "1 span exported\n", "1 span exported\n"]
    time.sleep(1)  # the end of the range is the second that has begun, and not in it
    assert shell(from_server, server, {"http://localhost:3200": server.tempo}) == "2 spans exported\n"
    files, to_server, from_jaeger, from_tempo = procedure("Import")
    assert "1 span imported" in shell(to_server, server, {"http://localhost:4318": server.otlp_http})
    elsewhere = {"--data data": "--data elsewhere"}
    for _ in range(2):
        assert "5 spans imported from 3 files" in shell(files, server, elsewhere)
    assert names(server.data.parent / "elsewhere") == ["failed", "failed", "old", "old", "plain"]
    shell("spanlake compact --data elsewhere", server)
    assert names(server.data.parent / "elsewhere") == ["failed", "old", "plain"]

    start = time.time_ns() // 1000
    span = {"traceID": "1", "spanID": "2", "operationName": "get", "startTime": start, "duration": 5, "processID": "p"}
    with serving() as jaeger:
        jaeger.answers({"data": [{"traceID": "1", "spans": [span], "processes": {"p": {"serviceName": "shop"}}}]})
        assert "1 span imported" in shell(from_jaeger, server, {"http://localhost:16686": jaeger.url})
    assert "get" in names(server.data)
    shell(from_tempo, server, {"http://localhost:3200": server.tempo, "<trace-id>": TRACE})
    assert names(server.data, "copies") == ["failed"]


def test_backup_and_restore(server: SpanlakeServer, start_server: StartServer) -> None:
    here = server.data.parent
    places = {"/backups": str(here / "backups")}
    to_directory, _, verify, list_ = procedure("Back up")
    shell(to_directory, server, places)
    assert "2 blocks with 3 spans" in shell(verify, server, places)
    assert len(shell(list_, server, places).splitlines()) == 1

    into_empty, serve, merge, _ = procedure("Restore")
    shell(into_empty, server, places)
    assert serve == "spanlake serve --data restored"
    assert start_server(data=here / "restored").get(f"/api/traces/{TRACE}").status == 200
    assert names(here / "restored") == ["failed", "old", "plain"]
    shell(merge, server, places)
    assert names(server.data) == ["failed", "old", "plain"]


def test_backup_and_restore_on_aws(server: SpanlakeServer, cloud: Cloud) -> None:
    table = f"restored-{secrets.token_hex(6)}"
    places = {"my-backups": cloud.bucket(), "my-lake": cloud.bucket(), "spanlake-restored": table}
    _, to_s3, *_ = procedure("Back up")
    *_, on_aws = procedure("Restore")
    shell(to_s3, server, places)
    shell(to_s3, server, places)
    assert "2 blocks with 3 spans restored" in shell(on_aws, server, places)
    where = f"s3://{places['my-lake']}/restored", f"dynamodb://{table}"
    assert names(server.data, "single-tenant", *where) == ["failed", "old", "plain"]


def test_rebuild_the_index(server: SpanlakeServer, start_server: StartServer) -> None:
    dry_run, rebuild = procedure("Rebuild the index")
    server.stop()
    for file in server.data.glob("index.sqlite*"):
        file.unlink()
    assert "2 blocks would be added" in shell(dry_run, server)
    assert "2 blocks added" in shell(rebuild, server)
    assert names(server.data) == ["failed", "old", "plain"]
    assert start_server(data=server.data).get(f"/api/traces/{TRACE}").status == 200


def test_find_and_set_aside_damaged_blocks(server: SpanlakeServer) -> None:
    verify, quarantine = procedure("Find and set aside damaged blocks")
    assert "2 blocks read, 0 damaged or missing" in shell(verify, server)
    damaged = next((server.data / "spans").rglob("date=2026-11-22/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with pytest.raises(AssertionError, match=damaged.stem):
        shell(verify, server)
    assert "set aside below quarantine/" in shell(quarantine, server)
    assert "1 block read, 0 damaged or missing" in shell(verify, server)
    assert names(server.data) == ["failed", "plain"]


def test_disaster_recovery_on_aws(cloud: Cloud, server: SpanlakeServer) -> None:
    """Blocks are written and merged, then the table is as before the merge, and lost."""
    restore, after_restore, lost = procedure("Disaster recovery on AWS")
    assert restore.startswith("aws dynamodb restore-table-to-point-in-time")  # DynamoDB Local has no such thing
    bucket, table, restored = cloud.bucket(), cloud.table(), cloud.table()
    objects_url = f"s3://{bucket}"
    with opened(server.data, objects_url, f"dynamodb://{table}", create=True) as (objects, index):
        adopt(objects, index)
        for number in range(3):
            spans = span_table(
                [{"name": f"old {number}", "start_time_unix_nano": NOON + number, "trace_id": b"o" * 16}]
            )
            write(objects, index, "single-tenant", spans, bytes([number]))
        _copy_items(cloud, table, restored)
        compactor = Compactor(objects, index)
        for day in compactor.days():
            for merge in compactor.plan(*day, settle=True):
                assert compactor.run(merge)
        purge_replaced(objects, index, grace_seconds=-60)
    expected = ["old 0", "old 1", "old 2"]
    assert names(server.data, "single-tenant", objects_url, f"dynamodb://{table}") == expected
    places = {"my-lake": bucket, "spanlake-restored": restored, "spanlake-new": f"new-{secrets.token_hex(6)}"}
    for command in (after_restore, lost):
        shell(command, server, places)
    for name in (restored, places["spanlake-new"]):
        assert names(server.data, "single-tenant", objects_url, f"dynamodb://{name}") == expected


def _copy_items(cloud: Cloud, source: str, target: str) -> None:
    """Copies the table as a restoration to this moment does."""
    client = cloud.session.client("dynamodb")
    for item in client.scan(TableName=source)["Items"]:
        client.put_item(TableName=target, Item=item)
