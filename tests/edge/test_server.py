"""The gRPC server by itself: calls that never bring their message, and errors nobody thought of."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future

import grpc
import grpc.aio
import pytest

from spanlake.config import IngestLimits
from spanlake.edge.otlp_grpc import otlp_grpc
from spanlake.edge.server import GrpcServer
from spanlake.ingest.admission import Admission
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest, Submit
from spanlake.metrics import Metrics

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def broken(tenant: str, body: bytes, format_: Format | None = None) -> "Future[Receipt]":
    raise ZeroDivisionError("a secret")


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def never() -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


async def one() -> AsyncIterator[bytes]:
    yield b"x"


def outcome(messages: AsyncIterator[bytes], submit: Submit = broken) -> tuple[grpc.StatusCode, str]:
    """How a call that sends these messages ends."""

    async def call(address: str) -> tuple[grpc.StatusCode, str]:
        async with grpc.aio.insecure_channel(address) as channel:
            export = channel.stream_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)
            try:
                await export(messages, timeout=60)
            except grpc.aio.AioRpcError as refused:
                return refused.code(), refused.details() or ""
        return grpc.StatusCode.OK, ""

    return asyncio.run(serving(submit, call))


async def serving(
    submit: Submit, call: Callable[[str], Awaitable[tuple[grpc.StatusCode, str]]]
) -> tuple[grpc.StatusCode, str]:
    limits = IngestLimits(body_seconds=0.05)
    ingest = Ingest(Admission(max_requests=9, max_bytes=999), submit, limits, Metrics())
    address = f"127.0.0.1:{free_port()}"
    server = GrpcServer([otlp_grpc(ingest).handler()], address, max_message_bytes=999)
    await server.start()
    try:
        return await call(address)
    finally:
        assert ingest.admission.bytes_in_flight == 0
        await server.stop(1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("messages", "code", "details"),
    [
        (nothing, grpc.StatusCode.INVALID_ARGUMENT, "the call ended without a message"),
        (never, grpc.StatusCode.INVALID_ARGUMENT, "the message did not arrive within 0.05 seconds"),
        (one, grpc.StatusCode.INTERNAL, "internal error"),
    ],
)
def test_calls_that_go_wrong(messages: Callable[[], AsyncIterator[bytes]], code: grpc.StatusCode, details: str) -> None:
    assert outcome(messages()) == (code, details)


def test_an_address_in_use_is_an_os_error() -> None:
    async def start(address: str) -> None:
        await GrpcServer([], address, max_message_bytes=999).start()

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError, match="bind"):
        asyncio.run(start(f"127.0.0.1:{listener.getsockname()[1]}"))
