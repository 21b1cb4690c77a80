"""Measures the queries of two versions of spanlake in turns: the one that runs, and a checkout with a venv of its own.

Both have the same spans, each in a data directory that its own version wrote. The machine's other load meets both.
"""

import argparse
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bench.measure.query import Asker
from bench.measure.report import console
from bench.measure.server import Server, serving
from bench.workload.blocks import Blocks
from bench.workload.queries import QUERIES, Query

_ROUNDS = 9


@dataclass(frozen=True)
class Side:
    """A server of one version, and a client of it."""

    server: Server
    asker: Asker

    def timed(self, query: Query) -> tuple[float, float]:
        """Returns wall and CPU seconds of a request."""
        cpu, begin = self.server.usage().cpu_seconds, time.perf_counter()
        self.asker.ask(query)
        return time.perf_counter() - begin, self.server.usage().cpu_seconds - cpu


def _cells(query: Query, sides: list[Side], rounds: int) -> Iterator[str]:
    found = [side.asker.ask(query).found() for side in sides]
    times: list[list[tuple[float, float]]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, taken in zip(sides, times, strict=True):
            taken.append(side.timed(query))
    wall = [statistics.median(one for one, _ in taken) * 1000 for taken in times]
    cpu = [statistics.mean(one for _, one in taken) * 1000 for taken in times]
    yield query.label
    for other, own in (wall, cpu):
        yield from (f"{other:.0f}", f"{own:.0f}", f"{own / other:.2f}" if other else "")
    yield " / ".join(dict.fromkeys(found))


def main() -> None:
    """Starts both servers, asks them in turns and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="checkout of the other version, with a .venv")
    parser.add_argument("other_data", type=Path, help="its data directory")
    parser.add_argument("data", type=Path, help="data directory of this version, with the same spans")
    parser.add_argument("--only", type=re.compile, default="", help="queries whose `area: label` this pattern finds")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    options = parser.parse_args()
    table = Table("query", "other ms", "ms", "ratio", "other CPU ms", "CPU ms", "ratio", "found")
    blocks = Blocks(options.data)
    known = blocks.known()
    with ExitStack() as stack:
        other = stack.enter_context(serving(options.other_data, "--no-compaction", checkout=options.other))
        own = stack.enter_context(serving(options.data, "--no-compaction"))
        sides = [Side(server, Asker(server, blocks.hours())) for server in (other, own)]
        for query in (query.about(known) for query in QUERIES):
            if options.only.search(f"{query.area}: {query.label}"):
                table.add_row(*_cells(query, sides, options.rounds))
    console().print(table)


if __name__ == "__main__":
    main()
