"""Every recorded request to Tempo 3.1, asked of a running server that holds the same spans."""

from typing import Any

import pytest

from tests.recorded import WAITING, bodies, checker, every_answer
from tests.server import SpanlakeServer

TENANT = "conformance"


def requests() -> list[Any]:
    """The recorded requests."""
    return [pytest.param(row, id=f"{row['id']}-{row['area']}", marks=_marks(row["id"])) for row in every_answer()]


def _marks(number: int) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=WAITING[number], strict=True)] if number in WAITING else []


@pytest.fixture(scope="module")
def loaded(server: SpanlakeServer) -> SpanlakeServer:
    for body in bodies():
        assert server.post_traces(body, headers={"X-Scope-OrgID": TENANT}).status == 200
    return server


@pytest.mark.parametrize("row", requests())
def test_answer_is_tempos(loaded: SpanlakeServer, row: dict[str, Any]) -> None:
    check = checker()
    status, answer = check.ask(loaded.tempo, row, tenant=TENANT)
    assert check.diff(row, row["want"], check.normal(row, status, answer)) is None
