"""Clients that send spans over gRPC or HTTP, each request again and again until it is acknowledged."""

import gzip
import http.client
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import grpc

from spanlake.edge.errors import DETAILS
from tests.scenarios.chaos.arena import Arena, Life
from tests.scenarios.chaos.encodings import in_jaegers_protobuf, in_json
from tests.scenarios.chaos.ledger import Ledger
from tests.scenarios.chaos.spans import Sending

POST_SPANS = "/jaeger.api_v2.CollectorService/PostSpans"
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
PAUSE = 0.02  # seconds, at most

Attempt = Callable[[Life, bytes], str | None]  # returns why not, None for success; raises Unexpected
Way = Callable[[], Attempt]  # makes what one sender sends by
Encode = Callable[[bytes], bytes]  # of an ExportTraceServiceRequest


class Unexpected(Exception):  # noqa: N818
    """An answer that no client should get."""


class Sender:
    """Client that sends spans."""

    def __init__(
        self, arena: Arena, ledger: Ledger, number: int, ways: "Sequence[Way] | None" = None, pause: float = PAUSE
    ) -> None:
        self.answers: Counter[str] = Counter()
        ways = ways or TWO_WAYS
        self._arena = arena
        self._ledger = ledger
        self._number = number
        self._refusals = 0
        self._sent = 0
        self._chance = random.Random(f"{ledger.world.seed} {number}")
        self._pause = pause
        self._attempt = ways[number % len(ways)]()

    def __call__(self) -> None:
        """Send the next request until it is acknowledged."""
        sending = Sending(self._number, self._sent)
        self._sent += 1
        body = self._ledger.world.body(sending)
        while not self._is_acknowledged(sending, body):
            time.sleep(self._chance.uniform(0, self._pause))
        self._ledger.acknowledges(sending)
        time.sleep(self._chance.uniform(0, self._pause))

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


def over_http(
    life: Life, body: bytes, content_type: str = "application/x-protobuf", headers: Mapping[str, str] | None = None
) -> str | None:
    """Send once over HTTP."""
    try:
        answer = life.server.post_traces(body, content_type, headers)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    if answer.status in {429, 503} and "retry-after" in answer.headers:
        return str(answer.status)
    if answer.status != 200 or answer.body not in {b"", b"{}"}:
        raise Unexpected(f"{answer.status} {answer.body[:300]!r} over HTTP")
    return None


def over_http_compressed(life: Life, body: bytes) -> str | None:
    """Send once over HTTP, with gzip."""
    return over_http(life, gzip.compress(body, mtime=0), headers={"Content-Encoding": "gzip"})


def over_http_in_json(life: Life, body: bytes) -> str | None:
    """Send once over HTTP, as OTLP JSON."""
    return over_http(life, in_json(body), "application/json")


class _OverGrpc:
    """Sends over gRPC, on one channel for each life of the server."""

    def __init__(self, method: str = EXPORT, port: int = 4317, encoded: Encode = bytes) -> None:
        self._method = method
        self._port = port
        self._encoded = encoded
        self._life = 0
        self._channel: grpc.Channel | None = None

    def __call__(self, life: Life, body: bytes) -> str | None:
        """Send once."""
        try:
            answer = self._export(life)(self._encoded(body), timeout=_PATIENCE)
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
            address = f"127.0.0.1:{self._port + life.server.offset}"
            self._life, self._channel = life.number, grpc.insecure_channel(address, options)
        return self._channel.unary_unary(self._method, request_serializer=bytes, response_deserializer=bytes)


def _says_when(error: grpc.RpcError) -> bool:
    return any(item.key == DETAILS for item in error.trailing_metadata() or ())


TWO_WAYS: Sequence[Way] = (lambda: over_http, _OverGrpc)
EVERY_WAY: Sequence[Way] = (
    lambda: over_http,
    _OverGrpc,
    lambda: over_http_compressed,
    lambda: over_http_in_json,
    lambda: _OverGrpc(POST_SPANS, 14250, in_jaegers_protobuf),
)
