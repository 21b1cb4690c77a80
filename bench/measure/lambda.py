"""Measures requests to the functions (time, memory, calls of S3 and DynamoDB) and queries over spans in S3."""

# ruff: noqa: N999  (the name says what is measured; nothing imports it)

import asyncio
import hashlib
import os
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from rich.console import Console
from rich.table import Table

from bench.cost.deployment import GET_SECONDS
from bench.cost.results import FILE, Measured, Merging, QueryCost, Requests
from bench.measure.aws_calls import counted
from bench.measure.functions import Lake, Timed, asked, lake, sent, timed
from bench.measure.processes import usage
from bench.measure.report import console
from bench.measure.runtime import Runtime, build
from bench.measure.s3_latency import distant
from bench.workload.data_directory import store as fill
from bench.workload.generate import Workload, arguments, bodies, today
from bench.workload.queries import QUERIES, Query
from spanlake.aws.environment import LambdaStore
from spanlake.spans.otlp.decode import decode
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.retention import purge_replaced
from spanlake.store.tenant import DEFAULT_TENANT
from spanlake.store.write import write

_MEMORY_MIB = 1024  # as the template has it
_SIZES = (10, 100, 512, 1000)
"""Spans in a request; exporters of OpenTelemetry's SDKs send 512 at most unless they are told otherwise."""
_WARM_UPS, _ROUNDS = 3, 30
_MERGED = ((100, 320), (1000, 96))
"""Spans of blocks that are compacted, and how many blocks."""
_PER_BLOCK = 50_000
"""Spans in a block that is asked about, so that there are a few dozen."""
_ASKED = 3
_ALWAYS = (0, 2**63 - 1)
_HOUR = 3600
_LABELS = (
    "{ }",
    '{ span.user.id = "u4242" }',
    "{ status = error }",
    '{ resource.service.name = "frontend" } >> { status = error }',
    "{ } | by(resource.service.name) | count() > 12",
    "{ } | rate() by (resource.service.name)",
    "{ } | quantile_over_time(duration, 0.5, 0.9, 0.99) by (resource.service.name)",
    "{ } | compare({ status = error })",
    '{ resource.service.name = "frontend" } >> { status = error } | rate()',
    "{ } | rate() by (span.user.id) | topk(10)",
    "/api/v2/traces/$trace",
    "/api/v2/search/tags",
    "/api/v2/search/tag/span.user.id/values",
)


def soon() -> datetime:
    """The end of a workload whose first traces start now, as those do that an exporter sends."""
    return datetime.now(UTC) + timedelta(minutes=58)


def requests(place: Lake, spans: int, seed: int) -> Requests:
    """Requests of so many spans to a new process, and the same to storage alone, where calls are counted."""
    wanted = _WARM_UPS + _ROUNDS
    prepared = list(islice(bodies(Workload(spans * wanted * 2, spans, seed, soon()).file()), 2 * wanted))
    ours, counting = prepared[:wanted], prepared[wanted:]
    times, cpu, peak, logged = asyncio.run(_sent(place, ours))
    store = place.store()
    _store(store, counting[:_WARM_UPS])
    with counted(store) as calls:
        sizes = _store(store, counting[_WARM_UPS:])
    store.index.close()
    return Requests(
        spans=spans,
        body_bytes=statistics.mean(map(len, ours)),
        seconds=statistics.median(times),
        slowest_seconds=max(times),
        cpu_seconds=cpu / _ROUNDS,
        peak_memory=peak,
        log_bytes=logged / _ROUNDS,
        object_bytes=statistics.mean(sizes),
        s3_puts=calls.s3["PutObject"] / _ROUNDS,
        write_units=calls.write_units / _ROUNDS,
        read_units=calls.read_units / _ROUNDS,
    )


async def _sent(place: Lake, prepared: Sequence[bytes]) -> tuple[list[float], float, int, int]:
    """Seconds of each request after the first ones, CPU seconds of all these, peak memory, and bytes of the log."""
    log = place.folder / "ingest.log"
    async with place.instance(place.function("ingest", _MEMORY_MIB)) as instance:
        for body in prepared[:_WARM_UPS]:
            _checked(await timed(instance, sent(body)))
        used, written = usage(instance.pid).cpu_seconds, log.stat().st_size
        times = [_checked(await timed(instance, sent(body))).seconds for body in prepared[_WARM_UPS:]]
        after = usage(instance.pid)
        return times, after.cpu_seconds - used, after.peak_memory, log.stat().st_size - written


