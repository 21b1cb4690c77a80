"""An application that is loaded with the first request that needs it, while the other requests are served."""

import asyncio
import gc
import logging
from collections.abc import Callable, Sequence

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

_log = logging.getLogger(__name__)
_UNAVAILABLE = "the Tempo API cannot be loaded: the log of the server says why\n"


class DeferredApp:
    """Serves some routes at once, and all requests with the whole application from when it is loaded."""

    def __init__(self, at_once: Sequence[BaseRoute], first: ASGIApp, load: Callable[[], ASGIApp]) -> None:
        """``first`` has the routes ``at_once``; ``load`` makes the application, on a thread, which has them too."""
        self._at_once = at_once
        self._first = first
        self._load = load
        self._loading: asyncio.Task[ASGIApp] | None = None
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = self._app or (self._first if self._is_served_at_once(scope) else await self._loaded())
        await app(scope, receive, send)

    def _is_served_at_once(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self._at_once)

    async def _loaded(self) -> ASGIApp:
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(self._load))
        try:
            self._app = await asyncio.shield(self._loading)
        except Exception:  # noqa: BLE001, whatever fails, the ports for spans go on
            self._loading = None  # the next request tries again
            _log.exception("loading the Tempo API failed")
            return PlainTextResponse(_UNAVAILABLE, 503, {"Retry-After": "5"})
        gc.freeze()  # imported modules stay loaded: collecting them takes 30 ms in the midst of a query
        return self._app
