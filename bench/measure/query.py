"""Measures queries beside a bare DuckDB scan of the columns that they read."""

import argparse
import http.client
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from rich.table import Table

from bench.measure.report import console
from bench.measure.server import Server, serving
from bench.workload.blocks import Blocks
from bench.workload.data_directory import fill, settle
from bench.workload.generate import Workload, arguments
from bench.workload.queries import QUERIES, Query

_PER_REQUEST = 50_000
"""Spans in a request. Each makes a block, so that there are a few dozen."""
_ROUNDS = 7
_LONGEST_ERROR = 80
"""Characters of an error in the table."""


@dataclass(frozen=True)
class Timing:
    """Figures of a query; times in seconds, medians except for the CPU time, which is a mean."""

    query: Query
    answer: float
    cpu: float
    """Of the server, user and system."""
    peak_memory: int
    """Of the server while it answered, in bytes."""
    scan: float | None
    """The bare scan; None where no column has to be read."""
    found: str
    """Number of traces, spans, tags, values or series in the answer, or the reason why there is none."""

    def row(self) -> Iterator[str]:
        """The cells of the table."""
        yield self.query.area
        yield self.query.label
        yield f"{self.answer * 1000:,.1f}"
        yield f"{self.cpu * 1000:,.0f}"
        yield f"{self.scan * 1000:,.1f}" if self.scan else ""
        yield f"{self.answer / self.scan:.1f}" if self.scan else ""
        yield f"{self.peak_memory / 1e6:,.0f}"
        yield self.found


@dataclass(frozen=True)
class Answer:
    """Status and body of the server's answer or error."""

    status: int
    body: bytes

    def found(self) -> str:
        """Returns the number of traces, spans, tags, values or series; of an error its status and its message."""
        if self.status != http.HTTPStatus.OK:
            return f"{self.status} {self.body.decode()[:_LONGEST_ERROR]}"
        content = json.loads(self.body)
        if "scopes" in content:
            return f"{sum(len(scope['tags']) for scope in content['scopes']):,}"
        for key in ("traces", "tagNames", "tagValues", "series"):
            if key in content:
                return f"{len(content[key]):,}"
        spans = self.body.count(b'"spanId"')
        return f"{spans:,}"


class Asker:
    """A client of the Tempo API on one kept-alive connection, which asks about the time that the data covers."""

    def __init__(self, server: Server, hours: tuple[int, int]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.tempo)
        self._range = {"start": hours[0], "end": hours[1]}

    def ask(self, query: Query) -> Answer:
        """The answer to a query."""
        target = f"{quote(query.path)}?{urlencode({**self._range, **query.params})}"
        self._connection.request("GET", target)
        response = self._connection.getresponse()
        answer = Answer(response.status, response.read())
        if answer.status != http.HTTPStatus.OK:
            self._connection.close()  # the server may do so too, without a word; the next request opens it again
        return answer


@dataclass(frozen=True)
class Bench:
    """A server, what it serves, and how often it is asked."""

    server: Server
    blocks: Blocks
    asker: Asker
    rounds: int

    def measure(self, query: Query) -> Timing:
        """A query and its scan, taken in turns, after one of each that does not count."""
        found = self.asker.ask(query).found()
        self.blocks.scan(query.columns)
        self.server.forget_peak_memory()
        cpu = self.server.usage().cpu_seconds
        answers, scans = [], []
        for _ in range(self.rounds):
            answers.append(_time(lambda: self.asker.ask(query)))
            scans.append(_time(lambda: self.blocks.scan(query.columns)))
        used = self.server.usage()
        return Timing(
            query=query,
            answer=statistics.median(answers),
            cpu=(used.cpu_seconds - cpu) / self.rounds,
            peak_memory=used.peak_memory,
            scan=statistics.median(scans) if query.columns else None,
            found=found,
        )

    def queries(self, only: "re.Pattern[str]") -> list[Query]:
        """The queries whose area and label the pattern finds, about values that the data holds."""
        known = self.blocks.known()
        return [query.about(known) for query in QUERIES if only.search(f"{query.area}: {query.label}")]


def _time(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


@contextmanager
def bench(data: Path, workload: Workload, copies: int, options: argparse.Namespace) -> Iterator[Bench]:
    """A server that has just started on a directory with so many copies of the workload, loaded if it is empty.

    It leaves the blocks as they are, so that all queries are asked of the same.
    """
    fill(data, workload, copies)
    if options.compacted:
        settle(data)
    blocks = Blocks(data)
    with serving(data, "--no-compaction") as server:
        yield Bench(server, blocks, Asker(server, blocks.hours()), options.rounds)


@contextmanager
def directory(data: Path | None) -> Iterator[Path]:
    """The directory to load into: the one that is named, or one for the moment."""
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as folder:
        yield Path(folder, "data")


def options_of(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """A command line with the options that choose spans and queries."""
    parser = arguments(description)
    parser.add_argument("--data", type=Path, help="keep the spans in this directory, and use them again")
    parser.add_argument("--only", type=re.compile, default="", help="queries whose `area: label` this pattern finds")
    parser.add_argument("--rounds", type=int, default=rounds, help="times that each query runs (%(default)s)")
    parser.add_argument("--compacted", action="store_true", help="compact the blocks first, as a server does by and by")
    return parser


def workload_of(options: argparse.Namespace) -> Workload:
    """The workload that the command line asks for."""
    return Workload(options.spans, _PER_REQUEST, options.seed, options.end)


def main() -> None:
    """Loads the data, starts the server, measures every query and prints the table."""
    parser = options_of(__doc__, _ROUNDS)
    parser.add_argument("--repeat", type=int, default=1, help="copies of the spans, an hour apart (%(default)s)")
    options = parser.parse_args()
    screen = console()
    table = Table("area", "query", title=f"Queries over {options.spans * options.repeat:,} spans")
    for column in ("median ms", "CPU ms", "scan ms", "ratio", "peak MB", "found"):
        table.add_column(column, justify="right")
    with (
        directory(options.data) as data,
        screen.status("loading") as status,
        bench(data, workload_of(options), options.repeat, options) as running,
    ):
        for query in running.queries(options.only):
            status.update(f"asking: {query.label}")
            table.add_row(*running.measure(query).row())
        table.caption = (
            f"{len(running.blocks)} blocks. Median of {options.rounds} after a warm-up; "
            "CPU and peak memory: of the server; scan: DuckDB reads the columns, nothing else."
        )
    screen.print(table)


if __name__ == "__main__":
    main()
