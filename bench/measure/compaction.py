"""Measures the cost of compaction, its savings, and its effect on queries that run meanwhile."""

import http.client
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.cost.simulation import Sizes, play
from bench.measure.report import console
from bench.measure.server import Server, serving
from bench.workload.blocks import Blocks
from bench.workload.data_directory import copied, fill, rounds
from bench.workload.generate import LARGE, SMALL, Workload, arguments, bodies
from bench.workload.load import http_connection
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks import bloom
from spanlake.store.blocks.block import Block
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.objects.local import LocalObjects
from spanlake.store.tenant import DEFAULT_TENANT
from spanlake.store.write import write

_ALWAYS = (0, 2**63 - 1)
_HOUR_NS = 3600 * 10**9
_DAYS = 30
_DAY_SPANS = 40_000
_ROUNDS = 15
_MOST_SMALL = 100_000
"""Spans in small requests: enough to see their price."""
_NOTICED_SECONDS = 20.0
_PAUSE_SECONDS = 0.05
"""Between requests while it is measured whether anybody notices."""


class Lake:
    """A data directory, compacted by hand."""

    def __init__(self, data: Path) -> None:
        self.objects = LocalObjects(data)
        self.index = SqliteIndex(data / "index.sqlite")
        self._compactor = Compactor(self.objects, self.index)

    def live(self) -> list[Block]:
        """The live blocks."""
        return self.index.find(DEFAULT_TENANT, *_ALWAYS)

    def rounds(self) -> Iterator["Round"]:
        """Compact everything, in rounds."""
        for merges in rounds(self._compactor):
            begin = time.process_time()
            done = [self._compactor.run(merge) for merge in merges]
            made = [one.block for one in done if one is not None and one.block is not None]
            yield Round(merges[0].inputs[0].level, sum(merge.spans for merge in merges), _since(begin), made)


@dataclass(frozen=True)
class Round:
    """Merges of blocks that are alike."""

    level: int
    spans: int
    cpu_seconds: float
    made: list[Block]


def _since(begin: float) -> float:
    return time.process_time() - begin


def speed(screen: Console, folder: Path, spans: int, seed: int) -> Sizes:
    """Print how many spans a CPU-second compacts; returns the sizes of blocks."""
    table = Table("request", "level", "blocks made", title="Compaction")
    table.add_column("spans per CPU-second", justify="right")
    table.add_column("bytes per span", justify="right")
    sizes: set[tuple[int, int]] = set()
    for per_request, most in ((SMALL, min(spans, _MOST_SMALL)), (LARGE, spans)):
        data = folder / f"speed-{per_request}"
        fill(data, Workload(most, per_request, seed))
        lake = Lake(data)
        sizes.update((block.spans, block.size) for block in lake.live())
        for one in lake.rounds():
            sizes.update((block.spans, block.size) for block in one.made)
            per_span = sum(block.size for block in one.made) / sum(block.spans for block in one.made)
            rate = f"{one.spans / one.cpu_seconds:,.0f}"
            cells = (f"{per_request:,} spans", f"{one.level} → {one.level + 1}", str(len(one.made)))
            table.add_row(*cells, rate, f"{per_span:.1f}")
        lake.index.close()
    screen.print(table)
    return Sizes(sorted(dict(sorted(sizes)).items()))


def amplification(screen: Console, sizes: Sizes) -> None:
    """Print how much is written on simulated days."""
    table = Table("requests", "spans each", "for", title="Days simulated with the sizes measured")
    for column in ("blocks in", "most live", "left", "writes of a span", "bytes written per byte taken in"):
        table.add_column(column, justify="right")
    for per_second, spans, hours in ((1, SMALL, 24.0), (100, SMALL, 2.4), (1, LARGE, 24.0), (100, LARGE, 0.24)):
        played = play(per_second, spans, hours, sizes)
        figures = (played.most_live, len(played.live))
        table.add_row(
            f"{per_second}/s",
            f"{spans:,}",
            f"{hours:g} h",
            f"{int(per_second * hours * 3600):,}",
            *(f"{figure:,}" for figure in figures),
            f"{played.span_writes:.2f}",
            f"{played.amplification:.2f}",
        )
    screen.print(table)


