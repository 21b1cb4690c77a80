"""Answers and logs connections to a gRPC port that grpc itself would close without explanation.

grpc's core closes connections that are not HTTP/2, and answers calls in an unknown compression with INTERNAL, in both
cases before it calls our code. Therefore clients connect to a relay, which inspects the first bytes of a connection up
to the headers of its first call, and from then on only passes bytes on.
"""

import asyncio
import os
import secrets
import shutil
import socket
import ssl
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

from spanlake.edge import http2
from spanlake.edge.connections import ConnectionLimit, SteadyTransport
from spanlake.edge.inflow import Arrive, CountedInflow
from spanlake.ingest.misdirected import TLS_ADVICE, MisdirectionLog, Notice

_TLS_HANDSHAKE = b"\x16\x03"  # RFC 8446, 5.1: type and version of a first record
_BACKLOG = 2048  # connections waiting to be accepted
_HELD_BYTES = 256 << 10  # buffered for one side before reading from the other pauses
_PREFACE_SECONDS = 20.0  # limit for a client to send the HTTP/2 preface
_LINGER_SECONDS = 2.0  # limit for a client to finish sending and read the answer
_DESCRIPTORS = 3  # of a connection: the client's, and both ends of the one behind it
_PAUSE_SECONDS = 0.02  # before room for more of a message is looked for again


@dataclass(frozen=True, slots=True)
class GrpcProxy:
    """The port, the advice and the log for clients that speak another protocol."""

    port: int
    advice: str  # lists the protocol on each port
    notices: MisdirectionLog
    arrive: Arrive
    places: ConnectionLimit


class _Connections:
    """Open connections: those of clients, which have a place each, and those to the server behind."""

    def __init__(self, places: ConnectionLimit) -> None:
        self._places = places
        self._addresses: dict[asyncio.BaseTransport, str | None] = {}

    def __iter__(self) -> Iterator[asyncio.BaseTransport]:
        return iter(self._addresses)

    def enter(self, client: asyncio.BaseTransport) -> bool:
        """Add a client's connection; returns False when there is no place for it."""
        address = str((client.get_extra_info("peername") or [""])[0])
        if not self._places.enter(address, _DESCRIPTORS):
            return False
        self._addresses[client] = address
        return True

    def add(self, behind: asyncio.BaseTransport) -> None:
        """Add a connection to the server behind."""
        self._addresses[behind] = None

    def discard(self, transport: asyncio.BaseTransport) -> None:
        """Remove a connection that ends, if it is there."""
        address = self._addresses.pop(transport, None)
        if address is not None:
            self._places.leave(address, _DESCRIPTORS)


