"""Cross-origin requests: which pages may send spans, by the CORS protocol of the Fetch standard.

Only POSTs, and preflights for them, are answered for. No page may read traces, whatever its origin.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
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
