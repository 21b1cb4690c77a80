"""A gRPC server, its limits, and its health service."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

import grpc
import grpc.aio

from spanlake.edge.health import HealthService

_CALLS = 12 << 10
"""Calls at once, beyond which grpc answers RESOURCE_EXHAUSTED itself, without a hint to repeat.

Our own bounds hold before: 4,096 requests in flight, 1,024 that wait for their message, 1,024 refusals that are held
back, as many health checks and watches.
"""
_CONNECTION_CALLS = 1024  # of one connection at once; beyond, clients wait with their calls
_LOOKAHEAD_BYTES = 1 << 20  # of a call that may arrive before its message is read
_AGAIN_SECONDS = 0.1  # before a server that has ended is started again
_IDLE_SECONDS = 600  # without a call, after which clients are told to reconnect for their next

_log = logging.getLogger(__name__)


class GrpcServer:
    """A gRPC listener; grpc.health.v1 reports SERVING from start to stop.

    Clients are told to reconnect after ``connection_seconds``, which costs them no call: without that a client behind a
    load balancer keeps its connection, and so its server, for ever.
    """

    def __init__(
        self,
        handlers: "Sequence[grpc.GenericRpcHandler[bytes, bytes]]",
        address: str,
        *,
        max_message_bytes: int,
        connection_seconds: float | None = None,
        health: HealthService | None = None,
    ) -> None:
        self._address = address
        self._handlers = tuple(handlers)
        self._health = health or HealthService()
        self._options = _options(max_message_bytes, connection_seconds)
        self._server = self._made()
        self._is_stopping = False
        self._watching: asyncio.Task[None] | None = None  # never cancelled: that breaks the library's own stop

    def _made(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=self._options, maximum_concurrent_rpcs=_CALLS)
        server.add_generic_rpc_handlers((self._health.handler(), *self._handlers))
        return server

    async def start(self) -> None:
        """Listen; raises OSError when the address is not available."""
        await self._listen()
        self._watching = asyncio.create_task(self._watch())

    async def _listen(self) -> None:
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise OSError(str(error)) from None
        await self._server.start()

    async def _watch(self) -> None:
        """Start a new server where the library has ended one, as it does at errors in its own loop."""
        while not await self._ended():
            _log.error("gRPC server ended, started again")
            await asyncio.sleep(_AGAIN_SECONDS)
            self._server = self._made()
            await self._listen()

    async def _ended(self) -> bool:
        """Wait for the end of the server; returns True where it was asked for."""
        with suppress(Exception):  # which the library has logged
            await self._server.wait_for_termination()
        return self._is_stopping

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and wait at most ``seconds`` for the calls in progress."""
        self._is_stopping = True
        self._health.stop()
        await self._server.stop(seconds)


def _options(max_message_bytes: int, connection_seconds: float | None) -> tuple[tuple[str, int], ...]:
    return (
        # As sent. Messages are decompressed by our code, once there is room for what they become.
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.per_message_decompression", 0),
        ("grpc.max_concurrent_streams", _CONNECTION_CALLS),
        ("grpc.max_connection_idle_ms", round(1000 * _IDLE_SECONDS)),
        # A second process on the port must fail instead of taking half of the calls.
        ("grpc.so_reuseport", 0),
        *((("grpc.max_connection_age_ms", round(1000 * connection_seconds)),) if connection_seconds else ()),
        # With these, grpc lets the window of every call grow to many megabytes.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _LOOKAHEAD_BYTES),
    )
