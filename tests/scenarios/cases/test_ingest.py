"""Spans as real clients send them: each script of tests/data/cases/ingest, of one server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.scenarios.cases.scripts import run_script, scripts
from tests.server_process import SpanlakeServer

_ORIGIN = "http://localhost:8080"  # which f05 and g07 take for allowed
_STOPS_IT = "f13"
_SCRIPTS = scripts("ingest", {})


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server to which pages of one origin may send."""
    running = SpanlakeServer(tmp_path_factory.mktemp("ingest") / "data", ("--cors-origins", _ORIGIN))
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


@pytest.mark.parametrize("script", [case for case in _SCRIPTS if not case.id.startswith(_STOPS_IT)])
def test_ingest_case(open_server: SpanlakeServer, script: Path) -> None:
    run_script(script, open_server, "--log", str(open_server.log_path))


@pytest.mark.parametrize("script", [case for case in _SCRIPTS if case.id.startswith(_STOPS_IT)])
def test_ingest_case_that_stops_the_server(start_server: StartServer, script: Path) -> None:
    server = start_server()
    run_script(script, server, "--pid", str(server.pid))
    assert server.exit_status() == 0
