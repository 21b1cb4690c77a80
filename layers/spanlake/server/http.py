"""The HTTP server: uvicorn, started and stopped by the process."""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.server.http_protocol import ConnectionBounds, HttpProtocol, Misdirected


class HttpServer:
    """An ASGI application on a list of sockets."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        *,
        drain_seconds: float,
        misdirected: Misdirected | None = None,
        bounds: ConnectionBounds | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``misdirected`` is the advice for clients that speak another protocol."""
        told = misdirected or Misdirected(MisdirectionLog())
        more = {"misdirected": told, "bounds": bounds or ConnectionBounds()}
        config = uvicorn.Config(
            app,
            http=type("Protocol", (HttpProtocol,), more),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=round(drain_seconds),
        )
        config.load()
        config.ssl = tls
        self._server = _Uvicorn(config)
        self._sockets = list(sockets)
        self._served: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start, and return when connections are accepted."""
        self._served = asyncio.create_task(self._server.serve(self._sockets))
        await self._server.listening.wait()

    async def stop(self) -> None:
        """Accept no more connections, and return when every request in progress is answered or cancelled."""
        self._server.should_exit = True
        if self._served is not None:
            await self._served


class _Uvicorn(uvicorn.Server):
    """uvicorn, with an event for when it listens, and without signal handlers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
