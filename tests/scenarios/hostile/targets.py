"""Targets of fuzzed input: every decoder, TraceQL, parameters of requests, and the protocols on the wire.

A target takes bytes, and raises nothing: what clients may send is refused with the errors that clients are told of.
"""

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pyarrow as pa
from starlette.types import ASGIApp, Message
from uvicorn.config import Config
from uvicorn.server import ServerState

from spanlake.api.app import create_app
from spanlake.api.ingest.bodies import decompress
from spanlake.api.ingest.decompression import DECOMPRESSORS
from spanlake.api.ingest.errors import BodyError
from spanlake.api.openapi import openapi_routes
from spanlake.api.tempo.dependencies import ALL_ERRORS, parsed
from spanlake.api.tempo.routes import tempo_routes
from spanlake.edge import http2
from spanlake.edge.connections import ConnectionLimit
from spanlake.edge.inflow import Inflow
from spanlake.ingest.admission import Admission
from spanlake.ingest.errors import Overloaded
from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.ingest.pipeline import to_otlp
from spanlake.ingest.request import Request
from spanlake.receivers.detection import description
from spanlake.receivers.opencensus.translate import Stream
from spanlake.server.http_protocol import ConnectionBounds, HttpProtocol, Misdirected
from spanlake.spans.otlp.decode import decode
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.validate import validate
from spanlake.traceql import validate as validate_query
from spanlake.traceql.errors import TraceQLError
from spanlake.traceql.parser.lenient import filters
from tests.query.kit import At, Lake
from tests.recorded import FOLDER, answers, bodies
from tests.scenarios.hostile.formats import FORMATS

Target = Callable[[bytes], None]

_RECORDED = {
    "jaeger-thrift-http": "jaeger-http",
    "jaeger-thrift-binary-udp": "jaeger-binary",
    "jaeger-thrift-compact-udp": "jaeger-compact",
    "opencensus-grpc": "opencensus",
}


@dataclass(frozen=True)
class Fuzzed:
    """A target, and real input for it."""

    run: Target
    samples: Sequence[bytes]


def recorded() -> Mapping[str, list[bytes]]:
    """Return the recorded payloads of each format."""
    found: dict[str, list[bytes]] = {name: [] for name in FORMATS}
    with gzip.open(FOLDER / "protocols" / "cases.jsonl.gz", "rt") as lines:
        for case in map(json.loads, lines):
            payloads = case["payload"] if isinstance(case["payload"], list) else [case["payload"]]
            name = _RECORDED.get(case["protocol"], case["protocol"])
            found[name] += [base64.b64decode(payload) for payload in payloads]
    otlp = [body for body in bodies() if len(body) < 20_000][:40]
    found["otlp-proto"] = otlp
    found["otlp-json"] = [_otlp_json(body) for body in otlp[:20]]
    return found


def _otlp_json(body: bytes) -> bytes:
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return json.dumps(MessageToDict(ExportTraceServiceRequest.FromString(body))).encode()


def decode_format(name: str, body: bytes) -> None:
    """Read a request as ingest does."""
    description(body, "application/x-protobuf")
    (request,) = to_otlp([Request.of(body, FORMATS[name])])
    if isinstance(request, Exception):
        if not isinstance(request, MalformedRequest):
            raise request
        return
    try:
        found = validate(decode([request.body]), oldest_ns=None, newest_ns=2**62)
    except MalformedRequest:
        return
    found.table.validate(full=True)


def decompress_coding(name: str, body: bytes) -> None:
    """Decompress a body as the receivers over HTTP do."""
    with Admission(max_requests=1, max_bytes=8 << 20).admit() as place:
        place.reserve(len(body))
        try:
            decompress(body, DECOMPRESSORS[name], place, limit=4 << 20)
        except (BodyError, Overloaded):
            return


def query_text(body: bytes) -> None:
    """Parse a query, and what a half-typed query would filter by."""
    text = body.decode(errors="replace")
    filters(text)
    try:
        validate_query(parsed(text))
    except TraceQLError:
        return


def frames(body: bytes) -> None:
    """Follow the frames of a gRPC connection."""
    inflow = Inflow()
    for at in range(0, len(body), 1000):
        inflow.feed(body[at : at + 1000])
    assert 0 <= inflow.held <= len(body)
    _, block = http2.first_headers(body)
    if block is not None:
        http2.unknown_encoding(block)


def census_stream(body: bytes) -> None:
    """Complete the requests of a stream of OpenCensus."""
    stream = Stream()
    for at in range(0, len(body), 200):
        try:
            stream.complete(body[at : at + 200])
        except MalformedRequest:
            return


