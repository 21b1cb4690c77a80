"""Every route of the functions, as they list them: no tenant learns of another."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from spanlake.aws import ingest, query
from spanlake.aws.environment import LambdaStore
from spanlake.aws.telemetry import Handler
from tests.aws.events import Context, body_of, http_event
from tests.payloads import export_request

SHOP = {"lambda": {"tenant": "shop", "tenants": "shop", "roles": "read,write,delete"}}
ADMIN = {"lambda": {"tenant": "*", "tenants": "*", "roles": "admin"}}
TRACE = (b"t" * 16).hex()
_PARAMETERS = {"q": "{} | rate()", "service": "tests"}
_OPEN = {"/ready", "/", "/assets/service.name"}
_TELLING = _OPEN | {"/api/access"}


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """Functions as the template has them: nobody is believed without an authorizer."""
    monkeypatch.delenv("SPANLAKE_TRUST_TENANT_HEADER")


@pytest.fixture
def querying(closed: None, store: LambdaStore) -> Handler:
    """The function that answers queries, with spans of the bank alone."""
    sending = ingest.handler()
    bank = {"lambda": {"tenant": "bank", "tenants": "bank", "roles": "write"}}
    answer = send(sending, bank, export_request("of-the-bank").SerializeToString())
    assert answer["statusCode"] == 200
    return query.handler()


def send(sending: Handler, authorizer: Mapping[str, Any] | None, body: bytes, **headers: str) -> Mapping[str, Any]:
    sent = {
        "content-type": "application/x-protobuf",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    found: Mapping[str, Any] = sending(
        http_event("POST", "/v1/traces", headers=sent, body=body, authorizer=authorizer), Context()
    )
    return found


def ask(
    querying: Handler, method: str, path: str, authorizer: Mapping[str, Any] | None, tenant: str | None = None
) -> tuple[int, bytes]:
    """The status of an answer, and all of it."""
    headers = {} if tenant is None else {"x-scope-orgid": tenant}
    parameters = _PARAMETERS if "metrics" in path or "services" in path else {}
    event = http_event(method, path, query=parameters, headers=headers, authorizer=authorizer)
    answer = querying(event, Context())
    return answer["statusCode"], body_of(answer) + json.dumps(answer["headers"]).encode()


def endpoints(querying: Handler) -> Iterator[tuple[str, str]]:
    """Methods and paths of the function, with something for each part that varies."""
    status, listed = ask(querying, "GET", "/status/endpoints", SHOP)
    assert status == 200
    for line in listed.decode().splitlines():
        if line.startswith("/"):
            path, _, methods = line.partition("  ")
            filled = re.sub(
                r"{(\w+)}", lambda found: TRACE if found[1].endswith("id") else "service.name", path.strip()
            )
            yield from ((method.strip(), filled) for method in methods.split(","))


def test_no_route_tells_a_tenant_of_another(querying: Handler) -> None:
    every = list(endpoints(querying))
    assert {
        ("GET", "/status"),
        ("GET", "/api/search"),
        ("GET", "/api/services"),
        ("DELETE", f"/api/traces/{TRACE}"),
    } <= {*every}
    told = {(method, path): ask(querying, method, path, SHOP) for method, path in every}
    assert [asked for asked, (_, answer) in told.items() if b"bank" in answer] == []
    assert {status for status, _ in told.values()} <= {200, 204, 307, 400, 403, 404, 405}
    assert ask(querying, "GET", f"/api/traces/{TRACE}", {"lambda": {"tenant": "bank"}})[0] == 200


def test_no_route_is_answered_to_who_names_another_tenant(querying: Handler) -> None:
    for tenant in ("bank", "shop|bank"):
        statuses = {
            each: ask(querying, *each, SHOP, tenant)[0] for each in endpoints(querying) if each[1] not in _TELLING
        }
        assert {each: status for each, status in statuses.items() if status != 403} == {}


def test_no_route_is_answered_without_an_authorizer(querying: Handler) -> None:
    every = [each for each in endpoints(querying) if each[1] not in _OPEN]
    assert {each: status for each in every if (status := ask(querying, *each, None)[0]) != 403} == {}
    assert {each: status for each in every if (status := ask(querying, *each, None, "bank")[0]) != 403} == {}


def test_pages_of_the_whole_function_are_for_admin(querying: Handler) -> None:
    assert ask(querying, "GET", "/status/config", SHOP)[0] == 403
    assert b"bank" in ask(querying, "GET", "/status", ADMIN)[1]
    settings = json.loads(body_of(querying(http_event("GET", "/status", authorizer=SHOP), Context())))["settings"]
    assert settings == {}


def test_spans_are_of_the_authorizers_tenant(closed: None, store: LambdaStore) -> None:
    sending = ingest.handler()
    body = export_request("a").SerializeToString()
    paths = ["/v1/traces", "/api/v2/spans", "/api/v1/spans", "/api/traces", "/elsewhere"]
    for path in paths:
        for tenant in ("bank", "shop|bank", "no-such-tenant"):
            event = http_event("POST", path, headers={"x-scope-orgid": tenant}, body=body, authorizer=SHOP)
            assert sending(event, Context())["statusCode"] in (400, 403), (path, tenant)
        event = http_event("POST", path, headers={"x-scope-orgid": "bank"}, body=body)
        assert sending(event, Context())["statusCode"] == 403
    assert store.index.tenants() == []
