"""Measures items and read units of a query's index lookup, through a day of ingest with continuous compaction.

The day is played to DynamoDB Local at a simulated time: the index entries are real, objects are not made. Compaction
plans and swaps once a minute. Once with replaced blocks left where they were live for the whole time of grace, once
archived after ten minutes.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.table import Table
from tests.cloud import running

from bench.measure.report import console
from spanlake.store.blocks.block import Block
from spanlake.store.days import day_range
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.maintenance.compaction_plan import Merge, plan
from spanlake.store.maintenance.retention import GRACE_SECONDS

_DAY = datetime(2026, 11, 22, tzinfo=UTC)
_MINUTES = 1440
_SPANS = 100  # of a fresh block
_SPANS_OF_TRACE = 9
_FILTER_BITS = 10  # for each trace
_TENANT = "a"


@dataclass
class Reads:
    """Counts of what queries of the index have read."""

    items: int = 0
    units: float = 0.0
    pages: int = 0

    def note(self, parsed: dict[str, Any], **_: object) -> None:
        """Count an answer."""
        self.items += parsed["ScannedCount"]
        self.units += parsed["ConsumedCapacity"]["CapacityUnits"]
        self.pages += 1


@dataclass
class Day:
    """A day's index at a simulated time."""

    index: DynamoIndex
    archives: bool
    per_minute: int
    minute: int = 0
    samples: list[tuple[int, Reads]] = field(default_factory=list)  # by minute

    @property
    def seconds(self) -> int:
        """The time since 1970."""
        return int(_DAY.timestamp()) + 60 * self.minute

    def play(self) -> None:
        """Play all minutes, and look up the day at the end of each hour."""
        with patch.object(Requests, "now", lambda _: self.seconds):
            for self.minute in range(_MINUTES):
                self.index.add([self._fresh(number) for number in range(self.per_minute)], {})
                self._compact()
                if self.archives:
                    self.index.archive_replaced(self.seconds - GRACE_SECONDS)
                if self.minute % 60 == 59:
                    self.samples.append((self.minute, self._looked_up()))

    def _fresh(self, number: int) -> Block:
        start = self.seconds * 10**9 + number * 10**9
        name = f"{self.minute * self.per_minute + number:032x}"
        return Block(_TENANT, _DAY.date(), name, 0, start, start + 10**9, _SPANS, 9_000, start, _filter(_SPANS))

    def _compact(self) -> None:
        live = self.index.find(_TENANT, *day_range(_DAY.date()))
        for merge in plan(live, self.seconds * 10**9):
            self.index.replace([_merged(merge)], merge.inputs)

    def _looked_up(self) -> Reads:
        with reads(self.index) as found:
            self.index.look_up(_TENANT, *day_range(_DAY.date()))
        return found


def _filter(spans: int) -> bytes:
    return bytes(spans // _SPANS_OF_TRACE * _FILTER_BITS // 8)


def _merged(merge: Merge) -> Block:
    first = min(merge.inputs, key=lambda block: block.start_ns)
    spans = sum(block.spans for block in merge.inputs)
    return replace(
        first,
        id=f"f{first.level}{first.id[2:]}",
        level=first.level + 1,
        end_ns=max(block.end_ns for block in merge.inputs),
        spans=spans,
        size=sum(block.size for block in merge.inputs),
        trace_filter=_filter(spans),
    )


@contextmanager
def reads(index: DynamoIndex) -> Iterator[Reads]:
    """Counts what the queries of an index read meanwhile."""
    found, events = Reads(), index.client.meta.events

    def ask(params: dict[str, Any], **_: object) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    events.register("provide-client-params.dynamodb.Query", ask)
    events.register("after-call.dynamodb.Query", found.note)
    yield found
    events.unregister("provide-client-params.dynamodb.Query", ask)
    events.unregister("after-call.dynamodb.Query", found.note)


def _table(per_minute: int, before: Sequence[tuple[int, Reads]], after: Sequence[tuple[int, Reads]]) -> Table:
    table = Table("hour", title=f"A lookup of a day with {per_minute} blocks a minute: left in place, and archived")
    for column in ("items", "archived", "ratio", "read units", "archived", "ratio"):
        table.add_column(column, justify="right")
    for (minute, one), (_, other) in zip(before, after, strict=True):
        if minute % 240 == 239:
            table.add_row(f"{minute // 60 + 1}", *_cells(one.items, other.items), *_cells(one.units, other.units))
    items = [sum(found.items for _, found in day) / len(day) for day in (before, after)]
    units = [sum(found.units for _, found in day) / len(day) for day in (before, after)]
    table.add_row("mean", *_cells(*items), *_cells(*units))
    return table


def _cells(one: float, other: float) -> tuple[str, str, str]:
    return f"{one:,.0f}", f"{other:,.0f}", f"{one / other:.1f}"


def main() -> None:
    """Measures both and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-minute", type=int, default=10, help="blocks that come in (%(default)s)")
    per_minute = parser.parse_args().per_minute
    days = []
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name, running(Path(name)) as cloud:
        os.environ.update(cloud.environment)
        for archives in (False, True):
            index = DynamoIndex(cloud.table())
            days.append(Day(index, archives, per_minute))
            days[-1].play()
            index.close()
    console().print(_table(per_minute, *(day.samples for day in days)))


if __name__ == "__main__":
    main()
