"""Whose spans they are: by the token, and by nothing else."""

import base64
from collections.abc import Mapping

import pytest

from tests.aws.end_to_end.kit import PROTOBUF, authorization, get, send, token
from tests.aws.local.stack import Stack
from tests.payloads import export_request

TRACE = f"/api/traces/{(b't' * 16).hex()}"
SPAN = export_request("one").SerializeToString()
BASIC = base64.b64encode(f"anybody:{token('shop')}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Scope-OrgID": "shop"}, 401),
        ({"Authorization": "Bearer of-nobody-we-know"}, 403),
        ({"Authorization": token("shop")}, 403),
        ({**authorization("shop"), "X-Scope-OrgID": "bank"}, 403),
        ({**authorization("shop"), "X-Scope-OrgID": "shop"}, 200),
        (authorization("shop"), 200),
        ({"Authorization": f"Basic {BASIC}"}, 200),
    ],
)
def test_who_gets_through(stack: Stack, headers: Mapping[str, str], status: int) -> None:
    assert stack.ask("POST", "/v1/traces", {**PROTOBUF, **headers}, SPAN).status == status
    assert stack.ask("GET", "/api/echo", headers).status == status


def test_spans_are_seen_by_their_tenant_alone(stack: Stack) -> None:
    assert send(stack, "shop", SPAN).status == 200
    assert [get(stack, tenant, TRACE).status for tenant in ("shop", "bank")] == [200, 404]


def test_a_trace_is_deleted_by_its_tenant_alone(stack: Stack) -> None:
    send(stack, "shop", SPAN)
    assert [stack.ask("DELETE", TRACE, authorization(tenant)).status for tenant in ("bank", "shop")] == [404, 204]
    assert get(stack, "shop", TRACE).status == 404
