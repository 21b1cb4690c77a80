"""Measures time and memory of queries as the spans grow: equal queries over one copy and over several copies."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table

from bench.measure.query import Timing, bench, directory, options_of, workload_of
from bench.measure.report import console

_ROUNDS = 3
_COPIES = 10


@dataclass(frozen=True)
class Growth:
    """Timings of a query over few spans and over many."""

    few: Timing
    many: Timing

    def row(self) -> Iterator[str]:
        """The cells of the table."""
        yield self.few.query.area
        yield self.few.query.label
        yield f"{self.few.answer * 1000:,.0f}"
        yield f"{self.many.answer * 1000:,.0f}"
        yield f"{self.many.answer / self.few.answer:.1f}"
        yield f"{self.many.scan / self.few.scan:.1f}" if self.few.scan and self.many.scan else ""
        yield f"{self.few.peak_memory / 1e6:,.0f}"
        yield f"{self.many.peak_memory / 1e6:,.0f}"
        yield f"{self.many.peak_memory / self.few.peak_memory:.1f}"
        yield self.many.found


def main() -> None:
    """Measures every query over one and over several copies and prints the table."""
    parser = options_of(__doc__, _ROUNDS)
    parser.add_argument("--repeat", type=int, default=_COPIES, help="copies of the spans, an hour apart (%(default)s)")
    options = parser.parse_args()
    screen = console()
    timings: dict[int, list[Timing]] = {}
    with directory(options.data) as data, screen.status("loading") as status:
        for copies in (1, options.repeat):
            folder = data / f"copies-{copies}"
            with bench(folder, workload_of(options), copies, options) as running:
                timings[copies] = []
                for query in running.queries(options.only):
                    status.update(f"asking for {copies}: {query.label}")
                    timings[copies].append(running.measure(query))
    screen.print(_table(options.spans, options.repeat, timings))


def _table(spans: int, copies: int, timings: dict[int, list[Timing]]) -> Table:
    title = f"Queries over {spans:,} spans and over {spans * copies:,}"
    table = Table("area", "query", title=title, caption="Ratios of the second to the first; scan: of the bare scan.")
    for column in (
        "ms",
        f"ms at {copies}x",
        "ratio",
        "scan ratio",
        "peak MB",
        f"peak MB at {copies}x",
        "ratio",
        "found",
    ):
        table.add_column(column, justify="right")
    for few, many in zip(timings[1], timings[copies], strict=True):
        table.add_row(*Growth(few, many).row())
    return table


if __name__ == "__main__":
    main()
