"""Days of blocks played through with compaction's own policy, without any spans."""

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from spanlake.store.blocks.block import Block
from spanlake.store.days import DAY_NS, day_range
from spanlake.store.maintenance.compaction_plan import Merge, plan

_DAY = date(2026, 11, 22)
_SECOND = 10**9
_LOOK = 32
"""Blocks that come in between two looks at what is due."""


@dataclass(frozen=True)
class Sizes:
    """Block sizes as measured: pairs of spans and bytes, in order."""

    measured: Sequence[tuple[int, int]]

    def of(self, spans: int) -> int:
        """The size of a block of so many spans, by those measured around it."""
        place = bisect_left(self.measured, (spans, 0))
        low = self.measured[max(place - 1, 0)]
        high = self.measured[min(place, len(self.measured) - 1)]
        if spans <= low[0] or low == high:
            return spans * low[1] // low[0]
        share = (spans - low[0]) / (high[0] - low[0])
        return int(low[1] + share * (high[1] - low[1])) if spans <= high[0] else spans * high[1] // high[0]


@dataclass
class Played:
    """Blocks of a simulated day, and the work that they caused."""

    live: list[Block] = field(default_factory=list)
    most_live: int = 0
    fresh_spans: int = 0
    fresh_bytes: int = 0
    merged_spans: int = 0
    merged_bytes: int = 0

    @property
    def span_writes(self) -> float:
        """Number of times that a span is written, ingest included."""
        return 1 + self.merged_spans / self.fresh_spans

    @property
    def amplification(self) -> float:
        """Bytes written in all for each that ingest writes."""
        return 1 + self.merged_bytes / self.fresh_bytes


def play(per_second: float, spans: int, hours: float, sizes: Sizes) -> Played:
    """A day on which requests of so many spans come in for some hours, each a block of its own, until it is settled."""
    played = Played()
    names = map("{:032x}".format, itertools.count())
    for number, fresh in enumerate(_arriving(per_second, spans, hours, sizes, names)):
        played.live.append(fresh)
        played.fresh_spans += fresh.spans
        played.fresh_bytes += fresh.size
        played.most_live = max(played.most_live, len(played.live))
        if number % _LOOK == 0:
            _compact(played, fresh.created_ns, sizes, names)
    _compact(played, day_range(_DAY)[1] + DAY_NS, sizes, names)
    return played


def _arriving(per_second: float, spans: int, hours: float, sizes: Sizes, names: Iterator[str]) -> Iterator[Block]:
    midnight, _ = day_range(_DAY)
    size = sizes.of(spans)
    for number in range(int(hours * 3600 * per_second)):
        start = midnight + int(number / per_second * _SECOND)
        yield Block("a", _DAY, next(names), 0, start, start + _SECOND, spans, size, start + _SECOND, b"")


def _compact(played: Played, now_ns: int, sizes: Sizes, names: Iterator[str]) -> None:
    while merges := plan(played.live, now_ns):
        gone = {block.id for merge in merges for block in merge.inputs}
        made = [_merged(merge, sizes, next(names)) for merge in merges]
        played.live = [block for block in played.live if block.id not in gone] + made
        played.merged_spans += sum(block.spans for block in made)
        played.merged_bytes += sum(block.size for block in made)


def _merged(merge: Merge, sizes: Sizes, name: str) -> Block:
    return replace(
        merge.inputs[0],
        id=name,
        level=max(block.level for block in merge.inputs) + 1,
        start_ns=min(block.start_ns for block in merge.inputs),
        end_ns=max(block.end_ns for block in merge.inputs),
        spans=merge.spans,
        size=sizes.of(merge.spans),
        created_ns=min(block.created_ns for block in merge.inputs),
    )
