"""Functions on a bucket and a table that do not belong together store, answer and delete nothing."""

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from spanlake.aws import compact, expire, ingest, query
from spanlake.aws.environment import CheckedRequests, LambdaStore
from spanlake.aws.telemetry import Handler
from spanlake.store.errors import StoreMismatch
from spanlake.store.identity import check_identity
from spanlake.store.index.dynamodb.index import DynamoIndex
from tests.aws.events import Context, http_event
from tests.aws.test_compact import store_blocks, woken_by
from tests.cloud import Cloud
from tests.payloads import export_request


@pytest.fixture
def mismatch(store: LambdaStore, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> LambdaStore:
    """A bucket with blocks, and the settings of functions that name a new table."""
    check_identity(store.objects, store.index)
    store_blocks(store, "shop", 1)
    monkeypatch.setenv("SPANLAKE_INDEX", f"dynamodb://{cloud.table()}")
    return store


@pytest.mark.parametrize("make", [ingest.handler, query.handler])
def test_requests_are_answered_with_503_that_says_what_to_do(
    mismatch: LambdaStore, make: Callable[[], Handler], capsys: pytest.CaptureFixture[str]
) -> None:
    body = export_request("one").SerializeToString()
    event = http_event("POST", "/v1/traces", headers={"content-type": "application/x-protobuf"}, body=body)
    if make is query.handler:
        event = http_event("GET", "/api/search")
    for _ in range(2):
        answer = make()(event, Context())
        assert answer["statusCode"] == 503
        assert "spanlake reindex --objects s3://" in answer["body"]
    assert "StoreMismatches" in capsys.readouterr().out
    assert len(list(mismatch.objects.list("spans/"))) == 1


@pytest.mark.parametrize(
    ("method", "calls"), [("GET", ["app", "check"]), ("HEAD", ["app", "check"]), ("DELETE", []), ("POST", [])]
)
def test_only_requests_that_read_are_worked_on_during_the_check(method: str, calls: list[str]) -> None:
    made: list[str] = []
    answered = Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        made.append("app")
        await PlainTextResponse("found")(scope, receive, send)
        answered.set()

    def check() -> None:
        if calls:
            assert answered.wait(20)
            made.append("check")
        raise StoreMismatch("other blocks")

    check.is_done = False  # type: ignore[attr-defined]
    response = TestClient(CheckedRequests(app, check)).request(method, "/")  # type: ignore[arg-type]
    assert (response.status_code, made) == (503, calls)
    assert "found" not in response.text


def test_nothing_is_merged_or_deleted(mismatch: LambdaStore, cloud: Cloud) -> None:
    calls: list[tuple[Callable[[], Handler], dict[str, Any]]] = [(compact.handler, woken_by([])), (expire.handler, {})]
    for make, event in calls:
        with pytest.raises(StoreMismatch):
            make()(event, Context())
    assert len(list(mismatch.objects.list())) == 2
    assert DynamoIndex(cloud.table()).tenants() == []


def test_a_table_that_was_rebuilt_is_taken(mismatch: LambdaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from spanlake.aws.settings import settings
    from spanlake.store.identity import adopt
    from spanlake.store.maintenance.reindex import reindex

    rebuilt = LambdaStore.open(settings(os.environ))
    adopt(mismatch.objects, rebuilt.index)
    reindex(mismatch.objects, rebuilt.index)
    answer = query.handler()(http_event("GET", "/api/search"), Context())
    assert answer["statusCode"] == 200
