"""Measures storage in S3 and DynamoDB, on servers of this machine, beside the embedded storage."""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tests.cloud import Cloud, running

from bench.measure.query import Asker
from bench.measure.report import console
from bench.measure.server import serving
from bench.workload.blocks import Blocks
from bench.workload.generate import LARGE, Workload, arguments
from bench.workload.load import http_connection, send
from bench.workload.queries import QUERIES, Query

_PER_REQUEST = 50_000
"""Spans in a request of the data that is asked about. Each makes a block, so that there are a few dozen."""
_MOST_SENT = 460_000
"""Spans sent to measure ingest."""
_ROUNDS = 7
_LABELS = (
    "{ }",
    '{ span.user.id = "u4242" }',
    "{ status = error }",
    '{ span.db.statement !~ "SELECT.*" }',
    "{ } | rate() by (resource.service.name)",
    "{ } | quantile_over_time(duration, 0.5, 0.9, 0.99) by (resource.service.name)",
    '{ resource.service.name = "frontend" } >> { status = error }',
    "/api/traces/$trace",
    "/api/v2/search/tags",
    "/api/v2/search/tag/span.user.id/values",
)


@dataclass(frozen=True)
class Home:
    """A place for spans: a directory, and the options that put blocks and index elsewhere."""

    data: Path
    options: Sequence[str] = ()

    def load(self, workload: Workload, connections: int) -> float:
        """Sends the spans to a new server; how many it took a second."""
        with serving(self.data, *self.options) as server:
            return workload.spans / send(workload.file(), http_connection, server.otlp_http, connections).seconds

    def ask(self, query: Query, hours: tuple[int, int]) -> "Times":
        """The time of a query to a server that has just started, and of the same query again."""
        with serving(self.data, *self.options) as server:
            asker = Asker(server, hours)
            times = [_time(asker, query) for _ in range(1 + _ROUNDS)]
        return Times(times[0], statistics.median(times[1:]))


@dataclass(frozen=True)
class Times:
    """Seconds."""

    cold: float
    warm: float


def _time(asker: Asker, query: Query) -> float:
    begin = time.perf_counter()
    answer = asker.ask(query)
    seconds = time.perf_counter() - begin
    if answer.status != 200:
        raise RuntimeError(f"{query.label}: {answer.found()}")
    return seconds


def homes(folder: Path, cloud: Cloud) -> tuple[Home, Home]:
    """The embedded storage, and one in S3 and DynamoDB, both empty."""
    folder.mkdir()
    options = ("--objects", f"s3://{cloud.bucket()}/lake", "--index", f"dynamodb://{cloud.table()}")
    return Home(folder / "embedded"), Home(folder / "none", options)


def row(label: str, embedded: Times, remote: Times) -> Iterator[str]:
    """The cells of a query."""
    yield label
    for seconds in (embedded.cold, remote.cold):
        yield f"{seconds * 1000:,.0f}"
    yield f"{remote.cold / embedded.cold:.1f}"
    for seconds in (embedded.warm, remote.warm):
        yield f"{seconds * 1000:,.1f}"
    yield f"{remote.warm / embedded.warm:.1f}"


def main() -> None:
    """Loads both, asks both, and prints the table."""
    options = arguments(__doc__).parse_args()
    screen = console()
    table = Table("query", title=f"S3 and DynamoDB of this machine beside embedded storage, {options.spans:,} spans")
    for column in ("embedded cold ms", "S3 cold ms", "ratio", "embedded warm ms", "S3 warm ms", "ratio"):
        table.add_column(column, justify="right")
    sent = Workload(min(options.spans, _MOST_SENT), LARGE, options.seed, options.end)
    asked = Workload(options.spans, _PER_REQUEST, options.seed, options.end)
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name, screen.status("loading") as status:
        folder = Path(name)
        (folder / "cloud").mkdir()
        with running(folder / "cloud") as cloud:
            os.environ.update(cloud.environment)
            speeds = [home.load(sent, connections=2) for home in homes(folder / "sent", cloud)]
            embedded, remote = homes(folder / "asked", cloud)
            for home in (embedded, remote):
                home.load(asked, connections=1)
            blocks = Blocks(embedded.data)
            known, hours = blocks.known(), blocks.hours()
            for query in (query for query in QUERIES if query.label in _LABELS):
                status.update(f"asking: {query.label}")
                about = query.about(known)
                table.add_row(*row(query.label, embedded.ask(about, hours), remote.ask(about, hours)))
    table.caption = (
        f"{len(blocks)} blocks. Cold: the first query of a server, warm: median of {_ROUNDS} more. Ingest in requests "
        f"of {LARGE:,} spans: {speeds[0]:,.0f} spans/s embedded, {speeds[1]:,.0f} to S3."
    )
    screen.print(table)


if __name__ == "__main__":
    main()
