"""The health service of a gRPC server (grpc.health.v1), which anyone may call.

The library's own keeps a place of the server for each call that sends no message, or watches, and has no bounds.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from spanlake.edge.errors import GrpcError
from spanlake.edge.messages import MOST_WAITING, WaitingCalls
from spanlake.edge.methods import Context

SERVICE = "grpc.health.v1.Health"

_MESSAGE_SECONDS = 60.0
_LONGEST_MESSAGE = 1024  # bytes; it names a service
_WATCH_SECONDS = 3600.0  # after which a watching client has to call again

_NO_MESSAGE = GrpcError(grpc.StatusCode.UNAVAILABLE, "the message did not come in time: call again")
_WRONG_MESSAGE = GrpcError(grpc.StatusCode.INVALID_ARGUMENT, "the message is not a HealthCheckRequest")
_UNKNOWN = GrpcError(grpc.StatusCode.NOT_FOUND, "the service is not known: ask for the empty name")
_WATCH_ENDED = GrpcError(grpc.StatusCode.UNAVAILABLE, "the watch has ended: call again")


class HealthService:
    """The status of one server, under the empty name: SERVING until it stops. It belongs to one event loop.

    Of many calls that wait for their message, or watch, the longest waiting is ended.
    """

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._stopping = asyncio.Event()
        self._waiting = WaitingCalls(most_waiting)
        self._watching = WaitingCalls(most_waiting)

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Return the handler to add to the server."""
        methods = {
            "Check": grpc.stream_unary_rpc_method_handler(self._check),
            "Watch": grpc.stream_stream_rpc_method_handler(self._watch),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def stop(self) -> None:
        """Answer NOT_SERVING from now on, and end what watches after it is told."""
        self._stopping.set()

    async def _check(self, _: AsyncIterator[bytes], context: Context) -> bytes:
        name = await self._name(context)
        if not isinstance(name, str):
            await _end(context, name)
        if name:
            await _end(context, _UNKNOWN)
        return self._status()

    async def _watch(self, _: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        name = await self._name(context)
        if not isinstance(name, str):
            await _end(context, name)
        yield _answer(HealthCheckResponse.SERVICE_UNKNOWN) if name else self._status()
        if await self._has_stopped() and not name:
            yield self._status()
        await _end(context, _WATCH_ENDED)

    async def _has_stopped(self) -> bool:
        """Wait until the server stops, or the watch has lasted for long or gives way to others."""
        try:
            async with self._watching.waiting(), asyncio.timeout(_WATCH_SECONDS):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _name(self, context: Context) -> str | GrpcError:
        """Return the name in a call's message, or the status that ends the call."""
        try:
            async with self._waiting.waiting(), asyncio.timeout(_MESSAGE_SECONDS):
                message = await context.read()
        except TimeoutError:
            return _NO_MESSAGE
        if not isinstance(message, bytes) or len(message) > _LONGEST_MESSAGE:
            return _WRONG_MESSAGE
        try:
            name: str = HealthCheckRequest.FromString(message).service
        except DecodeError:
            return _WRONG_MESSAGE
        return name

    def _status(self) -> bytes:
        is_stopping = self._stopping.is_set()
        return _answer(HealthCheckResponse.NOT_SERVING if is_stopping else HealthCheckResponse.SERVING)


def _answer(status: "HealthCheckResponse.ServingStatus.ValueType") -> bytes:
    answer: bytes = HealthCheckResponse(status=status).SerializeToString()
    return answer


async def _end(context: Context, error: GrpcError) -> NoReturn:
    await context.abort(error.code, error.message)
