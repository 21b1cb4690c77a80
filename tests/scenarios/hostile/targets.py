"""Targets of fuzzed input: every decoder, TraceQL, parameters of requests, and the protocols on the wire.

A target takes bytes, and raises nothing: what clients may send is refused with the errors that clients are told of.
"""

import base64
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
from pydantic_core import to_json

from spanlake.api.ingest.bodies import decompress
from spanlake.api.ingest.decompression import DECOMPRESSORS
from spanlake.api.ingest.errors import BodyError
from spanlake.api.tempo import responses
from spanlake.edge import http2
from spanlake.edge.inflow import Inflow
from spanlake.ingest.admission import Admission
from spanlake.ingest.errors import Overloaded
from spanlake.ingest.pipeline import to_otlp
from spanlake.ingest.request import Request
from spanlake.query.limits import LimitExceeded
from spanlake.query.plan import plan_metrics, plan_search
from spanlake.query.querier import ALWAYS, Querier
from spanlake.query.search import Ranking, Search
from spanlake.query.time_range import Steps
from spanlake.receivers.detection import description
from spanlake.receivers.files.compression import Stream as FileStream
from spanlake.receivers.files.records import records
from spanlake.receivers.opencensus.translate import Stream
from spanlake.receivers.translation import MalformedFile
from spanlake.spans.otlp.decode import decode
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.validate import validate
from spanlake.traceql import ast, parse
from spanlake.traceql import validate as validate_query
from spanlake.traceql.errors import TraceQLError
from spanlake.traceql.parser.lenient import filters
from tests.query.kit import MINUTE, NOON, SECOND, TENANT, At, Lake
from tests.recorded import FOLDER, answers, bodies
from tests.scenarios.hostile.formats import FILE_FORMATS, FORMATS
from tests.scenarios.hostile.requests import Api, Connection

Target = Callable[[bytes], None]

_RECORDED = {
    "jaeger-thrift-http": "jaeger-http",
    "jaeger-thrift-binary-udp": "jaeger-binary",
    "jaeger-thrift-compact-udp": "jaeger-compact",
    "opencensus-grpc": "opencensus",
}


def resident(process: int | str = "self") -> int:
    """Return the bytes of memory that a process has."""
    status = Path(f"/proc/{process}/status").read_text()
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS:")), 0)


@dataclass(frozen=True)
class Fuzzed:
    """A target, real input for it, and the measures of what an input costs: processor time and memory."""

    run: Target
    samples: Sequence[bytes]
    seconds: Callable[[], float] = time.thread_time
    resident: Callable[[], int] = resident


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
    _decode(Request.of(body, FORMATS[name]))


def _decode(request: Request) -> None:
    (translated,) = to_otlp([request])
    if isinstance(translated, Exception):
        if not isinstance(translated, MalformedRequest):
            raise translated
        return
    try:
        found = validate(decode([translated.body]), oldest_ns=None, newest_ns=2**62)
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
        validate_query(parse(text))
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


class Questions:
    """Queries of TraceQL that run over a few spans: parsed, checked, planned, compiled and answered."""

    def __init__(self, querier: Querier) -> None:
        self._querier = querier

    def __call__(self, body: bytes) -> None:
        """Run a query."""
        try:
            query = validate_query(parse(body.decode(errors="replace")), self._querier.sizes)
            self._metrics(query) if query.is_metrics else self._search(query)
        except (TraceQLError, LimitExceeded, RecursionError):  # of which the last is told as "operators too deep"
            return

    def _search(self, query: ast.Query) -> None:
        wanted = Search(plan_search(query), ALWAYS.start_ns, ALWAYS.end_ns, 20, 3, Ranking.of(query))
        to_json(responses.search(self._querier.search(TENANT, wanted), with_spans=True))

    def _metrics(self, query: ast.Query) -> None:
        when = Steps.aligned(NOON, NOON + MINUTE, 10 * SECOND, 1000)
        responses.query_range(self._querier.metrics(TENANT, plan_metrics(query), when, exemplars=2), when, 100)


def import_file(body: bytes) -> None:
    """Read a file of spans as ``spanlake import`` does."""
    try:
        found = list(records(FileStream(BytesIO(body)), 4 << 20))
    except MalformedFile:
        return
    for record in found:
        _decode(Request.of(record.body, FILE_FORMATS[record.kind]))


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


def _files(payloads: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    """Return files of spans in every format that is imported."""
    otlp, zipkin = payloads["otlp-proto"][:4], payloads["zipkin-v2-json"][:4]
    lines = [json.dumps(json.loads(body), separators=(",", ":")).encode() for body in payloads["otlp-json"][:4]]
    tempo = [json.dumps({"batches": json.loads(line)["resourceSpans"]}).encode() for line in lines]
    newer = [json.dumps({"trace": json.loads(line)}).encode() for line in lines]
    whole = [b"\n".join(lines), b"".join(len(body).to_bytes(4) + body for body in otlp), b"".join(otlp), _JAEGER_FILE]
    packed = [_PACKED["zstd"](body) for body in otlp]
    framed = b"".join(len(body).to_bytes(4) + body for body in packed)
    return [*whole, *zipkin, *tempo, *newer, framed, *map(gzip.compress, whole)]


_JAEGER_FILE = json.dumps(
    {
        "data": [
            {
                "traceID": "ab" * 16,
                "spans": [
                    {
                        "traceID": "ab" * 16,
                        "spanID": "cd" * 8,
                        "operationName": "GET /",
                        "references": [{"refType": "CHILD_OF", "traceID": "ab" * 16, "spanID": "ef" * 8}],
                        "startTime": NOON // 1000,
                        "duration": 1500,
                        "tags": [
                            {"key": "http.status_code", "type": "int64", "value": 500},
                            {"key": "error", "type": "bool", "value": True},
                            {"key": "share", "type": "float64", "value": 0.5},
                            {"key": "raw", "type": "binary", "value": "AAEC"},
                        ],
                        "logs": [{"timestamp": NOON // 1000, "fields": [{"key": "event", "value": "retry"}]}],
                        "processID": "p1",
                        "warnings": None,
                    }
                ],
                "processes": {"p1": {"serviceName": "shop", "tags": [{"key": "ip", "type": "string", "value": "::1"}]}},
            }
        ]
    }
).encode()


@contextmanager
def targets(folder: Path) -> Iterator[Mapping[str, Fuzzed]]:
    """Yield every target by name."""
    lake = Lake(folder)
    lake.add(*(At(n, parent=n // 2, service="shop", attributes={"a": n, "b": str(n)}) for n in range(1, 9)))
    api, connection = Api(lake.querier), Connection()
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
            "file": Fuzzed(import_file, _files(payloads)),
            "traceql": Fuzzed(query_text, queries),
            "question": Fuzzed(Questions(lake.querier), queries),
            "parameters": Fuzzed(api.ask, sorted({*map(_target, asked), *api.requests()})),
            "credentials": Fuzzed(api.ask_with_credentials, api.requests_with_headers()),
            "http": Fuzzed(connection, _HTTP),
            "frames": Fuzzed(frames, _FRAMES),
        }
    finally:
        api.close()
        connection.close()
        lake.close()


def _target(row: Mapping[str, Any]) -> bytes:
    return f"{row['path']}?{urlencode(row.get('params', {}), doseq=True)}".encode()
