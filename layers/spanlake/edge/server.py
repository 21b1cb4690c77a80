"""A gRPC server, its limits, and its health service."""

from collections.abc import Sequence

import grpc
import grpc.aio
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

_CALLS = 4096  # at once; beyond, grpc answers RESOURCE_EXHAUSTED itself
_CONNECTION_CALLS = 1024  # of one connection at once; beyond, clients wait with their calls
_LOOKAHEAD_BYTES = 1 << 20  # of a call that may arrive before its message is read
_IDLE_SECONDS = 600  # without a call, after which clients are told to reconnect for their next


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
    ) -> None:
        self._address = address
        self._health = health.HealthServicer()
        self._server = grpc.aio.server(
            options=(
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
            ),
            maximum_concurrent_rpcs=_CALLS,
        )
        self._server.add_generic_rpc_handlers(tuple(handlers))
        add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> None:
        """Listen; raises OSError when the address is not available."""
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise OSError(str(error)) from None
        await self._health.set("", HealthCheckResponse.SERVING)
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and wait at most ``seconds`` for the calls in progress."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(seconds)
