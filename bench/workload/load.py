"""Sends request bodies to a server, from a process of its own so that its work is not the server's."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bench.workload.generate import bodies

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_LARGEST = 64 << 20
_TIMEOUT = 120.0

Connection = Callable[[bytes], bytes]
"""Sends a body and returns the body of the answer."""
Protocol = Callable[[int], Connection]
"""Opens a connection to a port."""


@dataclass(frozen=True)
class Sent:
    """Requests and bytes sent, and the seconds that it took."""

    requests: int
    size: int
    seconds: float


def send(file: Path, protocol: Protocol, port: int, connections: int) -> Sent:
    """Sends all bodies of the file and waits for their answers.

    Raises RuntimeError when the server refuses a request or rejects a span.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_send, file, protocol, port, connections).result()


def http_connection(port: int) -> Connection:
    """A kept-alive connection for OTLP over HTTP."""
    return partial(_post, http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT))


def grpc_connection(port: int) -> Connection:
    """A channel, with a connection of its own, for OTLP over gRPC."""
    import grpc

    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", _LARGEST)]
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
    call = channel.unary_unary(_EXPORT, request_serializer=None, response_deserializer=None)
    return lambda body: bytes(call(body, timeout=_TIMEOUT))


def _post(connection: http.client.HTTPConnection, body: bytes) -> bytes:
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
    response = connection.getresponse()
    answer = response.read()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"the server refused a request: {response.status} {answer[:500]!r}")
    return answer


def _send(file: Path, protocol: Protocol, port: int, connections: int) -> Sent:
    queue = _Queue(bodies(file))
    opened = [protocol(port) for _ in range(connections)]
    begin = time.perf_counter()
    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(queue.drain, opened))
    return Sent(queue.requests, queue.size, time.perf_counter() - begin)


class _Queue:
    """The bodies, each taken by one thread."""

    def __init__(self, waiting: Iterator[bytes]) -> None:
        self._waiting = waiting
        self._lock = threading.Lock()
        self.requests = self.size = 0

    def drain(self, connection: Connection) -> None:
        """Sends over this connection until no bodies are left."""
        while (body := self._take()) is not None:
            answer = ExportTraceServiceResponse.FromString(connection(body))
            if answer.partial_success.rejected_spans:
                raise RuntimeError(f"the server rejected spans: {answer.partial_success.error_message}")

    def _take(self) -> bytes | None:
        with self._lock:
            body = next(self._waiting, None)
            if body is not None:
                self.requests += 1
                self.size += len(body)
            return body
