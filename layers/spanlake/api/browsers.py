"""Requests of browsers: the check of the Host header, and cross-origin requests by the CORS protocol."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ANY = "*"
_PREFLIGHT_SECONDS = 7200  # the most that Chromium remembers a preflight's answer for


class SpanCors:
    """Lets pages of these origins send spans to the application around which it stands.

    Origins that are named may send credentials. Under ``*`` all others may send without.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        named = [origin for origin in origins if origin != ANY]
        self._app = app
        self._named = frozenset(named)
        self._for_named = _middleware(app, named, credentials=True)
        self._for_others = _middleware(app, [ANY] if ANY in origins else [], credentials=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        method = scope["method"]
        if method == "OPTIONS":
            method = headers.get("access-control-request-method")
        if method != "POST":
            await self._app(scope, receive, send)
        elif headers.get("origin") in self._named:
            await self._for_named(scope, receive, send)
        else:
            await self._for_others(scope, receive, send)


def _middleware(app: ASGIApp, origins: Sequence[str], *, credentials: bool) -> CORSMiddleware:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("POST",),
        allow_headers=(ANY,),
        allow_credentials=credentials,
        allow_private_network=True,
        expose_headers=("Retry-After",),
        max_age=_PREFLIGHT_SECONDS,
    )


_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^:\s]*)(:\d*)?", re.ASCII | re.IGNORECASE)
_MISDIRECTED = 421  # RFC 9110, 15.5.20


class AllowedHosts:
    """Answers requests to host names that are neither allowed nor this machine's own with 421."""

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        """``names`` are host names or addresses, without ports."""
        self._app = app
        self._names = frozenset(name.lower().strip("[]") for name in names)
        self._known: set[bytes] = set()  # headers that were allowed, for a quick comparison

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        for name, value in scope["headers"]:
            if name == b"host" and value not in self._known and not self._allows(value):
                await _refusal(value)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _allows(self, header: bytes) -> bool:
        match = _HOST.fullmatch(header.decode("latin-1").strip())
        if match is None:
            return False
        host = match[1].lower().strip("[]").removesuffix(".")
        allowed = not host or host in self._names or is_local(host)
        if allowed and len(self._known) < 64:
            self._known.add(header)
        return allowed


def is_local(host: str) -> bool:
    """True for loopback addresses, localhost, and other names without a dot, which no stranger can register."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return "." not in host


def _refusal(header: bytes) -> PlainTextResponse:
    host = header.decode("latin-1")[:80]
    advice = "this server is reached as localhost only; allow other names with --allowed-hosts"
    return PlainTextResponse(f"Host {host!r} is not allowed: {advice}\n", _MISDIRECTED)
