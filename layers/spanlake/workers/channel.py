"""Messages between supervisor and worker: JSON, a line for each message, over a pair of sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

Message = dict[str, Any]

_LONGEST = 16 << 20  # bytes of a line; a worker's metrics take some ten thousand


class Channel:
    """An end of the connection between supervisor and worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connected: socket.socket) -> "Channel":
        """Make the end with this socket."""
        return cls(*await asyncio.open_unix_connection(sock=connected, limit=_LONGEST))

    async def send(self, **message: object) -> None:
        """Send a message; it is dropped when the other process has ended."""
        with suppress(ConnectionError):
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield the messages of the other process until it ends."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await self._reader.readline():
                yield json.loads(line)

    def close(self) -> None:
        """Close this end, which tells the other process that no more messages will come."""
        self._writer.close()
