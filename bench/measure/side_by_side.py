"""Measures compaction of one tenant's day by several invocations side by side.

Processes stand for invocations; each does its share of the merges as the function does, by the units that a first one
hands out. Counted are merges that were done in vain, requests and processor time a block. How many blocks a second one
invocation merges with S3 20 ms away is computed of them: on a busy machine the clock tells little.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from tests.cloud import Cloud, running

from bench.measure.report import console
from bench.workload.data_directory import store
from bench.workload.generate import SMALL, Workload
from spanlake.aws.compaction import Compaction, Unit
from spanlake.aws.environment import LambdaStore
from spanlake.aws.settings import settings
from spanlake.aws.telemetry import Telemetry
from spanlake.store.days import MAX_NS
from spanlake.store.tenant import DEFAULT_TENANT

_MERGES = 20
_FAN_IN = 32
_SIDE_BY_SIDE = (1, 3, 5)
_S3_SECONDS = 0.02
_DYNAMODB_SECONDS = 0.005
_S3_AT_ONCE = 8  # inputs that a merge opens
_BLOCKS_PER_SECOND = 100


@dataclass(frozen=True)
class Work:
    """Counts of what one or several invocations did."""

    calls: Counter[str]
    cpu_seconds: float


@dataclass(frozen=True)
class Speed:
    """Work of the merges of a day by so many invocations."""

    invocations: int
    blocks: int
    merges: int
    in_vain: int
    work: Work

    @property
    def seconds_of_merge(self) -> float:
        """Computed: processor time, and the requests that wait for each other."""
        calls = self.work.calls
        s3 = sum(count for name, count in calls.items() if name.endswith("Object"))
        puts, gets = calls["PutObject"] / self.merges, (s3 - calls["PutObject"]) / self.merges
        dynamodb = (sum(calls.values()) - s3) / self.merges
        waiting = (gets / _S3_AT_ONCE + puts) * _S3_SECONDS + dynamodb * _DYNAMODB_SECONDS
        return self.work.cpu_seconds / self.merges + waiting

    @property
    def blocks_per_second(self) -> float:
        """Computed, of one invocation."""
        return self.blocks / self.merges / self.seconds_of_merge


class _Sent:
    def __init__(self) -> None:
        self.units: list[Unit] = []

    def send(self, unit: Any) -> None:
        self.units.append(unit)


def invocation(events: Sequence[str]) -> Work:
    """Do units as a function does, in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    opened = LambdaStore.open(settings(os.environ))
    calls: Counter[str] = Counter()
    for client in (opened.index.client, opened.objects.client):
        client.meta.events.register(
            "before-send", lambda event_name, **_: calls.update([event_name.rpartition(".")[2]])
        )
    compaction = Compaction(opened, settings(os.environ), Telemetry("bench"))
    for event in events:
        unit = Unit.of(json.loads(event))
        assert unit is not None
        compaction.run(unit)
    opened.index.close()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return Work(calls, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def speed(cloud: Cloud, invocations: int) -> Speed:
    """Merge a day by so many invocations."""
    os.environ |= {"SPANLAKE_OBJECTS": f"s3://{cloud.bucket()}", "SPANLAKE_INDEX": f"dynamodb://{cloud.table()}"}
    config = settings(os.environ)
    opened = LambdaStore.open(config)
    blocks = _MERGES * _FAN_IN
    store(opened.objects, opened.index, Workload(blocks * SMALL, SMALL))
    (day,) = opened.index.days(DEFAULT_TENANT)
    sent = _Sent()
    planning = Compaction(opened, config, Telemetry("bench"), sent)  # type: ignore[arg-type]
    merges = planning._planned((DEFAULT_TENANT, day))
    planning._share((DEFAULT_TENANT, day), merges)
    shares = [[json.dumps(unit.event) for unit in sent.units[number::invocations]] for number in range(invocations)]
    with ProcessPoolExecutor(invocations, multiprocessing.get_context("spawn")) as processes:
        done = list(processes.map(invocation, shares))
    calls = sum((work.calls for work in done), Counter[str]())
    live = opened.index.find(DEFAULT_TENANT, 0, MAX_NS)
    assert sum(block.spans for block in live) == blocks * SMALL
    merged = sum(block.level == 1 for block in live)
    opened.index.close()
    work = Work(calls, sum(work.cpu_seconds for work in done))
    return Speed(invocations, sum(len(one.inputs) for one in merges), merged, calls["PutObject"] - merged, work)


def main() -> None:
    """Measures and prints the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    table = Table("side by side", title=f"Merges of one tenant's day, blocks of {SMALL} spans")
    columns = ("merges", "in vain", "S3 requests a block", "DynamoDB a merge", "CPU ms a block")
    for column in (*columns, "s a merge, S3 20 ms away", "blocks/s of one", "needed for 100/s"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name, running(Path(name)) as cloud:
        os.environ.update({**cloud.environment, "POWERTOOLS_METRICS_NAMESPACE": "bench"})
        for invocations in _SIDE_BY_SIDE:
            one = speed(cloud, invocations)
            s3 = sum(count for name_, count in one.work.calls.items() if name_.endswith("Object"))
            table.add_row(
                f"{one.invocations}",
                f"{one.merges}",
                f"{one.in_vain}",
                f"{s3 / one.blocks:.2f}",
                f"{(sum(one.work.calls.values()) - s3) / one.merges:.1f}",
                f"{one.work.cpu_seconds / one.blocks * 1000:.1f}",
                f"{one.seconds_of_merge:.2f}",
                f"{one.blocks_per_second:.0f}",
                f"{-(-_BLOCKS_PER_SECOND // one.blocks_per_second):.0f}",
            )
    console().print(table)


if __name__ == "__main__":
    main()
