"""Measures the throughput of an edge over gRPC: embedded storage, and S3 with DynamoDB.

The senders run on the same machine, and with S3 its server and DynamoDB Local do too. CPU time of the edge itself is
counted apart; compare spans per CPU-second.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tests.cloud import running

from bench.measure.report import console
from bench.measure.server import serving
from bench.workload.generate import LARGE, SMALL, Workload, arguments
from bench.workload.load import grpc_connection, send

_CONNECTIONS = 8
_FEWER = 4
"""Divisor of the number of spans when requests are small."""


@dataclass(frozen=True)
class Measured:
    """Figures of one edge."""

    spans: int
    seconds: float
    cpu_seconds: float
    peak_memory: int


def measure(workload: Workload, data: Path, options: Sequence[str]) -> Measured:
    """Send everything to a new edge."""
    file = workload.file()
    with serving(data, "--unready-seconds", "0", *options, command="edge") as edge:
        before = edge.usage()
        sent = send(file, grpc_connection, edge.otlp_grpc, _CONNECTIONS)
        after = edge.usage()
    return Measured(workload.spans, sent.seconds, after.cpu_seconds - before.cpu_seconds, after.peak_memory)


def main() -> None:
    """Measures and prints the table."""
    options = arguments(__doc__).parse_args()
    screen = console()
    table = Table("storage", "spans a request", title="spanlake edge, OTLP over gRPC")
    for column in ("spans/s", "spans/CPU-s", "peak MB"):
        table.add_column(column, justify="right")
    loads = (
        Workload(options.spans, LARGE, options.seed, options.end),
        Workload(options.spans // _FEWER, SMALL, options.seed, options.end),
    )
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name, screen.status("measuring"):
        folder = Path(name)
        (folder / "cloud").mkdir()
        with running(folder / "cloud") as cloud:
            os.environ.update(cloud.environment)
            for home in ("embedded", "S3, DynamoDB"):
                for load in loads:
                    remote = ("--objects", f"s3://{cloud.bucket()}/lake", "--index", f"dynamodb://{cloud.table()}")
                    where = () if home == "embedded" else remote
                    found = measure(load, folder / f"{home[:2]}-{load.per_request}", where)
                    table.add_row(
                        home,
                        f"{load.per_request:,}",
                        f"{found.spans / found.seconds:,.0f}",
                        f"{found.spans / found.cpu_seconds:,.0f}",
                        f"{found.peak_memory / 1e6:,.0f}",
                    )
    table.caption = f"{options.spans:,} spans, small requests {_FEWER} times fewer; {_CONNECTIONS} connections."
    screen.print(table)


if __name__ == "__main__":
    main()