def _store(store: LambdaStore, prepared: Sequence[bytes]) -> list[int]:
    """The sizes of the blocks that these requests make."""
    made = (
        write(store.objects, store.index, DEFAULT_TENANT, decode([body]).table, hashlib.sha256(body).digest())
        for body in prepared
    )
    return [sum(block.size for block in blocks) for blocks in made]


def merging(place: Lake, spans: int, blocks: int, seed: int) -> Merging:
    """Compaction of blocks of so many spans: planned, merged, and what was merged removed."""
    store = place.store()
    fill(store.objects, store.index, Workload(blocks * spans, spans, seed))
    compactor = Compactor(store.objects, store.index)
    before = time.process_time()
    with counted(store) as calls:
        (day,) = compactor.days()
        listed = calls.read_units
        due = compactor.plan(*day, settle=True)
        planned = calls.read_units - listed
        done = [compactor.run(merge) for merge in due]
        purge_replaced(store.objects, store.index, grace_seconds=-2)  # also those of this very second
    cpu = time.process_time() - before
    store.index.close()
    made = [one.block for one in done if one is not None and one.block is not None]
    return Merging(
        spans=spans,
        blocks=blocks,
        cpu_seconds=cpu / blocks,
        s3_gets=calls.s3["GetObject"] / blocks,
        write_units=calls.write_units / blocks,
        read_units=calls.read_units / blocks,
        plan_read_units=planned / blocks,
        bytes_a_span=sum(block.size for block in made) / sum(block.spans for block in made),
    )


class Questions:
    """The function that answers queries, over spans in S3."""

    def __init__(self, place: Lake, s3: str, hours: tuple[int, int]) -> None:
        self._place = place
        self._function = place.function("query", _MEMORY_MIB, {"AWS_ENDPOINT_URL_S3": s3})
        self._range = {"start": str(hours[0]), "end": str(hours[1])}

    def ask(self, query: Query) -> QueryCost:
        """Runs a query in a process of its own; raises RuntimeError when it is refused."""
        return asyncio.run(self._ask(query))

    async def _ask(self, query: Query) -> QueryCost:
        event = asked(query.path, {**self._range, **query.params})
        before = self._s3_requests()
        async with self._place.instance(self._function) as instance:
            started = usage(instance.pid).cpu_seconds
            first = _checked(await timed(instance, event))
            gets = self._s3_requests() - before
            more = [_checked(await timed(instance, event)) for _ in range(_ASKED)]
            used = usage(instance.pid)
        return QueryCost(
            area=query.area,
            label=query.label,
            cold_seconds=first.seconds,
            seconds=statistics.median(each.seconds for each in more),
            cpu_seconds=(used.cpu_seconds - started) / (1 + _ASKED),
            peak_memory=used.peak_memory,
            s3_gets=gets,
        )

    def _s3_requests(self) -> int:
        return (self._place.folder / "s3-requests.log").read_bytes().count(b"\n")


def _checked(answer: Timed) -> Timed:
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} {answer.body[:500]!r}")
    return answer


