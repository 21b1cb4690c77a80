"""Measures the merges of a tenant's small blocks of a day in one invocation, with the S3 server 20 ms away.

A sender of 100 requests a second makes 100 blocks a second; `invocations` says how many have to run side by side.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tests.cloud import Cloud, running

from bench.measure.report import console
from bench.measure.s3_latency import distant
from bench.workload.data_directory import store
from bench.workload.generate import SMALL, Workload, arguments
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.objects.s3 import S3Location, S3Objects
from spanlake.store.tenant import DEFAULT_TENANT

_DISTANCES = (0.0, 0.02)  # seconds
_MOST_SPANS = 64_000
_BLOCKS_PER_SECOND = 100


@dataclass(frozen=True)
class Speed:
    """Work and time of the merges of a day."""

    blocks: int
    merges: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Blocks merged in a second."""
        return self.blocks / self.seconds


def speed(cloud: Cloud, workload: Workload, seconds: float) -> Speed:
    """Store a workload's requests as blocks, then merge what is due, with S3 so far away."""
    location, table = S3Location(cloud.bucket()), cloud.table()
    index = DynamoIndex(table)
    store(S3Objects(location), index, workload)
    with distant(cloud.s3, seconds) as url:
        os.environ["AWS_ENDPOINT_URL_S3"] = url
        compactor = Compactor(S3Objects(location), index)
        begin, cpu = time.perf_counter(), time.process_time()
        merges = [merge for tenant, day in compactor.days() for merge in compactor.plan(tenant, day)]
        done = [compactor.run(merge) for merge in merges]
        found = Speed(
            sum(len(merge.inputs) for merge in merges),
            len(merges),
            time.perf_counter() - begin,
            time.process_time() - cpu,
        )
    os.environ["AWS_ENDPOINT_URL_S3"] = cloud.s3
    assert None not in done
    assert sum(block.spans for block in index.find(DEFAULT_TENANT, 0, 2**63 - 1)) == workload.spans
    index.close()
    return found


def main() -> None:
    """Measures at each distance and prints the table."""
    options = arguments(__doc__).parse_args()
    workload = Workload(min(options.spans, _MOST_SPANS), SMALL, options.seed, options.end)
    table = Table("S3 is away", title=f"Merging blocks of {SMALL} spans")
    for column in ("blocks", "merges", "s", "blocks/s", "CPU ms a block", "invocations"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name, running(Path(name)) as cloud:
        os.environ.update(cloud.environment)
        for distance in _DISTANCES:
            one = speed(cloud, workload, distance)
            table.add_row(
                f"{distance * 1000:.0f} ms",
                f"{one.blocks:,}",
                f"{one.merges:,}",
                f"{one.seconds:.1f}",
                f"{one.per_second:.0f}",
                f"{one.cpu_seconds / one.blocks * 1000:.1f}",
                f"{-(-_BLOCKS_PER_SECOND // one.per_second):.0f}",
            )
    console().print(table)


if __name__ == "__main__":
    main()
