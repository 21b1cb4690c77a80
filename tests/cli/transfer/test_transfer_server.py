"""``spanlake export --url`` and ``spanlake import --url``: spans from and to running servers."""

import json
import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.cli.client.client import connect
from spanlake.cli.transfer import export_server
from spanlake.cli.transfer.export_file import FileFormat
from spanlake.cli.transfer.export_spans import SECOND_NS, ExportRequest
from tests.cli.tempo import Tempo, trace_answer
from tests.cli.transfer.test_transfer import DAY_NS, file_of, jaeger_file, names, run, traces, traces_in
from tests.patches import patch_here
from tests.payloads import export_request
from tests.server_process import SpanlakeServer
from tests.spans import otlp_requests


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_here(monkeypatch, time, "sleep", lambda _: None)


def many(number: int) -> list[TracesData]:
    """Traces of a span each, one a second, the last now."""
    now = time.time_ns()
    found = []
    for each in range(number):
        request = export_request(f"{each}", start_ns=now - each * 10**9)
        request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"m" * 8 + (each + 1).to_bytes(8)
        found.append(TracesData(resource_spans=request.resource_spans))
    return found


def test_import_to_server_and_export_restore_equal_spans(server: SpanlakeServer, tenant: str, tmp_path: Path) -> None:
    sent = many(25)
    file = file_of(tmp_path / "in", *sent)
    for _ in range(2):
        result = run("import", file, "--url", server.otlp_http, "--tenant", tenant)
        assert (result.exit_code, result.stdout) == (0, "25 spans imported from 1 file\n")
    out = tmp_path / "out.binpb"
    now = int(time.time())
    wanted = ExportRequest(tenant, (now - 3600) * SECOND_NS, (now + 1) * SECOND_NS)
    export_server.run(connect(server.tempo, tenant, (), 60), wanted, str(out), FileFormat.PROTO, together=7)
    run("import", out, "--data", tmp_path / "data")
    assert names(tmp_path / "data") == sorted(f"{each}" for each in range(25))


def test_export_from_server_selects_traces_by_query(server: SpanlakeServer, tenant: str, tmp_path: Path) -> None:
    run("import", file_of(tmp_path / "in", *many(3)), "--url", server.otlp_http, "--tenant", tenant)
    run("export", tmp_path / "out", "-q", '{ name = "1" }', "--url", server.tempo, "--tenant", tenant,
        "--start", int(time.time()) - 60, "--end", int(time.time()) + 1)  # fmt: skip
    (line,) = (tmp_path / "out").read_text().splitlines()
    (resource,) = json.loads(line)["resourceSpans"]
    assert resource["scopeSpans"][0]["spans"][0]["name"] == "1"


def test_export_from_server_requires_range(tmp_path: Path) -> None:
    for given in ((), ("--since", "1h"), ("--end", 1_800_000_000)):
        result = run("export", tmp_path / "out", "--url", "http://127.0.0.1:1", *given)
        assert result.exit_code == 2
        assert "--start and --end" in result.stderr


def test_export_from_server_refuses_incomplete_traces(
    tempo: Tempo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_server, "_search", lambda *_: ["ab" * 16])
    tempo.answers(trace_answer(traces("a"), "the trace exceeds the maximum size"))
    result = run("export", tmp_path / "out", "--url", tempo.url, "--start", 5, "--end", 6)
    assert result.exit_code == 2
    assert "is incomplete: the trace exceeds the maximum size" in result.stderr
    assert not (tmp_path / "out").exists()


def test_import_to_server_repeats_servers_reasons_for_rejected_spans(
    strict_server: SpanlakeServer, tenant: str, tmp_path: Path
) -> None:
    file = file_of(tmp_path / "in", traces("late", start_ns=time.time_ns() + 2 * DAY_NS), traces("a", "b"))
    result = run("import", file, "--url", strict_server.otlp_http, "--tenant", tenant)
    assert result.stdout == "2 spans imported from 1 file\n"
    assert "1 span was not stored: the span starts more than a day ahead of this server" in result.stderr
    assert result.stderr.count("(1)") == 1


def test_import_to_server_reports_spans_rejected_by_translation(
    server: SpanlakeServer, tenant: str, tmp_path: Path
) -> None:
    good = {"traceID": "1", "spanID": "2", "operationName": "get", "startTime": time.time_ns() // 1000, "duration": 5}
    file = jaeger_file(tmp_path / "trace.json", good, good | {"startTime": "soon"})
    result = run("import", file, "--url", server.otlp_http, "--tenant", tenant)
    assert result.stdout == "1 span imported from 1 file\n"
    assert "1 span was not stored: the span cannot be read" in result.stderr


def test_import_to_server_reports_too_large_requests_and_stores_others(
    strict_server: SpanlakeServer, tenant: str, tmp_path: Path
) -> None:
    large = TracesData(resource_spans=export_request("large", filler=2 << 20).resource_spans)
    result = run("import", file_of(tmp_path / "in", large, traces("a")), "--url", strict_server.otlp_http,
                 "--tenant", tenant)  # fmt: skip
    assert result.exit_code == 2
    assert result.stdout == "1 span imported from 1 file\n"
    assert "1048576 bytes" in result.stderr


def test_import_to_server_retries_while_server_asks_for_it(tempo: Tempo, tmp_path: Path) -> None:
    tempo.answers(b"busy", status=503)
    result = run("import", file_of(tmp_path / "in", traces("a")), "--url", tempo.url)
    assert result.exit_code == 2
    assert "503" in result.stderr
    assert len(tempo.asked) == 9
    assert tempo.last.path == "/v1/traces"


def test_import_to_server_reports_answer_that_is_not_otlp(tempo: Tempo, tmp_path: Path) -> None:
    tempo.answers(b"<html>")
    result = run("import", file_of(tmp_path / "in", traces("a")), "--url", tempo.url)
    assert result.exit_code == 2
    assert "not one of OTLP" in result.stderr


def test_import_to_server_sends_headers_and_tenant(tempo: Tempo, tmp_path: Path) -> None:
    tempo.answers(ExportTraceServiceResponse().SerializeToString())
    run("import", file_of(tmp_path / "in", traces("a")), "--url", tempo.url, "--tenant", "shop",
        "-H", "Authorization: Bearer secret")  # fmt: skip
    assert tempo.last.headers["authorization"] == "Bearer secret"
    assert tempo.last.headers["x-scope-orgid"] == "shop"
    assert tempo.last.headers["content-encoding"] == "gzip"


def test_import_to_server_reports_refused_connection(tmp_path: Path) -> None:
    result = run("import", file_of(tmp_path / "in", traces("a")), "--url", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "no server at" in result.stderr


def test_export_from_server_restores_equal_traces(server: SpanlakeServer, tenant: str, tmp_path: Path) -> None:
    """But for scopes and statuses that are absent: the Tempo API always has them."""
    sent = many(2)
    for scope in (scope for each in sent for group in each.resource_spans for scope in group.scope_spans):
        scope.scope.SetInParent()
        scope.spans[0].status.SetInParent()
    run("import", file_of(tmp_path / "in", *sent), "--url", server.otlp_http, "--tenant", tenant)
    run("export", tmp_path / "out", "--url", server.tempo, "--tenant", tenant, "--since", "1h",
        "--end", int(time.time()) + 1)  # fmt: skip
    run("import", tmp_path / "out", "--data", tmp_path / "data", "--tenant", tenant)
    assert otlp_requests.normal(*traces_in(tmp_path / "data", tenant)) == otlp_requests.normal(*sent)
