"""Measures the functions of two versions of spanlake in turns: this one, and a checkout with a venv of its own.

Counted is the CPU time of the processes from event to answer, in rounds: each side takes the same requests in, then its
compact function merges the blocks of the round. Both use the same servers for S3 and DynamoDB, each a bucket and a
table of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Self

from rich.table import Table
from tests.aws.events import http_event, stream_event
from tests.cloud import Cloud, running

from bench.measure.functions import PROTOBUF
from bench.measure.report import console
from bench.workload.generate import Workload, bodies
from spanlake.store.index.dynamodb.table import day_of, is_entry_key

_WARM_UPS = 20
_CALLER = {"lambda": {"tenants": "single-tenant", "tenant": "single-tenant"}}
"""As today's authorizer says it, and the one of the first versions."""
_HANDLER = """
import json, os, sys, time
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path[:0] = [os.getcwd(), os.environ["BENCH_CONTEXT"]]
from events import Context
from handler import handler
for line in sys.stdin:
    event = json.loads(line)
    begin = time.process_time()
    answer = handler(event, Context(function_name="bench"))
    used = time.process_time() - begin
    print(json.dumps([used, answer]), file=answers, flush=True)
"""


@dataclass
class Handler:
    """A process of a function; it takes events as lines."""

    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, checkout: Path, name: str, variables: dict[str, str]) -> Self:
        """Start the function of a checkout."""
        environment = {**os.environ, **variables, "BENCH_CONTEXT": str(Path("tests/aws").absolute())}
        command = (str(checkout / ".venv/bin/python"), "-c", _HANDLER)
        pipe = subprocess.PIPE
        folder = checkout / "functions" / name
        return cls(
            subprocess.Popen(
                command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
            )
        )

    def handle(self, event: str) -> tuple[float, Any]:
        """Returns CPU seconds, and the answer; raises RuntimeError when the process ends."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(event, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the function ended with status {self.process.wait()}")
        seconds, answer = json.loads(line)
        return seconds, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Side:
    """One version: its functions, and CPU seconds of each request, and of each block that was merged."""

    ingest: Handler
    compact: Handler
    cloud: Cloud
    table: str
    requests: list[float] = field(default_factory=list)
    merged: list[float] = field(default_factory=list)

    def take(self, event: str) -> float:
        """Returns CPU seconds of a request."""
        seconds, answer = self.ingest.handle(event)
        if answer["statusCode"] != 200:
            raise RuntimeError(answer)
        return seconds

    def merge(self, blocks: int) -> None:
        """Merge what was stored."""
        event = stream_event([self._day_key()])
        seconds, answer = self.compact.handle(json.dumps(event))
        if answer["batchItemFailures"]:
            raise RuntimeError(answer)
        self.merged.append(seconds / blocks)

    def _day_key(self) -> tuple[str, str]:
        client = self.cloud.session.client("dynamodb")
        pages = client.get_paginator("scan").paginate(TableName=self.table, ProjectionExpression="pk, sk")
        keys = [(item["pk"]["S"], item["sk"]["S"]) for page in pages for item in page["Items"]]
        return next(key for key in keys if day_of(key) is not None and not is_entry_key(key))


def _side(stack: ExitStack, cloud: Cloud, checkout: Path) -> Side:
    table = cloud.table()
    variables = {
        "SPANLAKE_OBJECTS": f"s3://{cloud.bucket()}",
        "SPANLAKE_INDEX": f"dynamodb://{table}",
        "SPANLAKE_RETENTION": "0",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_REGION": "us-east-1",
    }
    ingest, compact = (stack.enter_context(Handler.start(checkout, name, variables)) for name in ("ingest", "compact"))
    return Side(ingest, compact, cloud, table)


def _event(body: bytes) -> str:
    return json.dumps(http_event("POST", "/v1/traces", headers=PROTOBUF, body=body, authorizer=_CALLER))


def _rounds(sides: Sequence[Side], spans: int, blocks: int, rounds: int) -> None:
    end = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)  # one day holds all
    workload = Workload(spans * blocks * rounds, spans, 1, end + timedelta(minutes=1))
    requests = map(_event, bodies(workload.file()))
    for number in range(rounds):
        for turn, event in enumerate(islice(requests, blocks)):
            for side in sides if turn % 2 else reversed(sides):
                used = side.take(event)
                if number or turn >= _WARM_UPS:
                    side.requests.append(used)
        for side in sides:
            side.merge(blocks)


def _row(table: Table, label: str, times: Sequence[Sequence[float]]) -> None:
    for name, computed in (("mean", statistics.mean), ("median", statistics.median)):
        other, own = (computed(each) * 1000 for each in times)
        table.add_row(label, name, f"{len(times[0])}", f"{other:.2f}", f"{own:.2f}", f"{own / other:.3f}")


def main() -> None:
    """Starts both versions' functions, hands them events in turns and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="checkout of the other version, with a .venv")
    parser.add_argument("--spans", type=int, default=512, help="spans of a request (%(default)s)")
    parser.add_argument("--blocks", type=int, default=100, help="requests in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    table = Table("CPU ms of", "", "samples", "other", "this", "ratio", title=f"{options.spans} spans a request")
    with (
        tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name,
        running(Path(name)) as cloud,
        ExitStack() as stack,
    ):
        os.environ.update(cloud.environment)
        sides = [_side(stack, cloud, checkout) for checkout in (options.other.absolute(), Path.cwd())]
        _rounds(sides, options.spans, options.blocks, options.rounds)
        _row(table, "ingest, a request", [side.requests for side in sides])
        _row(table, "compact, a block", [side.merged for side in sides])
    console().print(table)


if __name__ == "__main__":
    main()