class Api:
    """The API over a few spans: every answer is below 500."""

    def __init__(self, lake: Lake) -> None:
        routes = tempo_routes(lake.querier)
        self._app: ASGIApp = create_app((*routes, *openapi_routes(routes)), ALL_ERRORS)
        self._runner = asyncio.Runner()

    def __call__(self, body: bytes) -> None:
        """Ask with a request target, such as ``/api/search?q={}``."""
        target = bytes(byte for byte in body if byte > 32)
        path, _, query = (b"/" + target.lstrip(b"/")).partition(b"?")
        status = self._runner.run(self._status(path, query))
        assert status < 500, (status, path, query)

    async def _status(self, path: bytes, query: bytes) -> int:
        from urllib.parse import unquote

        sent: list[Message] = []

        async def receive() -> Message:
            if len(received) < 1:
                received.append(None)
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.sleep(3600)
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        received: list[None] = []
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "root_path": "",
            "query_string": query,
            "headers": [],
            "state": {},
        }
        await self._app(scope, receive, send)
        return int(sent[0]["status"])

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()


class Connection:
    """A connection to the HTTP server, over which bytes come in pieces."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __call__(self, body: bytes) -> None:
        """Send bytes."""
        self._runner.run(self._send(body))

    async def _send(self, body: bytes) -> None:
        async def app(_: object, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
            while (await receive()).get("more_body"):
                continue
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

        config = Config(app, log_config=None, access_log=False, ws="none", lifespan="off")
        bounds = ConnectionBounds(ConnectionLimit(100))
        kind = type("Protocol", (HttpProtocol,), {"misdirected": Misdirected(MisdirectionLog()), "bounds": bounds})
        protocol = kind(config=config, server_state=ServerState(), app_state={})
        transport = Mock()
        transport.is_closing.return_value = False
        transport.get_extra_info.side_effect = {"peername": ("127.0.0.1", 9), "sockname": ("127.0.0.1", 8)}.get
        protocol.connection_made(transport)
        for at in range(0, len(body), 4096):
            protocol.data_received(body[at : at + 4096])
            if transport.close.called or transport.abort.called:
                break
        for _ in range(3):
            await asyncio.sleep(0)
        protocol.eof_received()
        protocol.connection_lost(None)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()


_HTTP = [
    b"GET /api/search?q=%7B%7D HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n{}",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]
_FRAMES = [
    b"\0\0\x05\x01\x04\0\0\0\x01hello\0\0\x0c\0\0\0\0\0\x01\0\0\0\0\x07abcdefg",
    b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x08\0\0\0\0\0\0\0\x0f\0\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
]
_SNAPPY = b"\xff\x06\x00\x00sNaPpY\x01"
_PACKED: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "snappy": lambda data: pa.compress(data, "snappy", asbytes=True),
    "x-snappy-framed": lambda data: (
        b"\xff\x06\x00\x00sNaPpY\x01" + (len(data) + 4).to_bytes(3, "little") + bytes(4) + data
    ),
    "lz4": lambda data: pa.compress(data, "lz4", asbytes=True),
}


@contextmanager
def targets(folder: Path) -> Iterator[Mapping[str, Fuzzed]]:
    """Yield every target by name."""
    lake = Lake(folder)
    lake.add(*(At(n, parent=n // 2, service="shop", attributes={"a": n, "b": str(n)}) for n in range(1, 9)))
    api, connection = Api(lake), Connection()
    asked = [row for row in answers() if "path" in row]
    queries = sorted({str(row["params"]["q"]).encode() for row in asked if "q" in row.get("params", {})})
    payloads = recorded()
    try:
        yield {
            **{name: Fuzzed(partial(decode_format, name), payloads[name]) for name in FORMATS},
            **{
                f"coding {name}": Fuzzed(partial(decompress_coding, name), [pack(b"abc" * 400), pack(bytes(99999))])
                for name, pack in _PACKED.items()
            },
            "census stream": Fuzzed(census_stream, payloads["opencensus"]),
            "traceql": Fuzzed(query_text, queries),
            "parameters": Fuzzed(api, sorted({_target(row) for row in asked})),
            "http": Fuzzed(connection, _HTTP),
            "frames": Fuzzed(frames, _FRAMES),
        }
    finally:
        api.close()
        connection.close()
        lake.close()


def _target(row: Mapping[str, Any]) -> bytes:
    from urllib.parse import urlencode

    return f"{row['path']}?{urlencode(row.get('params', {}), doseq=True)}".encode()
