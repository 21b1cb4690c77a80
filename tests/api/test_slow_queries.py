"""Slow queries are logged with their text."""

import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from spanlake.api.app import create_app
from spanlake.api.tempo.dependencies import ALL_ERRORS
from spanlake.api.tempo.routes import tempo_routes
from tests.query.kit import At, Lake


@pytest.mark.parametrize(("slow_seconds", "is_logged"), [(0.0, True), (60.0, False)])
def test_query_is_logged_from_the_set_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, slow_seconds: float, is_logged: bool
) -> None:
    lake = Lake(tmp_path)
    lake.add(At(1, attributes={"k": 1}), tenant="single-tenant")
    client = TestClient(create_app(tempo_routes(lake.querier, slow_seconds=slow_seconds), ALL_ERRORS))
    query = "{ span.k = 1 }" + " " * 1000
    with caplog.at_level(logging.WARNING):
        assert client.get("/api/search", params={"q": query, "limit": "3"}).status_code == 200
    records = [record for record in caplog.records if record.message == "slow query"]
    assert [record.__dict__["path"] for record in records] == ["/api/search"] * is_logged
    if is_logged:
        assert records[0].__dict__["q"].startswith("{ span.k = 1 }")
        assert len(records[0].__dict__["q"]) == 500
        assert records[0].__dict__["seconds"] >= 0
    lake.close()
