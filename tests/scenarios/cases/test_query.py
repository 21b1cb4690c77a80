"""Runs the query scripts, each of tests/data/cases/query, on one server."""

from pathlib import Path

import pytest

from tests.scenarios.cases.scripts import run_script, scripts
from tests.server_process import SpanlakeServer

_NOT_YET: dict[str, str] = {}


@pytest.mark.parametrize("script", scripts("query", _NOT_YET))
def test_query_case(server: SpanlakeServer, script: Path) -> None:
    run_script(script, server)