class ProxyServer:
    """A listener for clients, which passes their bytes to a server on a Unix socket."""

    def __init__(self, front: GrpcProxy, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._front = front
        self._behind = _UnixSocket()
        self._connections: _Connections = _Connections(front.places)
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """The address where the gRPC server has to listen, in grpc's notation."""
        return self._behind.address

    async def start(self, listener: socket.socket) -> None:
        """Take connections to a socket; the gRPC server listens already."""
        loop = asyncio.get_running_loop()
        made = partial(_PendingConnection, self._front, self._behind, self._connections)
        self._server = await loop.create_server(made, sock=listener, backlog=_BACKLOG, ssl=self._tls)

    def stop_listening(self) -> None:
        """Take no new connections."""
        if self._server is not None:
            self._server.close()

    def close(self) -> None:
        """Close all connections, and remove the Unix socket."""
        for transport in list(self._connections):
            transport.close()
        self._behind.remove()


class _UnixSocket:
    """The name of a Unix socket. On Linux it is abstract, since the file system may be read-only."""

    def __init__(self) -> None:
        name = f"spanlake-{os.getpid()}-{secrets.token_hex(8)}"
        self._folder = None if sys.platform == "linux" else tempfile.mkdtemp(prefix="spanlake-")
        self._path = f"\0{name}" if self._folder is None else f"{self._folder}/{name}"
        self.address = f"unix-abstract:{name}" if self._folder is None else f"unix:{self._path}"

    def connected(self) -> socket.socket:
        """Connect; raises OSError, also when the server's backlog is full."""
        client = socket.socket(socket.AF_UNIX)
        try:
            client.setblocking(False)
            client.connect(self._path)
        except OSError:
            client.close()
            raise
        return client

    def remove(self) -> None:
        """Remove the socket from the file system, if it is there."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class _Relay(asyncio.Protocol):
    """A protocol that passes bytes of one side to the other, no faster than the other takes them."""

    def __init__(self, other: asyncio.Transport, connections: _Connections) -> None:
        self._other = other
        self._connections = connections
        self.data_received = SteadyTransport(other).write  # type: ignore[method-assign]  # a call less for each chunk

    def pause_writing(self) -> None:
        if not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self._connections.discard(self._other)
        self._other.close()


class _CountingRelay(_Relay):
    """A relay of a client's bytes to the server, which counts what has come of incomplete messages.

    While there is no room for more nothing is read from the client.
    """

    def __init__(
        self,
        client: asyncio.Transport,
        behind: asyncio.Transport,
        inflow: CountedInflow,
        connections: _Connections,
        front: GrpcProxy,
    ) -> None:
        super().__init__(behind, connections)
        self._client = client
        self._front = front
        self._inflow = inflow
        self._waiting: asyncio.TimerHandle | None = None
        self.data_received = self._count  # type: ignore[method-assign]

    def connection_lost(self, error: Exception | None) -> None:
        self._inflow.close()
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(error)

    def _count(self, data: bytes) -> None:
        has_room = self._inflow.feed(data)
        if self._inflow.is_refused:
            self._front.notices.note(self._front.port, Notice.MALFORMED_HEAD)
            self._client.abort()
            return
        self._other.write(data)
        if not has_room:
            self._client.pause_reading()
            if self._waiting is None:
                self._wait()
        elif self._inflow.is_excessive:
            self._client.abort()

    def _wait(self) -> None:
        self._waiting = asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._waiting = None
        if self._client.is_closing():
            return
        if self._inflow.is_excessive:
            self._client.abort()
        elif self._inflow.settle():
            self._client.resume_reading()
        else:
            self._wait()


class _PendingConnection(asyncio.Protocol):
    """A connection from a client whose protocol is not known yet."""

    def __init__(self, front: GrpcProxy, server: _UnixSocket, connections: _Connections) -> None:
        self._front = front
        self._server = server
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._held = bytearray()  # bytes that the gRPC server does not have yet
        self._inflow: CountedInflow | None = None
        self._behind: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._patience: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._patience = self._loop.call_later(_PREFACE_SECONDS, transport.close)
        self._transport.set_write_buffer_limits(_HELD_BYTES)
        if not self._connections.enter(transport):
            self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._patience.cancel()
        self._connections.discard(self._transport)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._behind is not None:
            self._behind.close()
        if self._inflow is not None:
            self._inflow.close()

    def data_received(self, data: bytes) -> None:
        self._held += data
        if self._behind is not None and self._inflow is not None:
            self._look(self._behind, self._inflow)
        elif not http2.PREFACE.startswith(self._held[: len(http2.PREFACE)]):
            self._refuse_protocol()
        elif len(self._held) >= len(http2.PREFACE) and self._connecting is None:
            self._patience.cancel()
            self._transport.pause_reading()
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            made = partial(_Relay, self._transport, self._connections)
            behind, _ = await self._loop.create_unix_connection(made, sock=self._server.connected())
        except OSError:  # the server has stopped, or its backlog is full
            self._transport.close()
            return
        behind.set_write_buffer_limits(_HELD_BYTES)
        self._connections.add(behind)
        self._behind = behind
        self._inflow = CountedInflow(
            self._front.arrive(partial(self._loop.call_soon_threadsafe, self._transport.abort))
        )
        behind.write(bytes(self._held[: len(http2.PREFACE)]))
        del self._held[: len(http2.PREFACE)]
        self._look(behind, self._inflow)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _look(self, behind: asyncio.Transport, inflow: CountedInflow) -> None:
        """Pass on bytes up to the first call, and all that follow once the call is accepted."""
        end, block = http2.first_headers(self._held)
        if block is not None and (coding := http2.unknown_encoding(block)):
            self._refuse_encoding(behind, coding, end)
            return
        is_known = block is not None or len(self._held) > http2.LARGEST_FRAME
        size = len(self._held) if is_known else end
        passed = bytes(self._held[:size])
        del self._held[:size]
        if not is_known:
            inflow.feed(passed)
            behind.write(passed)
            return
        relay = _CountingRelay(self._transport, behind, inflow, self._connections, self._front)
        self._transport.set_protocol(relay)
        relay.data_received(passed)

    def _refuse_encoding(self, behind: asyncio.Transport, coding: str, start: int) -> None:
        reason = f"grpc-encoding {coding} is not supported: use gzip, deflate or none"
        self._front.notices.note(self._front.port, Notice.UNKNOWN_COMPRESSION, reason=reason)
        if self._inflow is not None:
            self._inflow.close()
        behind.set_protocol(asyncio.Protocol())  # the end of the server's connection is not the client's
        behind.close()
        self._connections.discard(behind)
        lost = partial(self._connections.discard, self._transport)
        refusing = http2.Refusing(self._transport, reason, lost)
        self._transport.set_protocol(refusing)
        refusing.data_received(bytes(self._held[start:]))

    def _refuse_protocol(self) -> None:
        note, port = self._front.notices.note, self._front.port
        if self._held.startswith(_TLS_HANDSHAKE):
            note(port, Notice.TLS, reason=TLS_ADVICE)
            self._transport.close()
            return
        note(port, Notice.NOT_GRPC, reason=self._front.advice)
        self._transport.write(_http_refusal(f"this port speaks gRPC: {self._front.advice}\n"))
        if self._transport.can_write_eof():  # TLS cannot close one side
            self._transport.write_eof()
        self._patience.cancel()
        self._transport.set_protocol(_Discarding(self._transport, self._connections))


class _Discarding(asyncio.Protocol):
    """A protocol that discards what a client still sends, for a while, so that the client can read its answer."""

    def __init__(self, transport: asyncio.Transport, connections: _Connections) -> None:
        self._transport = transport
        self._connections = connections
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, transport.close)

    def connection_lost(self, _: Exception | None) -> None:
        self._connections.discard(self._transport)


def _http_refusal(text: str) -> bytes:
    head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(text.encode())}\r\n\r\n{text}".encode()
