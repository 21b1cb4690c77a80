"""Measures the merges of a tenant's small blocks of a day by invocations side by side, with the S3 server 20 ms away.

A sender of 100 requests a second makes 100 blocks a second. The first invocation is what the stream wakes: it hands
units of work to the others, each a process of its own, as Lambda hands them to instances of the function. The time is
from that to the last merge that is due; processes are made before.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from tests.cloud import Cloud, running

from bench.measure.report import console
from bench.measure.s3_latency import distant
from bench.workload.data_directory import store
from bench.workload.generate import SMALL, Workload, arguments
from spanlake.aws.compaction import Compaction, Unit, Units, Work
from spanlake.aws.environment import LambdaStore
from spanlake.aws.settings import settings
from spanlake.aws.telemetry import Telemetry
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.tenant import DEFAULT_TENANT

_DISTANCES = (0.0, 0.02)  # seconds
_MOST_SPANS = 320_000  # 3,200 blocks
_BLOCKS_PER_SECOND = 100


@dataclass(frozen=True)
class Speed:
    """Work and time of the merges of a day."""

    blocks: int
    left: int  # blocks, when no merge was due any more
    seconds: float
    cpu_seconds: float  # of the invocations

    @property
    def per_second(self) -> float:
        """Blocks merged in a second."""
        return (self.blocks - self.left) / self.seconds


class Handed(Units):
    """Hands units to the processes that wait."""

    def __init__(self, orders: Any) -> None:
        self._orders = orders

    def send(self, unit: Work) -> None:
        """Have a unit done by the next process that is free."""
        self._orders.put(unit)


def invocations(variables: Mapping[str, str], orders: Any, spent: Any, started: Any) -> None:
    """One instance of the function: does unit by unit until it is told to end, then tells its processor time."""
    os.environ.update(variables)
    config = settings(variables)
    compaction = Compaction(LambdaStore.open(config), config, Telemetry("bench"), Handed(orders))
    started.wait()
    begin = time.process_time()
    while (unit := orders.get()) is not None:
        compaction.run(unit)
        orders.task_done()
    spent.put(time.process_time() - begin)


@contextmanager
def instances(variables: Mapping[str, str], count: int) -> Iterator[tuple[Any, Any]]:
    """That many processes that have started, their orders and what they spent."""
    context = multiprocessing.get_context("spawn")
    orders, spent, started = context.JoinableQueue(), context.Queue(), context.Barrier(count + 1)
    processes = [context.Process(target=invocations, args=(variables, orders, spent, started)) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        started.wait()
        yield orders, spent
    finally:
        for _ in processes:
            orders.put(None)
        for process in processes:
            process.join()


def speed(cloud: Cloud, workload: Workload, seconds: float, count: int) -> Speed:
    """Store a workload's requests as blocks, then merge what is due by so many processes, with S3 so far away."""
    variables = {
        **cloud.environment,
        "SPANLAKE_OBJECTS": f"s3://{cloud.bucket()}",
        "SPANLAKE_INDEX": f"dynamodb://{cloud.table()}",
        "SPANLAKE_RETENTION": "0",
    }
    lake = LambdaStore.open(settings(variables))
    store(lake.objects, lake.index, workload)
    stored = len(lake.index.find(DEFAULT_TENANT, MIN_NS, MAX_NS))
    compactor = Compactor(lake.objects, lake.index)
    with (
        distant(cloud.s3, seconds) as url,
        instances({**variables, "AWS_ENDPOINT_URL_S3": url}, count) as (orders, spent),
    ):
        begin = time.perf_counter()
        while due := [day for day in compactor.days() if compactor.plan(*day)]:
            for tenant, day in due:
                orders.put(Unit(tenant, day))
            orders.join()
        taken = time.perf_counter() - begin
    left = lake.index.find(DEFAULT_TENANT, MIN_NS, MAX_NS)
    assert sum(block.spans for block in left) == workload.spans
    cpu = sum(spent.get() for _ in range(count))
    lake.index.close()
    return Speed(stored, len(left), taken, cpu)


def main() -> None:
    """Measures at each distance, with each number of invocations, and prints the table."""
    parser = arguments(__doc__)
    parser.add_argument("--invocations", type=_numbers, default=(1, 2, 4), help="side by side (1,2,4)")
    options = parser.parse_args()
    workload = Workload(min(options.spans, _MOST_SPANS), SMALL, options.seed, options.end)
    table = Table("S3 is away", title=f"Merging blocks of {SMALL} spans")
    for column in ("invocations", "blocks", "left", "s", "blocks/s", "CPU ms a block", "needed for 100/s"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name, running(Path(name)) as cloud:
        os.environ.update(cloud.environment)
        for distance in _DISTANCES:
            for count in options.invocations:
                one = speed(cloud, workload, distance, count)
                table.add_row(
                    f"{distance * 1000:.0f} ms",
                    f"{count}",
                    f"{one.blocks:,}",
                    f"{one.left:,}",
                    f"{one.seconds:.1f}",
                    f"{one.per_second:.0f}",
                    f"{one.cpu_seconds / one.blocks * 1000:.1f}",
                    f"{_BLOCKS_PER_SECOND / one.per_second * count:.1f}",
                )
    console().print(table)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from error


if __name__ == "__main__":
    main()
