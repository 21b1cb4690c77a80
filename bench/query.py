"""How quickly queries are answered, beside a bare DuckDB scan of the columns that they read."""

import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import duckdb
from rich.table import Table

from bench.generate import WINDOW, Workload, arguments
from bench.load import http_connection, send
from bench.queries import QUERIES, Query
from bench.report import console
from bench.server import Server, serving

_PER_REQUEST = 50_000
"""Spans in a request. Each makes a block, so that there are a few dozen."""
_ROUNDS = 7


@dataclass(frozen=True)
class Timing:
    """How one query did, in seconds."""

    query: Query
    answer: float
    scan: float | None
    """The bare scan; None where no column has to be read."""
    found: int
    """Traces, spans, tags or values in the answer."""

    def row(self) -> Iterator[str]:
        """The cells of the table."""
        yield self.query.area
        yield self.query.label
        yield f"{self.answer * 1000:,.1f}"
        yield f"{self.scan * 1000:,.1f}" if self.scan else ""
        yield f"{self.answer / self.scan:.1f}" if self.scan else ""
        yield f"{self.found:,}"


class Blocks:
    """The Parquet files of a data directory, read without spanlake."""

    def __init__(self, data: Path) -> None:
        self._files = sorted(map(str, data.rglob("*.parquet")))
        self._database = duckdb.connect()
        self._database.execute("SET parquet_metadata_cache = true")  # as spanlake has it: footers are read once

    def __len__(self) -> int:
        return len(self._files)

    def known(self) -> dict[str, str]:
        """Values that queries ask for: a trace of middling size and a product."""
        trace = self._rows("SELECT lower(hex(trace_id)) FROM blocks GROUP BY ALL ORDER BY abs(count(*) - 12), 1")
        product = self._rows("SELECT any_value(span_app_products___strings[1]) FROM blocks")
        return {"trace": trace[0][0], "product": product[0][0]}

    def scan(self, columns: Sequence[str]) -> None:
        """Reads every value of the columns."""
        if columns:
            self._rows(f"SELECT bit_xor(hash({', '.join(columns)})) FROM blocks")

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        blocks = "WITH blocks AS (FROM read_parquet($files))"
        return self._database.execute(f"{blocks} {sql}", {"files": self._files}).fetchall()


class Asker:
    """A client of the Tempo API on one kept-alive connection, which asks about the time that the data covers."""

    def __init__(self, server: Server, end: datetime) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.tempo)
        self._range = {"start": int((end - WINDOW).timestamp()), "end": int(end.timestamp())}

    def ask(self, query: Query) -> bytes:
        """The body of the answer; raises RuntimeError when it is not a good one."""
        target = f"{quote(query.path)}?{urlencode({**self._range, **query.params})}"
        self._connection.request("GET", target)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{target} answered {response.status}: {body[:500]!r}")
        return body


def found(answer: bytes) -> int:
    """How many traces, spans, tags or values an answer holds."""
    content = json.loads(answer)
    if "scopes" in content:
        return sum(len(scope["tags"]) for scope in content["scopes"])
    for key in ("traces", "tagNames", "tagValues"):
        if key in content:
            return len(content[key])
    return answer.count(b'"spanId"')


def measure(query: Query, asker: Asker, blocks: Blocks) -> Timing:
    """The times of one query and of its scan, taken in turns, after one of each that does not count."""
    number = found(asker.ask(query))
    blocks.scan(query.columns)
    answers, scans = [], []
    for _ in range(_ROUNDS):
        answers.append(_time(lambda: asker.ask(query)))
        scans.append(_time(lambda: blocks.scan(query.columns)))
    return Timing(query, statistics.median(answers), statistics.median(scans) if query.columns else None, number)


def _time(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def main() -> None:
    """Loads the data, starts the server again, measures every query and prints the table."""
    options = arguments(__doc__).parse_args()
    workload = Workload(options.spans, _PER_REQUEST, options.seed, options.end)
    screen = console()
    table = Table("area", "query", title=f"Queries over {options.spans:,} spans")
    for column in ("median ms", "scan ms", "ratio", "found"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as folder, screen.status("loading") as status:
        data = Path(folder, "data")
        with serving(data) as server:
            send(workload.file(), http_connection, server.otlp_http, connections=1)
        blocks = Blocks(data)
        known = blocks.known()
        with serving(data) as server:
            asker = Asker(server, options.end)
            for query in QUERIES:
                status.update(f"asking: {query.label}")
                table.add_row(*measure(query.about(known), asker, blocks).row())
            peak = server.usage().peak_memory
    table.caption = (
        f"{len(blocks)} blocks. Median of {_ROUNDS} after a warm-up; scan: DuckDB reads the columns, nothing else. "
        f"Peak memory of the server {peak / 1e6:,.0f} MB."
    )
    screen.print(table)


if __name__ == "__main__":
    main()
