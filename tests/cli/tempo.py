"""A server that gives prepared answers: what a Tempo may say, and what none should."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case


@dataclass
class Tempo:
    """Stand-in for a server: its next answer, and the requests it received."""

    url: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    asked: list[Asked] = field(default_factory=list)

    def answers(self, body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with bytes as they are, and with anything else in JSON."""
        self.status, self.headers = status, headers or {}
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answers_trace(self, trace: TracesData | None, note: str = "") -> None:
        """Answer with tempopb.TraceByIDResponse."""
        self.answers(trace_answer(trace, note))

    @property
    def last(self) -> Asked:
        """The last request."""
        return self.asked[-1]


def trace_answer(trace: TracesData | None, note: str = "") -> bytes:
    """tempopb.TraceByIDResponse with all its fields: the trace, metrics, the status and a message."""
    message = b"\x18\x01\x22" + _sized(note.encode()) if note else b""
    return (b"\x0a" + _sized(trace.SerializeToString()) if trace else b"") + b"\x12\x02\x08\x07" + message


def _sized(data: bytes) -> bytes:
    size, length = len(data), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*length, size]) + data


@contextmanager
def serving() -> Iterator[Tempo]:
    """A server on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    tempo = _Handler.tempo = Tempo(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield tempo
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    tempo: Tempo

    def do_GET(self) -> None:
        tempo, parts = self.tempo, urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        tempo.asked.append(Asked(parts.path, dict(parse_qsl(parts.query)), headers))
        self.send_response(tempo.status)
        for name, value in {"Content-Length": str(len(tempo.body)), **tempo.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(tempo.body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
