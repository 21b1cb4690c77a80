"""The application of the Tempo API, loaded with the first request that needs it, while others are served."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from spanlake.api.authentication import AccessOf
from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.ingest.tenant_work import TenantWork
from spanlake.server.storage import Store
from spanlake.settings.model import Config
from spanlake.store.tenant_limits import LimitsSource
from spanlake.telemetry.prometheus import Metrics

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


@dataclass(frozen=True, slots=True)
class TempoApi:
    """All that the application is made of."""

    config: Config
    store: Store
    unready_reason: Callable[[], str | None]
    metrics: Metrics
    limits: LimitsSource
    receivers: Sequence[BaseRoute]
    """The routes of other ports, which a page of the application lists."""
    others: Sequence[BaseRoute]
    """Routes behind those of the Tempo API."""
    access_of: AccessOf
    notices: MisdirectionLog
    work: TenantWork
    """Time that tenants take of the process."""
    started: float = field(default_factory=time.time)

    def load(self) -> ASGIApp:
        """Make the application; raises StoreError."""
        from spanlake.server.application import application  # takes longer than all else of a server's start

        return application(self)
