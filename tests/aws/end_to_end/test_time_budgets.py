"""Storage that hangs: functions under Lambda's runtime client answer 503 before API Gateway gives up on them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.end_to_end.kit import authorization, get, send, token
from tests.aws.local.contract import ROUTES
from tests.aws.local.stack import Plan, Stack, deployed
from tests.aws.local.stalling import StallingRelay
from tests.cloud import Cloud
from tests.payloads import export_request

SECONDS = 25.0
"""Longest that an answer may take: API Gateway waits for 30 s, and answers 500 itself where a function ends."""
TENANT = "shop"
BODY = export_request("one").SerializeToString()


@pytest.fixture(scope="module", params=["s3", "dynamodb"])
def relay(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[tuple[str, StallingRelay]]:
    """The service that hangs now and then, and the relay before it."""
    server = StallingRelay(getattr(cloud, request.param))
    yield request.param, server
    server.close()


@pytest.fixture
def stack(cloud: Cloud, relay: tuple[str, StallingRelay], tmp_path: Path) -> Iterator[Stack]:
    service, server = relay
    plan = Plan(
        ROUTES,
        tokens={token(TENANT): TENANT},
        variables={f"AWS_ENDPOINT_URL_{service.upper()}": server.url},
    )
    with deployed(cloud, tmp_path, plan) as stack:
        yield stack


def refused(stack: Stack, *, post: bool) -> None:
    """Ask while storage hangs."""
    start = time.monotonic()
    answer = send(stack, TENANT, BODY) if post else get(stack, TENANT, "/api/search?q=%7B%7D")
    assert time.monotonic() - start < SECONDS
    assert (answer.status, "retry-after" in answer.headers) == (503, True), answer.body


@pytest.mark.parametrize("post", [True, False], ids=["ingest", "query"])
def test_storage_that_hangs_from_the_start(stack: Stack, relay: tuple[str, StallingRelay], post: bool) -> None:
    with relay[1].stalled():
        refused(stack, post=post)


def test_storage_that_begins_to_hang(stack: Stack, relay: tuple[str, StallingRelay]) -> None:
    assert send(stack, TENANT, BODY).status == 200
    assert get(stack, TENANT, "/api/search?q=%7B%7D").status == 200
    service, server = relay
    with server.stalled():
        refused(stack, post=True)
        if service == "dynamodb":  # a function keeps the blocks that it has read
            refused(stack, post=False)
    answer = stack.ask("GET", f"/api/traces/{(b't' * 16).hex()}", authorization(TENANT))
    assert len(json.loads(answer.body)["batches"]) == 1