def queries(place: Lake, workload: Workload) -> Iterator[QueryCost]:
    """Each query, over spans that are stored first."""
    store = place.store()
    fill(store.objects, store.index, workload)
    blocks = store.index.find(DEFAULT_TENANT, *_ALWAYS)
    store.index.close()
    first, last = min(block.start_ns for block in blocks), max(block.end_ns for block in blocks)
    hours = (first // 10**9 // _HOUR * _HOUR, -(-last // 10**9 // _HOUR) * _HOUR)
    trace = decode([next(bodies(workload.file()))]).table["trace_id"][0].as_py().hex()
    with distant(os.environ["AWS_ENDPOINT_URL_S3"], GET_SECONDS) as s3:
        questions = Questions(place, s3, hours)
        for query in QUERIES:
            if query.label in _LABELS:
                yield questions.ask(query.about({"trace": trace, "product": ""}))


def show_requests(screen: Console, measured: Sequence[Requests]) -> None:
    """Print what taking spans in costs."""
    table = Table("spans", title=f"The ingest function, {_MEMORY_MIB} MiB: one request")
    table.caption = f"Median and slowest of {_ROUNDS}; CPU: mean, of the process. Written and read: units of DynamoDB."
    columns = ("body kB", "ms", "slowest", "CPU ms", "peak MB", "object kB", "PUTs", "written", "read", "log bytes")
    for column in columns:
        table.add_column(column, justify="right")
    for each in measured:
        table.add_row(
            f"{each.spans:,}",
            f"{each.body_bytes / 1e3:,.1f}",
            *(f"{seconds * 1e3:,.1f}" for seconds in (each.seconds, each.slowest_seconds, each.cpu_seconds)),
            f"{each.peak_memory / 1e6:,.0f}",
            f"{each.object_bytes / 1e3:,.1f}",
            *(f"{number:.2f}" for number in (each.s3_puts, each.write_units, each.read_units)),
            f"{each.log_bytes:,.0f}",
        )
    screen.print(table)


def show_mergings(screen: Console, measured: Sequence[Merging]) -> None:
    """Print what compaction costs."""
    table = Table("spans", title="Compaction: one block that is merged and removed")
    for column in ("of blocks", "CPU ms", "GETs", "written", "read", "then bytes/span"):
        table.add_column(column, justify="right")
    for each in measured:
        counts = (each.s3_gets, each.write_units, each.read_units)
        cells = (f"{each.spans:,}", f"{each.blocks:,}", f"{each.cpu_seconds * 1e3:,.1f}")
        table.add_row(*cells, *(f"{number:.2f}" for number in counts), f"{each.bytes_a_span:.1f}")
    screen.print(table)


def show_queries(screen: Console, measured: Sequence[QueryCost], spans: int) -> None:
    """Print what queries cost."""
    table = Table("area", "query", title=f"The query function, {_MEMORY_MIB} MiB, over {spans:,} spans in S3")
    for column in ("first ms", "then ms", "CPU ms", "peak MB", "S3 requests"):
        table.add_column(column, justify="right")
    for each in measured:
        times = (each.cold_seconds, each.seconds, each.cpu_seconds)
        cells = (
            *(f"{seconds * 1e3:,.0f}" for seconds in times),
            f"{each.peak_memory / 1e6:,.0f}",
            f"{each.s3_gets:,.0f}",
        )
        table.add_row(each.area, each.label, *cells)
    table.caption = (
        f"First: of a new process, without its start. Then: median of {_ASKED}. CPU: mean of all of these. "
        f"S3 answers {GET_SECONDS * 1e3:.0f} ms later than it does."
    )
    screen.print(table)


def _merging(runtime: Runtime, spans: int, blocks: int, seed: int) -> Merging:
    with lake(runtime) as place:
        return merging(place, spans, blocks, seed)


def main() -> None:
    """Measures, prints the tables, and writes the file that bench.cost.report reads."""
    options = arguments(__doc__).parse_args()
    screen = console()
    with screen.status("building layers") as status:
        runtime = build()
        status.update("sending")
        with lake(runtime) as place:
            taken = [requests(place, spans, options.seed) for spans in _SIZES]
        status.update("compacting")
        merged = [_merging(runtime, spans, blocks, options.seed) for spans, blocks in _MERGED]
        show_requests(screen, taken)
        show_mergings(screen, merged)
        status.update("asking")
        with lake(runtime) as place:
            answered = list(queries(place, Workload(options.spans, _PER_BLOCK, options.seed, options.end)))
    show_queries(screen, answered, options.spans)
    day, machine = f"{today():%Y-%m-%d}", f"{platform.machine()}, Python {runtime.target.python}"
    Measured(day, machine, _MEMORY_MIB, taken, merged, options.spans, answered).save()
    screen.print(f"written to {FILE}")


if __name__ == "__main__":
    main()