def lookups(screen: Console, folder: Path, seed: int) -> None:
    """Print how many blocks are read over 30 days, and how long a trace takes to look up, before and after."""
    data = folder / "days"
    lake = Lake(data)
    tables = [decode([body]).table for body in bodies(Workload(_DAY_SPANS, LARGE // 4, seed).file())]
    for number, (day, table) in enumerate((day, table) for day in range(_DAYS) for table in tables):
        write(lake.objects, lake.index, DEFAULT_TENANT, copied(table, 24 * day), number.to_bytes(8))
    trace_id = Blocks(data).known()["trace"]
    report = Table("", title=f"{_DAYS} days of {_DAY_SPANS:,} spans")
    for column in ("blocks", "of one hour", "of one trace", "trace by id, median ms", "slowest of 15"):
        report.add_column(column, justify="right")
    report.add_row("before", *_looked_up(lake, data, trace_id))
    for _ in lake.rounds():
        pass
    report.add_row("after", *_looked_up(lake, data, trace_id))
    lake.index.close()
    screen.print(report)


def _looked_up(lake: Lake, data: Path, trace_id: str) -> Iterator[str]:
    blocks = lake.live()
    latest = max(block.end_ns for block in blocks)
    holding = [block for block in blocks if bloom.may_contain(block.trace_filter, bytes.fromhex(trace_id))]
    with serving(data, "--no-compaction") as server:
        get = _getter(server)
        get(f"/api/traces/{trace_id}")
        times = [_timed(lambda: get(f"/api/traces/{trace_id}")) * 1000 for _ in range(_ROUNDS)]
    yield f"{len(blocks):,}"
    yield f"{len(lake.index.find(DEFAULT_TENANT, latest - _HOUR_NS, latest)):,}"
    yield f"{len(holding):,}"
    yield f"{statistics.median(times):.1f}"
    yield f"{max(times):.1f}"


def _getter(server: Server) -> Callable[[str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.tempo, timeout=120)

    def get(path: str) -> bytes:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path} answered {response.status}: {body[:500]!r}")
        return body

    return get


def _timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def noticed(screen: Console, folder: Path, seed: int) -> None:
    """Print how long ingest and queries take while compaction has work all the time, and while it is off."""
    report = Table("compaction", title=f"{SMALL}-span requests and searches side by side, {_NOTICED_SECONDS:g} s each")
    for column in ("merges", "ingest p50 ms", "p99", "search p50 ms", "p99"):
        report.add_column(column, justify="right")
    for option in ("--no-compaction", "--compaction", "--no-compaction", "--compaction"):
        data = Path(tempfile.mkdtemp(dir=folder), "data")
        fill(data, Workload(_MOST_SMALL, SMALL, seed))
        with serving(data, option) as server:
            ingest, searches = _side_by_side(server, seed)
            merges = _metric(server, "spanlake_compactions_total")
        figures = (figure for times in (ingest, searches) for figure in (times[len(times) // 2], _p99(times)))
        report.add_row(option, f"{merges:.0f}", *(f"{figure * 1000:.1f}" for figure in figures))
    screen.print(report)


def _side_by_side(server: Server, seed: int) -> tuple[list[float], list[float]]:
    """Sorted times of requests to store and of searches, in seconds."""
    post, get = http_connection(server.otlp_http), _getter(server)
    requests = bodies(Workload(_MOST_SMALL, SMALL, seed + 1).file())
    until = time.monotonic() + _NOTICED_SECONDS
    ingest: list[float] = []
    searches: list[float] = []

    def send() -> None:
        post(next(requests))

    def store() -> None:
        while time.monotonic() < until:
            ingest.append(_timed(send))
            time.sleep(_PAUSE_SECONDS)

    sender = threading.Thread(target=store)
    sender.start()
    while time.monotonic() < until:
        searches.append(_timed(lambda: get("/api/search?q=%7Bstatus%3Derror%7D&limit=20")))
        time.sleep(_PAUSE_SECONDS)
    sender.join()
    return sorted(ingest), sorted(searches)


def _p99(times: list[float]) -> float:
    return times[min(len(times) * 99 // 100, len(times) - 1)]


def _metric(server: Server, name: str) -> float:
    lines = (line.split() for line in _getter(server)("/metrics").decode().splitlines())
    with suppress(StopIteration):
        return next(float(value) for found, value in (line for line in lines if len(line) == 2) if found == name)
    return 0.0


def main() -> None:
    """Measures all of it and prints the tables."""
    options = arguments(__doc__).parse_args()
    screen = console()
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as folder:
        sizes = speed(screen, Path(folder), options.spans, options.seed)
        amplification(screen, sizes)
        lookups(screen, Path(folder), options.seed)
        noticed(screen, Path(folder), options.seed)


if __name__ == "__main__":
    main()
