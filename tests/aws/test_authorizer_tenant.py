"""Whose request it is: what the authorizer found out, and what a client may say beside it."""

import asyncio
from typing import Any

import pytest

from spanlake.aws.http import AuthorizerTenant

LAMBDA = {"lambda": {"tenant": "shop"}}
JWT = {"jwt": {"claims": {"team": "shop"}}}


def seen(authorizer: dict[str, Any] | None, header: str | None) -> tuple[int, list[str]]:
    """The status of an answer, and what the application saw in the header."""
    seen: list[str] = []
    sent: list[Any] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        seen.extend(value.decode() for name, value in scope["headers"] if name == b"x-scope-orgid")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if header is None else [(b"x-scope-orgid", header.encode())]
    context = {} if authorizer is None else {"authorizer": authorizer}
    scope = {"type": "http", "headers": headers, "aws.event": {"requestContext": context}}
    asyncio.run(AuthorizerTenant(app, "team")(scope, receive, send))
    return sent[0]["status"], seen


@pytest.mark.parametrize(
    ("authorizer", "header", "status", "tenants"),
    [
        (None, None, 200, []),
        (None, "bank", 200, ["bank"]),
        (LAMBDA, None, 200, ["shop"]),
        (LAMBDA, "shop", 200, ["shop"]),
        (LAMBDA, "bank", 403, []),
        (LAMBDA, "shop,bank", 403, []),
        (LAMBDA, "", 200, ["shop"]),  # an empty header names none
        (JWT, None, 200, ["shop"]),
        (JWT, "bank", 403, []),
        ({"jwt": {"claims": {"tenant": "shop"}}}, None, 403, []),
        ({"jwt": {"claims": None}}, "shop", 403, []),
        ({"lambda": {}}, "shop", 403, []),
        ({"lambda": None}, "shop", 403, []),
        ({"iam": {"accessKey": "x"}}, "shop", 403, []),
    ],
)
def test_tenants(authorizer: dict[str, Any] | None, header: str | None, status: int, tenants: list[str]) -> None:
    assert seen(authorizer, header) == (status, tenants)
