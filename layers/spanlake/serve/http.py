"""The HTTP server: uvicorn, told when to start and stop rather than deciding itself."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_BYTES = 512 << 10  # request line and headers: a query of 131,072 characters, escaped, and what is around it
_LONGEST_URL = (64 << 10) - 1  # that httptools takes apart


class HttpServer:
    """One application on several sockets."""

    def __init__(self, app: ASGIApp, sockets: Sequence[socket.socket], *, drain_seconds: float) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=round(drain_seconds),
        )
        self._server = _Uvicorn(config)
        self._sockets = list(sockets)
        self._served: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when connections are accepted."""
        self._served = asyncio.create_task(self._server.serve(self._sockets))
        await self._server.listening.wait()

    async def stop(self) -> None:
        """Accept nothing more, and return when every request under way is answered or given up."""
        self._server.should_exit = True
        if self._served is not None:
            await self._served


class _Uvicorn(uvicorn.Server):
    """uvicorn, saying when it listens, and leaving signals to the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1 with a limit on request line and headers, which uvicorn does not have with httptools."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(
                f"request line and headers are larger than {_HEAD_BYTES >> 10} KiB: shorten the query\n"
            )

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        if len(self.url) <= _LONGEST_URL:
            super().on_headers_complete()
            return
        self.url, _, query = self.url.partition(b"?")
        super().on_headers_complete()
        self.scope["query_string"] = query.partition(b"#")[0]  # read by the application's task, which starts later

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()
