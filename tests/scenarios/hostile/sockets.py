"""Raw bytes at every port of a running server as fuzzed input: it stays, answers no 5xx but 503, and logs no error."""

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from spanlake.server import ports
from spanlake.server.ports import Port
from tests.scenarios.hostile.targets import Fuzzed, recorded, resident
from tests.server_process import SpanlakeServer

_PATIENCE = 5.0  # seconds for which an answer is waited for, after the other half of the connection was closed
_SHORT = 20_000  # bytes of a sample
_FRAME = 16_384  # bytes, the largest that a peer takes unless it says otherwise
_ERROR = re.compile(rb'"level": "(error|critical)"')
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_METHODS = {
    ports.OTLP_GRPC: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    ports.JAEGER_GRPC: "/jaeger.api_v2.CollectorService/PostSpans",
    ports.OPENCENSUS_GRPC: "/opencensus.proto.agent.trace.v1.TraceService/Export",
}
_PATHS = {
    ports.OTLP_HTTP: ("otlp-proto", "/v1/traces", "application/x-protobuf"),
    ports.JAEGER_HTTP: ("jaeger-http", "/api/traces", "application/x-thrift"),
    ports.ZIPKIN: ("zipkin-v2-json", "/api/v2/spans", "application/json"),
}
_FORMATS = {
    ports.OTLP_GRPC: "otlp-proto",
    ports.JAEGER_GRPC: "jaeger-grpc",
    ports.OPENCENSUS_GRPC: "opencensus",
    ports.JAEGER_COMPACT: "jaeger-compact",
    ports.JAEGER_BINARY: "jaeger-binary",
}
_QUESTIONS = (
    b"GET /api/search?q=%7B%7D&limit=3 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n",
    b"GET /api/metrics/query_range?q=%7B%7D%7Crate()&since=1h&step=60s HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /status HTTP/1.1\r\nHost: localhost\r\nX-Scope-OrgID: a|b\r\nAuthorization: Basic YTpi\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\nRange: bytes=0-9\r\n\r\n",
    b"GET /sampling?service=shop HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS /v1/traces HTTP/1.1\r\nHost: localhost\r\nOrigin: https://page.example\r\n\r\n",
)


class Watched:
    """A running server, which is looked at after every input."""

    def __init__(self, server: SpanlakeServer) -> None:
        self._server = server
        self._read = server.log_path.stat().st_size

    def send(self, number: int, body: bytes) -> None:
        """Send bytes to a TCP port, and read what it answers."""
        answer = _exchanged(number, body)
        refused = [status for status in _statuses(answer) if status.startswith(b"5") and status != b"503"]
        assert not refused, answer[:300]
        self._check()

    def send_datagram(self, number: int, body: bytes) -> None:
        """Send bytes to a UDP port."""
        with socket.socket(type=socket.SOCK_DGRAM) as sender, suppress(OSError):  # beyond the size of datagrams
            sender.sendto(body, ("127.0.0.1", number))
        self._check()

    def _check(self) -> None:
        assert self._server.status is None, f"exit status {self._server.status}: {self._server.log()[-600:]}"
        with self._server.log_path.open("rb") as log:
            log.seek(self._read)
            lines, _, _ = log.read().rpartition(b"\n")  # the last may not be whole yet
        self._read += len(lines)
        errors = [line[-1500:] for line in lines.splitlines() if _ERROR.search(line)]
        assert not errors, errors[0]

    def seconds(self) -> float:
        """Return the processor time that the server has used."""
        fields = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        """Return the bytes of memory that the server has, once it has answered a probe."""
        assert self._server.get("/ready").status == 200
        return resident(self._server.pid)


def _exchanged(number: int, body: bytes) -> bytes:
    """Send bytes, close this side of the connection, and return all that comes."""
    pieces = []
    with (
        socket.create_connection(("127.0.0.1", number), _PATIENCE) as connection,
        suppress(OSError),  # a server may refuse what it has seen half of
    ):
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def _statuses(answer: bytes) -> list[bytes]:
    return re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answer, re.MULTILINE)


def _uploads(port: Port, payloads: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    """Return requests to store spans at a port, and others."""
    if port in _METHODS:
        return [grpc_call(_METHODS[port].encode(), body) for body in payloads[_FORMATS[port]]]
    if port in ports.UDP:
        return list(payloads[_FORMATS[port]])
    if port not in _PATHS:
        return list(_QUESTIONS)
    name, path, media_type = _PATHS[port]
    return [*_QUESTIONS, *(_post(path, media_type, body) for body in payloads[name])]


def _post(path: str, media_type: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def grpc_call(method: bytes, body: bytes) -> bytes:
    """Return the bytes of a client that makes one call over gRPC."""
    headers = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": method,
        b":authority": b"localhost",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
    }
    block = b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in headers.items())
    pieces = _cut(b"\0" + len(body).to_bytes(4) + body)
    frames = (_frame(4, 0, 0, b""), _frame(1, 4, 1, block), *(_frame(0, 0, 1, piece) for piece in pieces))
    return b"".join((_PREFACE, *frames, _frame(0, 1, 1, b"")))


def _cut(message: bytes) -> Iterator[bytes]:
    """Yield the parts of a message that fit into frames."""
    yield from (message[at : at + _FRAME] for at in range(0, len(message), _FRAME))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def targets(server: SpanlakeServer) -> Mapping[str, Fuzzed]:
    """Return every port of a server as a target, by its name."""
    watched, found = Watched(server), dict[str, Fuzzed]()
    payloads = {name: [body for body in samples if len(body) < _SHORT] for name, samples in recorded().items()}
    for port in ports.ALL:
        if port in ports.OFF:
            continue
        send = watched.send_datagram if port in ports.UDP else watched.send
        run = partial(send, port.port + server.offset)
        found[f"port {port.name}"] = Fuzzed(run, _uploads(port, payloads), watched.seconds, watched.resident)
    return found


@contextmanager
def running(data: Path) -> Iterator[Mapping[str, Fuzzed]]:
    """Yield the ports of a server of their own."""
    server = SpanlakeServer(data)
    try:
        yield targets(server.wait_until_ready())
    finally:
        server.stop()
