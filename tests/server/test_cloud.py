"""`spanlake serve` on S3 and DynamoDB."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.cloud import Cloud, free_port, s3_server
from tests.conftest import StartServer
from tests.payloads import export_request, stored_names
from tests.recorded import answers, bodies, checker
from tests.server_process import SpanlakeServer, free_offset, run_until_exit

TENANT = "conformance"
SEARCH = "/api/search?q=%7B%7D"


def _requests() -> list[Any]:
    """Every recorded request."""
    return answers()


@pytest.fixture(scope="module")
def lake(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server that has nothing on its own disk."""
    where = ["--objects", f"s3://{cloud.bucket()}/lake", "--index", f"dynamodb://{cloud.table()}"]
    server = SpanlakeServer(tmp_path_factory.mktemp("cloud-server") / "data", where).wait_until_ready()
    try:
        for body in bodies():
            assert server.post_traces(body, headers={"X-Scope-OrgID": TENANT}).status == 200
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("area", sorted({row["area"] for row in _requests()}))
def test_server_on_aws_answers_as_tempo(lake: SpanlakeServer, area: str) -> None:
    check = checker()
    wrong = []
    for row in _requests():
        if row["area"] == area:
            status, answer = check.ask(lake.tempo, row, tenant=TENANT)
            difference = check.diff(row, row["want"], check.normal(row, status, answer))
            wrong += [(row["id"], difference)] if difference else []
    assert wrong == []


def test_server_on_aws_keeps_nothing_on_disk(lake: SpanlakeServer) -> None:
    assert not lake.data.exists()


def test_status_on_aws_reports_storage_and_totals(lake: SpanlakeServer) -> None:
    status = lake.get("/status").body.decode()
    assert "s3://lake-" in status
    assert "dynamodb://index-" in status
    assert lake.metric("spanlake_stored_spans") > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--objects", "s3://no-such-bucket"), "there is no bucket no-such-bucket"),
        (("--objects", "s3:/bucket"), "does not name a bucket"),
        (("--index", "dynamodb://no-such-table"), "aws dynamodb create-table --table-name no-such-table"),
        (("--index", "dynamodb://x"), "does not name a table"),
        (("--index", "dynamodb://table?create=maybe"), "does not name a table"),
    ],
)
def test_server_exits_when_storage_does_not_exist(
    cloud: Cloud, tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    at = ["--data", str(tmp_path / "data"), "--port-offset", str(free_offset())]
    finished = run_until_exit(*at, *arguments, log=tmp_path / "log")
    assert finished.status == 1
    assert complaint in finished.output


def test_server_creates_table_beside_local_objects(cloud: Cloud, tmp_path: Path, start_server: StartServer) -> None:
    url = f"dynamodb://made-{secrets.token_hex(4)}?create=true"
    for _ in range(2):  # the second finds it there
        server = start_server(data=tmp_path / "data", environment={"SPANLAKE_INDEX": url})
        assert server.post_traces(export_request("boil eggs").SerializeToString()).status == 200
        assert json.loads(server.get(SEARCH).body)["traces"]
        server.stop()
    assert set(stored_names(tmp_path / "data")) == {"boil eggs"}
    assert not (tmp_path / "data" / "index.sqlite").exists()


def test_server_asks_clients_to_retry_while_storage_is_unavailable(
    cloud: Cloud, tmp_path: Path, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    first, second = (export_request(name).SerializeToString() for name in ("first", "second"))
    with s3_server(tmp_path, port):
        boto3.client("s3").create_bucket(Bucket="lake")
        server = start_server("--objects", "s3://lake", "--index", f"dynamodb://{cloud.table()}")
        assert server.post_traces(first).status == 200
    answer = server.post_traces(second)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert server.get(SEARCH).status == 503
    with s3_server(tmp_path, port):
        assert server.post_traces(second).status == 200
        assert server.get(SEARCH).status == 200
