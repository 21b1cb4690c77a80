"""What people ask, as they type it: each script of tests/data/cases/query, of one server."""

from pathlib import Path

import pytest

from tests.cases.scripts import run_script, scripts
from tests.server import SpanlakeServer

_NOT_YET: dict[str, str] = {}


@pytest.mark.parametrize("script", scripts("query", _NOT_YET))
def test_query_case(server: SpanlakeServer, script: Path) -> None:
    run_script(script, server)
