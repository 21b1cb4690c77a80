"""Measures the cost of ingest over HTTP and gRPC, in large requests and in small requests."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.table import Table

from bench.measure.processes import Usage
from bench.measure.report import console
from bench.measure.server import Server, serving
from bench.workload.generate import LARGE, SMALL, Workload, arguments, bodies
from bench.workload.load import Protocol, Sent, grpc_connection, http_connection, send
from spanlake.store.index.sqlite import SqliteIndex

_MOST_SMALL = 200_000
"""Spans sent in small requests: enough to see their price."""


@dataclass(frozen=True)
class Case:
    """Protocol, workload and connections of a measurement."""

    name: str
    workload: Workload
    protocol: Protocol
    connections: int

    def port(self, server: Server) -> int:
        """Where the server takes this protocol."""
        return server.otlp_http if self.protocol is http_connection else server.otlp_grpc


@dataclass(frozen=True)
class Result:
    """Measured cost of a case."""

    case: Case
    sent: Sent
    used: Usage
    decoding_seconds: float
    """CPU time of bare protobuf decoding of the same bytes."""
    stored: int
    """Bytes of the live blocks."""
    blocks: int

    def row(self) -> Iterator[str]:
        """The cells of the table, in the order of `_COLUMNS`."""
        spans = self.case.workload.spans
        yield self.case.name
        yield f"{self.sent.requests:,} of {self.sent.size / self.sent.requests / 1000:,.0f} kB"
        yield f"{spans / self.sent.seconds:,.0f}"
        yield f"{spans / self.used.cpu_seconds:,.0f}"
        yield f"{self.decoding_seconds / self.used.cpu_seconds:.2f}"
        yield f"{self.used.peak_memory / 1e6:,.0f} MB"
        yield f"{self.stored / spans:.1f}"
        yield f"{self.blocks:,}"


_COLUMNS = ("sent by", "requests", "spans/s", "spans/CPU-s", "of FromString", "peak memory", "bytes/span", "blocks")
_CAPTION = (
    "CPU: user and system of the server and its children. "
    "Of FromString: share of the speed of bare protobuf decoding of the same bytes."
)


def measure(case: Case) -> Result:
    """Sends the case's spans to a new server."""
    file = case.workload.file()
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as folder:
        data = Path(folder, "data")
        with serving(data) as server:
            before = server.usage()
            sent = send(file, case.protocol, case.port(server), case.connections)
            after = server.usage()
        used = Usage(after.cpu_seconds - before.cpu_seconds, after.peak_memory)
        index = SqliteIndex(data / "index.sqlite")
        days = index.summary()  # not the blocks that compaction has replaced, which stay for ten minutes
        index.close()
        stored, blocks = sum(day.size for day in days), sum(day.blocks for day in days)
        return Result(case, sent, used, _decoding_seconds(file), stored, blocks)


def _decoding_seconds(file: Path) -> float:
    seconds = 0.0
    for body in bodies(file):
        begin = time.process_time()
        ExportTraceServiceRequest.FromString(body)
        seconds += time.process_time() - begin
    return seconds


def cases(spans: int, seed: int, end: datetime) -> list[Case]:
    """The ways to send spans."""
    large = Workload(spans, LARGE, seed, end)
    small = Workload(min(spans, _MOST_SMALL), SMALL, seed, end)
    return [
        Case("HTTP, 2 connections", large, http_connection, 2),
        Case("gRPC, 2 connections", large, grpc_connection, 2),
        Case("HTTP, 16 connections", small, http_connection, 16),
        Case("gRPC, 16 connections", small, grpc_connection, 16),
    ]


def main() -> None:
    """Measures every case and prints the table."""
    options = arguments(__doc__).parse_args()
    screen = console()
    table = Table(title=f"Ingest of {options.spans:,} spans", caption=_CAPTION)
    for number, column in enumerate(_COLUMNS):
        table.add_column(column, justify="right" if number else "left")
    for case in cases(options.spans, options.seed, options.end):
        with screen.status(f"sending: {case.name}"):
            table.add_row(*measure(case).row())
    screen.print(table)


if __name__ == "__main__":
    main()
