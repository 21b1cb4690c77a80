"""HTTP on a port of this machine, in the event loop that runs."""

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp

_TO_END = 5.0  # seconds


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel a task until it has ended: what it waits for may swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_TO_END)


class Listener:
    """An application that answers on a port that was free."""

    def __init__(self, app: ASGIApp) -> None:
        # asyncio sends at once, and does not wait for acknowledgements, where it is told that this is TCP.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()  # now, so that whoever comes before the server is up waits for it
        # Whoever is not answered when it stops is a process that has ended, or a test that is over.
        config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Answer nobody any more."""
        self._server.should_exit = True
        await asyncio.wait({self._serving}, timeout=_TO_END)
        await end(self._serving)
        self._socket.close()
