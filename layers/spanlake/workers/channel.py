"""What supervisor and worker say to each other: JSON, a line a message, over a pair of sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

Message = dict[str, Any]

_LONGEST = 16 << 20  # bytes of a line; what a worker counts takes some ten thousand


class Channel:
    """One end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connected: socket.socket) -> "Channel":
        """The end that has this socket."""
        return cls(*await asyncio.open_unix_connection(sock=connected, limit=_LONGEST))

    async def send(self, **message: object) -> None:
        """Send a message; to nobody, when the other process has ended."""
        with suppress(ConnectionError):
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()

    async def messages(self) -> AsyncIterator[Message]:
        """What the other one says, until it has ended."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await self._reader.readline():
                yield json.loads(line)

    def close(self) -> None:
        """Let the other one know that nothing will come any more."""
        self._writer.close()
