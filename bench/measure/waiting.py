"""Measures queries over a day of fresh blocks that compaction has not merged: 20,000 unless told otherwise.

On embedded storage, and with ``--cloud`` on an S3 server that is 20 ms away and DynamoDB Local, with the limits of a
function of 1,024 MiB. Prints how long each
query takes, how much processor time, of how many blocks it asks for the files, and the most memory resident meanwhile.
"""

import argparse
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
from rich.table import Table
from tests.cloud import running

from bench.measure.report import console
from bench.measure.s3_latency import distant
from bench.workload.data_directory import copied, other_ids
from bench.workload.generate import SMALL, Workload, bodies
from spanlake.aws.settings import settings
from spanlake.query.limits import LimitExceeded, Limits
from spanlake.query.open import open_querier
from spanlake.query.plan import plan_metrics, plan_search
from spanlake.query.querier import Querier
from spanlake.query.scan.unread_blocks import UNREAD, Unread
from spanlake.query.search import Search
from spanlake.query.time_range import Steps, TimeRange
from spanlake.settings.model import QueryLimits
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS, day_range
from spanlake.store.errors import StoreError
from spanlake.store.index.base import Index
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from spanlake.store.objects.s3 import S3Location, S3Objects
from spanlake.store.tenant import DEFAULT_TENANT
from spanlake.store.write import write
from spanlake.traceql.parser import parse
from spanlake.traceql.validate import validate

_BLOCKS = 20_000
_REQUESTS = 200  # that are made; the other blocks hold copies with other ids and times
_HOURS = 20
_INDEX = "index.sqlite"
_AT_ONCE = 40  # entries that are added
_AWAY = 0.02  # seconds to S3
_ABSENT = bytes(range(16))  # a trace id
_SEARCHES = (
    "{ }",
    "{ status = error }",
    "{ span.http.status_code = 500 }",
    "{ } | by(resource.service.name) | count() > 8",
    '{ name = "nobody" }',
)
_METRICS = ("{ } | rate()", "{ status = error } | rate() by (resource.service.name)")


@dataclass(frozen=True)
class Cost:
    """The cost and the outcome of a query."""

    query: str
    seconds: float
    cpu_seconds: float
    blocks: int
    memory: int  # bytes
    outcome: str

    def row(self) -> Iterator[str]:
        """The cells of the table."""
        yield self.query
        yield f"{self.seconds:.1f}"
        yield f"{self.cpu_seconds:.1f}"
        yield f"{self.blocks:,}"
        yield f"{self.memory >> 20:,}"
        yield self.outcome


@dataclass(frozen=True)
class Day:
    """A tenant's day of fresh blocks."""

    querier: Querier
    blocks: Sequence[Block]

    @property
    def range(self) -> TimeRange:
        """The time of all spans."""
        return TimeRange(min(block.start_ns for block in self.blocks), max(block.end_ns for block in self.blocks))

    def costs(self) -> Iterator[Cost]:
        """Ask each query once."""
        when = self.range
        for query in _SEARCHES:
            wanted = Search(plan_search(self._checked(query)), when.start_ns, when.end_ns)
            yield self._cost(query, partial(self.querier.search, DEFAULT_TENANT, wanted))
        for query in _METRICS:
            steps = Steps.aligned(when.start_ns, when.end_ns, 60 * 10**9, 20_000)
            yield self._cost(
                query, partial(self.querier.metrics, DEFAULT_TENANT, plan_metrics(self._checked(query)), steps)
            )
        yield self._cost("trace by id", partial(self.querier.trace, DEFAULT_TENANT, _ABSENT))

    def _checked(self, query: str):  # type: ignore[no-untyped-def]
        return validate(parse(query), self.querier.sizes)

    def _cost(self, query: str, ask: Callable[[], object]) -> Cost:
        unread = Unread()
        token = UNREAD.set(unread)
        forget_peak()
        start, cpu = time.perf_counter(), time.process_time()
        with asked_files() as paths:
            try:
                found = ask()
                outcome = "none" if found is None else f"{len(found)} found"  # type: ignore[arg-type]
            except (LimitExceeded, StoreError) as error:
                outcome = str(error)[:60]
        UNREAD.reset(token)
        partial_ = f", {len(unread.paths):,} blocks not read" if unread.paths else ""
        return Cost(
            query, time.perf_counter() - start, time.process_time() - cpu, len(paths), peak_memory(), outcome + partial_
        )


def forget_peak() -> None:
    """Have the kernel measure the most memory of this process anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """The most bytes that this process has had resident since."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


