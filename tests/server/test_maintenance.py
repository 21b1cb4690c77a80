"""Maintenance in a server: it happens by itself, is counted, and does not keep the server from stopping."""

import json
import re
import time

import pytest

from tests.conftest import StartServer
from tests.payloads import block_files, export_request
from tests.query.kit import At, request
from tests.server_process import SpanlakeServer, ask

TRACE = (b"t" * 16).hex()
BLOCKS = 40


def fill(server: SpanlakeServer, start_ns: int | None = None) -> None:
    """Store blocks of one span each, more than are left alone: a block is made for each reader."""
    for number in range(BLOCKS):
        body = export_request(f"span {number}", start_ns=start_ns).SerializeToString()
        assert server.post_traces(body).status == 200
        assert days(server)


def days(server: SpanlakeServer) -> list[dict[str, int]]:
    status: dict[str, list[dict[str, int]]] = json.loads(server.get("/status").body)
    return status["store"]


def test_maintenance_merges_small_blocks(start_server: StartServer) -> None:
    server = start_server()
    fill(server)
    server.wait_for(lambda: sum(day["blocks"] for day in days(server)) < BLOCKS)
    assert sum(day["spans"] for day in days(server)) == BLOCKS
    server.wait_for(lambda: server.metric("spanlake_compactions_total") >= 1)  # it is counted after it was done
    server.wait_for(lambda: server.metric("spanlake_compacted_spans_total") >= 32)
    server.wait_for(lambda: server.metric("spanlake_compaction_written_bytes_total") > 0)
    trace = server.get(f"/api/traces/{TRACE}").body.decode()
    assert sorted(re.findall(r'"name":"(span \d+)"', trace)) == sorted(f"span {number}" for number in range(BLOCKS))


@pytest.mark.parametrize(
    ("arguments", "environment"), [(("--no-compaction",), {}), ((), {"SPANLAKE_COMPACTION": "false"})]
)
def test_maintenance_merges_nothing_with_compaction_off(
    start_server: StartServer, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    server = start_server(*arguments, environment=environment)
    fill(server)
    time.sleep(3)  # a look and a half
    assert sum(day["blocks"] for day in days(server)) == BLOCKS


def test_maintenance_removes_days_past_retention(start_server: StartServer) -> None:
    first = start_server()
    week_ago = time.time_ns() - 7 * 86_400 * 10**9
    assert first.post_traces(export_request("old", start_ns=week_ago).SerializeToString()).status == 200
    assert first.post_traces(export_request("new").SerializeToString()).status == 200
    first.stop()
    second = start_server("--retention", "3d", data=first.data)
    second.wait_for(lambda: second.metric('spanlake_deleted_blocks_total{reason="age"}') == 1)
    second.wait_for(lambda: second.metric('spanlake_deleted_spans_total{reason="age"}') == 1)
    second.wait_for(lambda: second.metric('spanlake_deleted_bytes_total{reason="age"}') > 0)
    assert len(list(block_files(first.data))) == 2, "the objects stay for ten minutes"
    assert [day["spans"] for day in days(second)] == [1]


def test_maintenance_removes_oldest_blocks_beyond_size_limit(start_server: StartServer) -> None:
    first = start_server()
    for age in range(3):
        start_ns = time.time_ns() - age * 86_400 * 10**9
        assert first.post_traces(export_request("span", start_ns=start_ns).SerializeToString()).status == 200
    size = max(day["bytes"] for day in days(first))
    first.stop()
    second = start_server("--retention-bytes", str(2 * size), data=first.data)
    second.wait_for(lambda: second.metric('spanlake_deleted_blocks_total{reason="size"}') == 1)
    assert len(days(second)) == 2


def test_maintenance_deletes_trace_on_request(server: SpanlakeServer, tenant: str) -> None:
    headers = {"X-Scope-OrgID": tenant}
    body = request([At(1, trace=1), At(2, trace=2)])
    assert server.post_traces(body, headers=headers).status == 200

    def delete(trace_id: str, of: str = tenant) -> int:
        return ask(3200 + server.offset, "DELETE", f"/api/traces/{trace_id}", headers={"X-Scope-OrgID": of}).status

    assert delete("1", of="nobody") == 404
    assert delete("xyz") == 400
    assert delete("1") == 204
    assert delete("1") == 404
    assert server.get("/api/traces/1", headers).status == 404
    assert server.get("/api/traces/2", headers).status == 200
