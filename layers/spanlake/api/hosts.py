"""Checks the Host header, by which a page in a browser that reaches this machine under another name is refused.

A page can have its own host name resolve to a loopback address after it was loaded (DNS rebinding); browsers then let
it read the answers of a server there.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

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