@contextmanager
def asked_files() -> Iterator[set[str]]:
    """Paths of the blocks whose files are asked for meanwhile."""
    paths: set[str] = set()
    files = Querier._files

    def noted(querier: Querier, session: object, blocks: Sequence[Block], **more: bool) -> list[str]:
        paths.update(block.path for block in blocks)
        return files(querier, session, blocks, **more)  # type: ignore[arg-type]

    with patch.object(Querier, "_files", noted):
        yield paths


def fill(objects: Objects, index: Index, blocks: int) -> None:
    """Store so many blocks of small requests."""
    workload = Workload(_REQUESTS * SMALL, SMALL)
    tables = [decode([body]).table for body in bodies(workload.file())]
    for number, (copy, table) in enumerate(product(range(-(-blocks // len(tables))), tables)):
        if number < blocks:
            name = hashlib.sha256(f"{number}".encode()).digest()
            write(objects, index, DEFAULT_TENANT, _copied(table, copy), name)


def _copied(table: pa.Table, copy: int) -> pa.Table:
    """A copy with traces of its own, in one of twenty hours."""
    shifted = copied(table, copy % _HOURS)
    ids = other_ids(shifted["trace_id"].combine_chunks(), copy // _HOURS << 8)
    return shifted.set_column(shifted.schema.get_field_index("trace_id"), "trace_id", ids)


@contextmanager
def embedded(folder: Path, blocks: int) -> Iterator[Day]:
    """A day in a directory, which is filled unless it is there."""
    is_new = not (folder / _INDEX).exists()
    objects, index = LocalObjects(folder), SqliteIndex(folder / _INDEX)
    if is_new:
        fill(objects, index, blocks)
    yield Day(open_querier(objects, index, QueryLimits(), folder), index.find(DEFAULT_TENANT, 0, MAX_NS))
    index.close()


@contextmanager
def on_aws(folder: Path, blocks: int) -> Iterator[Day]:
    """A day in S3 and DynamoDB: that of the folder, if it holds one, else a new one."""
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as servers, running(Path(servers)) as cloud:
        os.environ.update(cloud.environment)
        location, index = S3Location(cloud.bucket()), DynamoIndex(cloud.table())
        if (folder / _INDEX).exists():
            take_over(folder, Path(servers) / "buckets" / location.bucket, index)
        else:
            fill(S3Objects(location), index, blocks)
        with distant(cloud.s3, _AWAY) as url:
            os.environ["AWS_ENDPOINT_URL_S3"] = url
            objects = S3Objects(location)
            limits = settings({"SPANLAKE_OBJECTS": f"s3://{location.bucket}", "SPANLAKE_INDEX": "dynamodb://"}).query
            yield Day(open_querier(objects, index, limits, None), index.find(DEFAULT_TENANT, 0, MAX_NS))
        index.close()


def take_over(folder: Path, bucket: Path, index: Index) -> None:
    """Copy the blocks of a directory to where the S3 server keeps its files, and their entries to an index."""
    shutil.copytree(folder / "spans", bucket / "spans")
    own = SqliteIndex(folder / _INDEX)
    for tenant in own.tenants():
        for day in own.days(tenant):
            blocks, catalog = own.live(tenant, day), own.catalog(tenant, *day_range(day))
            for first in range(0, len(blocks), _AT_ONCE):
                index.add(blocks[first : first + _AT_ONCE], {(tenant, day): catalog})
    own.close()


def main() -> None:
    """Measures each query and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=_BLOCKS, help="blocks (%(default)s)")
    parser.add_argument("--cloud", action="store_true", help="on S3 and DynamoDB")
    parser.add_argument(
        "--most", type=int, default=Limits().blocks, help="blocks that a query may open, 0 for any number"
    )
    parser.add_argument("--data", type=Path, help="directory to keep the blocks in, for another run")
    options = parser.parse_args()
    table = Table("query")
    for column in ("s", "CPU s", "blocks asked for", "MiB", "outcome"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name:
        folder = options.data or Path(name)
        folder.mkdir(exist_ok=True)
        with (on_aws if options.cloud else embedded)(folder, options.blocks) as day:
            day.querier.duck.limits = replace(day.querier.duck.limits, blocks=options.most)
            table.title = f"{len(day.blocks):,} blocks of {SMALL} spans that wait for compaction"
            for cost in day.costs():
                table.add_row(*cost.row())
    console().print(table)


if __name__ == "__main__":
    main()
