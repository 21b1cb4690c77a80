"""The endpoints beside Tempo's, against a real server: services, map, attributes, and analyses of traces."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.query.kit import NOON, SECOND, At, request
from tests.server_process import Answer, SpanlakeServer

TENANT = "api-services"
SPANS = (
    At(1, trace=0xABD, name="root", kind=2, status=2, length=2 * SECOND),
    At(2, 1, trace=0xABD, name="call", kind=3, start=SECOND // 2, length=SECOND),
    At(3, 2, trace=0xABD, name="child", kind=2, start=SECOND, length=SECOND // 2, service="cart"),
    At(4, 3, trace=0xABD, name="GET", kind=3, service="cart", attributes={"db.system": "redis"}),
    At(1, trace=0xABE, name="root", kind=2, start=5 * SECOND, length=SECOND),
)
RANGE: dict[str, Any] = {"start": NOON // SECOND - 60, "end": NOON // SECOND + 60}


@pytest.fixture(scope="module")
def stored(server: SpanlakeServer) -> SpanlakeServer:
    assert server.post_traces(request(SPANS), headers={"X-Scope-OrgID": TENANT}).status == 200
    return server


def ask(server: SpanlakeServer, path: str, tenant: str = TENANT, **parameters: Any) -> Answer:
    query = f"?{urlencode(parameters)}" if parameters else ""
    return server.get(f"{path}{query}", {"X-Scope-OrgID": tenant})


def body(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_services(stored: SpanlakeServer) -> None:
    web, cart = body(ask(stored, "/api/services", **RANGE))["services"]
    assert (web["name"], web["spans"], web["requests"], web["errors"]) == ("shop", 3, 2, 1)
    assert web["rate"] == pytest.approx(2 / 120)
    assert (cart["name"], cart["requests"], cart["p50Ms"]) == ("cart", 1, 500)


def test_services_of_another_tenant_or_time_are_none(stored: SpanlakeServer) -> None:
    assert body(ask(stored, "/api/services", tenant="nobody", **RANGE)) == {"services": []}
    assert body(ask(stored, "/api/services", start=1, end=2)) == {"services": []}


def test_operations_need_a_service(stored: SpanlakeServer) -> None:
    found = body(ask(stored, "/api/services/operations", service="shop", **RANGE))["operations"]
    assert [(one["name"], one["kind"], one["spans"]) for one in found] == [("root", "server", 2), ("call", "client", 1)]
    answer = ask(stored, "/api/services/operations", **RANGE)
    assert (answer.status, b"the name of a service is missing" in answer.body) == (400, True)


def test_edges(stored: SpanlakeServer) -> None:
    found = body(ask(stored, "/api/services/edges", **RANGE))["edges"]
    assert {(one["client"], one["server"], one["type"]) for one in found} == {
        ("shop", "cart", "request"),
        ("cart", "redis", "database"),
    }


def test_attributes(stored: SpanlakeServer) -> None:
    found = body(ask(stored, "/api/attributes", **RANGE))
    assert {"scope": "span", "name": "db.system", "types": ["string"], "distinct": 1} in found["attributes"]
    assert found["sampledSpans"] == len(SPANS)


def test_statistics_of_a_trace(stored: SpanlakeServer) -> None:
    groups = body(ask(stored, "/api/traces/abd/statistics"))["groups"]
    assert {one["value"]: one["spans"] for one in groups} == {"shop": 2, "cart": 2}
    by_name = body(ask(stored, "/api/traces/abd/statistics", by="name"))["groups"]
    assert {one["value"]: one["selfMs"] for one in by_name}["root"] == 1000
    assert ask(stored, "/api/traces/abd/statistics", by="not a name").status == 400
    assert ask(stored, "/api/traces/abd/statistics", by="traceDuration").status == 400


def test_critical_path_of_a_trace(stored: SpanlakeServer) -> None:
    found = body(ask(stored, "/api/traces/abd/critical-path"))
    assert found["durationMs"] == 2000
    spans = {one["spanID"]: one for one in found["spans"]}
    assert spans["0000000000000001"]["sections"] == [[0, 500], [1500, 2000]]
    assert sum(one["selfMs"] for one in found["spans"]) == 2000


def test_diff_of_two_traces(stored: SpanlakeServer) -> None:
    found = body(ask(stored, "/api/traces/abd/diff/abe"))
    assert (found["left"]["spans"], found["right"]["spans"]) == (4, 1)
    nodes = {one["name"]: one for one in found["nodes"]}
    assert (nodes["root"]["left"]["totalMs"], nodes["root"]["right"]["totalMs"]) == (2000, 1000)
    assert nodes["child"]["right"] is None
    assert nodes["call"]["parent"] == nodes["root"]["id"]


@pytest.mark.parametrize("path", ["abf/statistics", "abf/critical-path", "abd/diff/abf", "abf/diff/abd"])
def test_analyses_of_a_trace_that_is_not_stored_are_not_found(stored: SpanlakeServer, path: str) -> None:
    assert ask(stored, f"/api/traces/{path}").status == 404


def test_analyses_refuse_what_is_no_id(stored: SpanlakeServer) -> None:
    assert ask(stored, "/api/traces/xyz/critical-path").status == 400
    assert ask(stored, "/api/traces/abd/critical-path", tenant="nobody").status == 404
