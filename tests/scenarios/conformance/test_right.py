"""Every recorded request, asked of a running server that holds the same spans: the answers are the right ones."""

from typing import Any

import pytest

from tests.recorded import answers, bodies, checker
from tests.server_process import SpanlakeServer

TENANT = "conformance"


def requests() -> list[Any]:
    """The recorded requests with their right answers."""
    return [pytest.param(row, id=f"{row['id']}-{row['area']}") for row in answers()]


@pytest.fixture(scope="module")
def loaded(server: SpanlakeServer) -> SpanlakeServer:
    for body in bodies():
        assert server.post_traces(body, headers={"X-Scope-OrgID": TENANT}).status == 200
    return server


@pytest.mark.parametrize("row", requests())
def test_answer_is_right(loaded: SpanlakeServer, row: dict[str, Any]) -> None:
    check = checker()
    status, answer = check.ask(loaded.tempo, row, tenant=TENANT)
    assert check.diff(row, row["want"], check.normal(row, status, answer)) is None
