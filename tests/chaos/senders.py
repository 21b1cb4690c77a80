"""Clients that send spans over gRPC or HTTP, each request again and again until it is acknowledged."""

import http.client
import random
import time
from collections import Counter
from collections.abc import Callable

import grpc

from spanlake.edge.errors import DETAILS
from tests.chaos.arena import Arena, Life
from tests.chaos.ledger import Ledger
from tests.chaos.spans import Sending

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# As OTLP has it; RESOURCE_EXHAUSTED only with RetryInfo.
RETRYABLE = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
}

_PATIENCE = 30  # seconds
_PAUSE = 0.02  # seconds, at most

Attempt = Callable[[Life, bytes], str | None]  # returns why not, None for success; raises Unexpected


class Unexpected(Exception):  # noqa: N818
    """An answer that no client should get."""


class Sender:
    """Client that sends spans."""

    def __init__(self, arena: Arena, ledger: Ledger, number: int) -> None:
        self.answers: Counter[str] = Counter()
        self._arena = arena
        self._ledger = ledger
        self._number = number
        self._refusals = 0
        self._sent = 0
        self._chance = random.Random(f"{ledger.world.seed} {number}")
        self._attempt: Attempt = _OverGrpc() if number % 2 else over_http

    def __call__(self) -> None:
        """Send the next request until it is acknowledged."""
        sending = Sending(self._number, self._sent)
        self._sent += 1
        body = self._ledger.world.body(sending)
        while not self._is_acknowledged(sending, body):
            time.sleep(self._chance.uniform(0, _PAUSE))
        self._ledger.acknowledges(sending)
        time.sleep(self._chance.uniform(0, _PAUSE))

    def _is_acknowledged(self, sending: Sending, body: bytes) -> bool:
        life = self._arena.life()
        self._ledger.sends(sending, life.number, self._refusals)
        try:
            refused = self._attempt(life, body)
        except Unexpected as error:
            self._ledger.violated(f"life {life.number}: a sender was told {error}")
            return False
        self.answers[refused or "acknowledged"] += 1
        self._refusals += refused is not None
        return refused is None


def over_http(life: Life, body: bytes) -> str | None:
    """Send once over HTTP."""
    try:
        answer = life.server.post_traces(body)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    if answer.status in {429, 503} and "retry-after" in answer.headers:
        return str(answer.status)
    if answer.status != 200 or answer.body:
        raise Unexpected(f"{answer.status} {answer.body[:300]!r} over HTTP")
    return None


class _OverGrpc:
    """Sends over gRPC, on one channel for each life of the server."""

    def __init__(self) -> None:
        self._life = 0
        self._channel: grpc.Channel | None = None

    def __call__(self, life: Life, body: bytes) -> str | None:
        """Send once."""
        try:
            answer = self._export(life)(body, timeout=_PATIENCE)
        except grpc.RpcError as error:
            code = error.code()
            if code in RETRYABLE and (code is not grpc.StatusCode.RESOURCE_EXHAUSTED or _says_when(error)):
                return str(code.name)
            raise Unexpected(f"{code.name} {error.details()} over gRPC") from error
        if answer:
            raise Unexpected(f"{answer!r} over gRPC")
        return None

    def _export(self, life: Life) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
        if self._channel is None or self._life != life.number:
            if self._channel is not None:
                self._channel.close()
            options = (("grpc.use_local_subchannel_pool", 1),)
            self._life, self._channel = life.number, grpc.insecure_channel(life.server.otlp_grpc, options)
        return self._channel.unary_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)


def _says_when(error: grpc.RpcError) -> bool:
    return any(item.key == DETAILS for item in error.trailing_metadata() or ())
