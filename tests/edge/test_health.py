"""The health service: its answers, and calls that would keep places of the server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from spanlake.edge.health import HealthService
from spanlake.edge.server import GrpcServer

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
T = TypeVar("T")


def served(
    path: Path, use: Callable[[grpc.aio.Channel, GrpcServer], Awaitable[T]], health: HealthService | None = None
) -> T:
    """Use a server without other services."""

    async def run() -> T:
        server = GrpcServer([], f"unix:{path}", max_message_bytes=1 << 20, health=health)
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
                return await asyncio.wait_for(use(channel, server), 60)
        finally:
            await server.stop(0)

    return asyncio.run(run())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def check(channel: grpc.aio.Channel, name: str = "") -> Awaitable[HealthCheckResponse]:
    called = channel.unary_unary(
        CHECK,
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return called(HealthCheckRequest(service=name), timeout=30)


def watch(
    channel: grpc.aio.Channel, name: str = ""
) -> "grpc.aio.UnaryStreamCall[HealthCheckRequest, HealthCheckResponse]":
    called = channel.unary_stream(
        WATCH,
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return called(HealthCheckRequest(service=name), timeout=30)


async def next_status(call: "grpc.aio.UnaryStreamCall[HealthCheckRequest, HealthCheckResponse]") -> int:
    answer = await call.read()
    assert isinstance(answer, HealthCheckResponse)
    return int(answer.status)


async def never() -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


def silent(channel: grpc.aio.Channel) -> "grpc.aio.StreamUnaryCall[bytes, bytes]":
    return channel.stream_unary(CHECK, request_serializer=bytes, response_deserializer=bytes)(never())


async def first_code(calls: Sequence[grpc.aio.Call]) -> grpc.StatusCode:
    """Return the status of the call that ends first."""
    codes = [asyncio.ensure_future(call.code()) for call in calls]
    (first, *_), _ = await asyncio.wait(codes, return_when=asyncio.FIRST_COMPLETED)
    code: grpc.StatusCode = first.result()
    return code


def test_check_answers_for_the_server_alone(path: Path) -> None:
    async def use(channel: grpc.aio.Channel, _: GrpcServer) -> tuple[int, grpc.StatusCode]:
        status = (await check(channel)).status
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await check(channel, "another")
        return status, refused.value.code()

    assert served(path, use) == (HealthCheckResponse.SERVING, grpc.StatusCode.NOT_FOUND)


@pytest.mark.parametrize("message", [b"\xff\xff", b"\x0a\x83\x10" + bytes(2051)])
def test_check_refuses_other_messages(path: Path, message: bytes) -> None:
    async def use(channel: grpc.aio.Channel, _: GrpcServer) -> grpc.StatusCode:
        call = channel.unary_unary(CHECK, request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(message, timeout=30)
        return refused.value.code()

    assert served(path, use) is grpc.StatusCode.INVALID_ARGUMENT


def test_watch_tells_of_the_stop_and_ends(path: Path) -> None:
    async def use(channel: grpc.aio.Channel, server: GrpcServer) -> list[int]:
        call = watch(channel)
        seen = [await next_status(call)]
        stopping = asyncio.create_task(server.stop(30))
        seen.append(await next_status(call))
        await stopping
        return seen

    assert served(path, use) == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]


def test_silent_checks_and_watches_give_way_to_others(path: Path) -> None:
    async def use(channel: grpc.aio.Channel, _: GrpcServer) -> tuple[list[grpc.StatusCode], int]:
        checks = [silent(channel), silent(channel), silent(channel)]
        ended = [await first_code(checks)]
        watches: list[grpc.aio.UnaryStreamCall[HealthCheckRequest, HealthCheckResponse]] = []
        while len(watches) < 3:
            watches.append(watch(channel))
            await watches[-1].read()
        ended.append(await first_code(watches))
        status = (await check(channel)).status
        for call in (*checks, *watches):
            call.cancel()
        return ended, status

    unavailable = grpc.StatusCode.UNAVAILABLE
    assert served(path, use, HealthService(most_waiting=2)) == ([unavailable] * 2, HealthCheckResponse.SERVING)
