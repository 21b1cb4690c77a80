"""Which pages may send spans: the CORS protocol of the Fetch standard."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from spanlake.api.browsers import SpanCors
from spanlake.settings.kinds import parse_origins
from spanlake.settings.units import InvalidSetting

SHOP, OTHER = "https://shop.example", "https://other.example"


def ask(origins: tuple[str, ...], method: str, origin: str | None, **headers: str) -> tuple[int, Mapping[str, str]]:
    """Status and headers of an answer of an application that refuses everything."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("no", 400)(scope, receive, send)

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    named = {name.replace("_", "-"): value for name, value in headers.items()} | ({"origin": origin} if origin else {})
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    scope = {"type": "http", "method": method, "path": "/v1/traces", "headers": raw}
    asyncio.run(SpanCors(app, origins)(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def preflight(origins: tuple[str, ...], origin: str, method: str = "POST") -> tuple[int, Mapping[str, str]]:
    asked = {"access_control_request_method": method, "access_control_request_headers": "content-type,authorization"}
    return ask(origins, "OPTIONS", origin, **asked)


@pytest.mark.parametrize("origins", [(SHOP,), (SHOP, "*")])
def test_origin_that_is_named_may_send_credentials(origins: tuple[str, ...]) -> None:
    for status, headers in (preflight(origins, SHOP), ask(origins, "POST", SHOP)):
        assert status in (200, 400)
        assert headers["access-control-allow-origin"] == SHOP
        assert headers["access-control-allow-credentials"] == "true"
        assert "origin" in headers["vary"].lower()


def test_preflight_allows_the_headers_that_were_asked_for() -> None:
    status, headers = preflight((SHOP,), SHOP)
    assert (status, headers["access-control-allow-methods"]) == (200, "POST")
    assert headers["access-control-allow-headers"] == "content-type,authorization"


@pytest.mark.parametrize("origins", [("*",), (SHOP, "*")])
def test_any_other_origin_may_not_send_credentials(origins: tuple[str, ...]) -> None:
    for _, headers in (preflight(origins, OTHER), ask(origins, "POST", OTHER)):
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", [OTHER, "null", "https://shop.example.evil", "http://shop.example", None])
def test_origin_that_is_not_named_is_not_allowed(origin: str | None) -> None:
    _, headers = ask((SHOP,), "POST", origin)
    assert "access-control-allow-origin" not in headers
    assert "origin" in headers["vary"].lower()
    if origin:
        assert preflight((SHOP,), origin)[0] == 400


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_no_page_may_read_or_delete(method: str) -> None:
    assert "access-control-allow-origin" not in ask((SHOP, "*"), method, SHOP)[1]
    assert "access-control-allow-origin" not in preflight((SHOP, "*"), SHOP, method)[1]


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://Shop.example/, http://localhost:8080", ("https://shop.example", "http://localhost:8080")),
        ("https://shop.example:443,http://shop.example:80", ("https://shop.example", "http://shop.example")),
        ("http://shop.example:443", ("http://shop.example:443",)),
        ("http://[::1]:8080,chrome-extension://abc", ("http://[::1]:8080", "chrome-extension://abc")),
    ],
)
def test_parse_origins_writes_them_as_browsers_do(text: str, origins: tuple[str, ...]) -> None:
    assert parse_origins(text) == origins


@pytest.mark.parametrize("text", ["shop.example", "https://", "https://shop.example/page", "https://*.example", "a b"])
def test_parse_origins_rejects_what_is_none(text: str) -> None:
    with pytest.raises(InvalidSetting, match="is not an origin"):
        parse_origins(text)
