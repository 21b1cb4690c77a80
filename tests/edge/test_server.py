"""The gRPC server by itself: calls that never bring their message, and errors nobody thought of."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import grpc
import grpc.aio
import pytest

from spanlake.edge.server import GrpcServer
from spanlake.edge.services import otlp_grpc
from spanlake.ingest.admission import Admission
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest, Submit
from spanlake.settings.model import IngestLimits
from spanlake.telemetry.prometheus import Metrics

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
    """Returns the status and the text that end a call with these messages."""

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
        (never, grpc.StatusCode.UNAVAILABLE, "the request did not arrive within 0.05 seconds: send it again"),
        (one, grpc.StatusCode.INTERNAL, "internal error"),
    ],
)
def test_failed_call_ends_with_its_status(
    messages: Callable[[], AsyncIterator[bytes]], code: grpc.StatusCode, details: str
) -> None:
    assert outcome(messages()) == (code, details)


def test_old_connections_end_without_failing_calls() -> None:
    peers: set[str] = set()

    async def echo(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        peers.add(context.peer())
        await asyncio.sleep(0.01)
        return body

    async def call_until_there_were(number: int) -> None:
        address = f"127.0.0.1:{free_port()}"
        handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
        echoing = GrpcServer(
            [grpc.method_handlers_generic_handler("Tests", handlers)],
            address,
            max_message_bytes=999,
            connection_seconds=0.2,
        )
        await echoing.start()
        async with grpc.aio.insecure_channel(address) as channel:
            method = channel.unary_unary("/Tests/Echo", request_serializer=bytes, response_deserializer=bytes)
            while len(peers) < number:
                assert await asyncio.gather(*(method(b"x", timeout=60) for _ in range(10))) == [b"x"] * 10
        await echoing.stop(1)

    asyncio.run(call_until_there_were(5))


def test_server_on_address_in_use_raises_os_error() -> None:
    async def start(address: str) -> None:
        await GrpcServer([], address, max_message_bytes=999).start()

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError, match="bind"):
        asyncio.run(start(f"127.0.0.1:{listener.getsockname()[1]}"))


def test_server_that_the_library_ends_is_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ended by its own stop: the errors that end it may take the process with them."""
    made: list[grpc.aio.Server] = []
    make = grpc.aio.server

    def recorded(**options: Any) -> grpc.aio.Server:
        made.append(make(**options))
        return made[-1]

    async def call(address: str) -> tuple[grpc.StatusCode, str]:
        await made[0].stop(None)
        soon = [(f"grpc.{name}_reconnect_backoff_ms", 100) for name in ("initial", "min", "max")]
        async with grpc.aio.insecure_channel(address, options=soon) as channel:
            export = channel.unary_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)
            try:
                await export(b"", wait_for_ready=True, timeout=60)
            except grpc.aio.AioRpcError as refused:
                return refused.code(), refused.details() or ""
        return grpc.StatusCode.OK, ""

    monkeypatch.setattr(grpc.aio, "server", recorded)
    code, _ = asyncio.run(serving(broken, call))
    assert code is grpc.StatusCode.INTERNAL  # as of every call with this handler
    assert len(made) == 2
    assert "gRPC server ended, started again" in [record.getMessage() for record in caplog.records]
