"""Each function made to do all that it ever asks AWS for."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws
from moto.secretsmanager.models import secretsmanager_backends

from spanlake.aws import authorize, compact, expire, ingest, query
from spanlake.aws.environment import LambdaStore
from spanlake.aws.telemetry import Handler
from spanlake.store.blocks.paths import TRASH
from spanlake.store.deletions import record_deletion
from spanlake.store.index.dynamodb.index import DynamoIndex
from tests.aws.events import Context, http_event
from tests.aws.test_compact import AT_ONCE, store_blocks, woken_by
from tests.aws.test_expire import aged
from tests.infra.kept import ACCOUNT, REGION
from tests.patches import patch_here
from tests.payloads import DAY_NS, export_request

SECRET = "Tokens-AbCdEf"
"""The end of its ARN where the template is deployed."""
TOKEN = "a-token-of-the-shop"

_TENANT: Mapping[str, Any] = {"lambda": {"tenant": "shop"}}
_PROTOBUF = {"content-type": "application/x-protobuf"}
_TRACE = f"/api/traces/{(b't' * 16).hex()}"


@dataclass(frozen=True)
class Lake:
    """Where a function works, and what a test may do there beside it."""

    store: LambdaStore
    patch: pytest.MonkeyPatch


Ask = Callable[[], None]
"""Lets the function do what it does; what comes before that asks AWS for what the function does not."""


def ingesting(_: Lake) -> Ask:
    """Spans of now, of days ago, and of both sides of a midnight."""
    now = time.time_ns()
    midnight = now - now % DAY_NS
    requests = [export_request("one", start_ns=start) for start in (now, now - 2 * DAY_NS)]
    requests.append(export_request("one", start_ns=midnight - 1))
    requests[-1].MergeFrom(export_request("two", start_ns=midnight))

    def ask() -> None:
        handler = ingest.handler()
        for request in requests:
            _answered(handler, "POST", "/v1/traces", headers=_PROTOBUF, body=request.SerializeToString())

    return ask


def querying(lake: Lake) -> Ask:
    """Every kind of question about spans of several days, and a deletion."""
    now = time.time_ns()
    for start in (now, now - DAY_NS, now - 4 * DAY_NS):
        store_blocks(lake.store, "shop", 1, start_ns=start)
    seconds = {"start": str(now // 10**9 - 5 * 86_400), "end": str(now // 10**9 + 60)}

    def ask() -> None:
        handler = query.handler()
        for path in ("/status", "/ready", _TRACE, "/api/v2/search/tags", "/api/v2/search/tag/name/values"):
            _answered(handler, "GET", path, query=seconds)
        for q in ("{}", '{ resource.service.name = "tests" } >> {}'):
            _answered(handler, "GET", "/api/search", query=seconds | {"q": q})
        _answered(handler, "GET", "/api/metrics/query_range", query=seconds | {"q": "{} | rate()", "step": "3600"})
        _answered(handler, "DELETE", _TRACE)

    return ask


def compacting(lake: Lake) -> Ask:
    """Blocks that are merged, and deleted a while after."""
    blocks = store_blocks(lake.store, "shop")

    def ask() -> None:
        handler = compact.handler()
        for _ in range(2):
            assert handler(woken_by(blocks), Context()) == {"batchItemFailures": []}
            _be_later(lake.patch)

    return ask


def expiring(lake: Lake) -> Ask:
    """Days that are too old or over, blocks that were merged, garbage, and what was taken for it."""
    now = time.time_ns()
    store_blocks(lake.store, "shop", 1, start_ns=now - 20 * DAY_NS)
    store_blocks(lake.store, "shop", 3, start_ns=now - 3 * DAY_NS)
    compact.handler()(woken_by(store_blocks(lake.store, "shop")), Context())
    (needed,) = store_blocks(lake.store, "bank", 1)
    lake.store.objects.put(TRASH + needed.path, lake.store.objects.get(needed.path))
    lake.store.objects.delete(needed.path)
    lake.store.objects.put(needed.path.replace(needed.id, "ab" * 16), b"x")
    record_deletion(lake.store.objects, [replace(needed, id="cd" * 16)], b"t" * 16)
    lake.store.objects.delete("store.json")
    aged(lake.patch, timedelta(days=2))
    _be_later(lake.patch)

    def ask() -> None:
        with lake.patch.context() as patch:
            patch_here(patch, time, "sleep", lambda _: None)
            handler = expire.handler(AT_ONCE)
        for _ in range(2):
            handler({}, Context())

    return ask


def authorizing(_: Lake) -> Ask:
    """A token that is known and one that is not."""
    headers = [{"authorization": f"Bearer {token}"} for token in (TOKEN, "another-of-nobody")]

    def ask() -> None:
        with mock_aws():
            _keep_secret(json.dumps({TOKEN: "shop"}))
            handler = authorize.handler()
            answers = [handler(http_event("GET", "/ready", headers=found), Context()) for found in headers]
        assert [answer["isAuthorized"] for answer in answers] == [True, False]

    return ask


def _keep_secret(text: str) -> None:
    secretsmanager_backends[ACCOUNT][REGION].create_secret(
        name=SECRET,
        secret_string=text,
        secret_binary=None,
        description="",
        tags=[],
        kms_key_id=None,
        client_request_token=None,
        replica_regions=[],
        force_overwrite=False,
    )


def _answered(handler: Handler, method: str, path: str, **about: Any) -> None:
    answer = handler(http_event(method, path, authorizer=_TENANT, **about), Context())
    assert answer["statusCode"] in {200, 204}, answer


def _be_later(patch: pytest.MonkeyPatch) -> None:
    """Let the time be over for which objects of replaced blocks stay, by DynamoDB's clock, which counts."""
    service_time = DynamoIndex.service_time
    patch.setattr(DynamoIndex, "service_time", lambda index: (service_time(index) or 0) + 86_401)
