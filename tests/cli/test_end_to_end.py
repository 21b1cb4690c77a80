"""The commands ask a real `spanlake serve`."""

import json
import time

import pytest
import typer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner, Result

from spanlake.cli.commands import register
from tests.cli.spans import ID, MS, shop
from tests.server_process import SpanlakeServer


def ask(server: SpanlakeServer, tenant: str, *arguments: str) -> Result:
    app = typer.Typer()
    register(app)
    environment = {"SPANLAKE_URL": server.tempo, "COLUMNS": "100"}
    return CliRunner().invoke(app, [*arguments, "--tenant", tenant], env=environment, catch_exceptions=False)


@pytest.fixture
def stored(server: SpanlakeServer, tenant: str) -> str:
    """The tenant, once it has a trace of a moment ago."""
    request = ExportTraceServiceRequest(resource_spans=shop().resource_spans)
    now = time.time_ns() - 5000 * MS
    for resource in request.resource_spans:
        for span in resource.scope_spans[0].spans:
            length = span.end_time_unix_nano - span.start_time_unix_nano
            span.trace_id = bytes.fromhex(ID)
            span.start_time_unix_nano, span.end_time_unix_nano = now, now + length
    answer = server.post_traces(request.SerializeToString(), headers={"X-Scope-OrgID": tenant})
    assert answer.status == 200
    return tenant


def test_query_finds_stored_trace(server: SpanlakeServer, stored: str) -> None:
    result = ask(server, stored, "query", "{ status = error }")
    assert result.exit_code == 0
    for part in (ID.lstrip("0"), "frontend  GET /checkout", "POST /charge", "status=error", "1 trace."):
        assert part in result.stdout


def test_query_of_metrics_draws_series(server: SpanlakeServer, stored: str) -> None:
    result = ask(server, stored, "query", "{} | count_over_time() by (resource.service.name)", "--since", "10m")
    assert result.exit_code == 0
    for part in ("resource.service.name", "cart", "frontend", "payment", "3 series from"):
        assert part in result.stdout


def test_trace_draws_stored_trace(server: SpanlakeServer, stored: str) -> None:
    result = ask(server, stored, "trace", ID)
    assert result.exit_code == 0
    assert "5 spans, 3 services, 2 errors" in result.stdout
    assert "✗ payment POST /charge" in result.stdout


def test_commands_print_json_of_server(server: SpanlakeServer, stored: str) -> None:
    assert len(json.loads(ask(server, stored, "query", "{}", "--json").stdout)["traces"]) == 1
    assert json.loads(ask(server, stored, "trace", ID, "--json").stdout)["trace"]["resourceSpans"]


@pytest.mark.parametrize("arguments", [("query", "{ name = `nothing` }"), ("trace", "1"), ("trace", "1", "--json")])
def test_commands_report_nothing_found(server: SpanlakeServer, stored: str, arguments: tuple[str, ...]) -> None:
    assert ask(server, stored, *arguments).exit_code == 1


def test_query_shows_error_of_server(server: SpanlakeServer, tenant: str) -> None:
    result = ask(server, tenant, "query", "{ .a = }")
    assert result.exit_code == 2
    assert result.stderr.endswith("\n{ .a = }\n       ^\n")
