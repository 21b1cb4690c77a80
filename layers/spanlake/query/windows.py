"""The windows of time that a search reads one after the other, newest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spanlake.store.index import Block

HOUR_NS = 3600 * 1_000_000_000


@dataclass(frozen=True)
class Window:
    """An inclusive range of Unix nanoseconds."""

    start_ns: int
    end_ns: int

    @property
    def is_one_hour(self) -> bool:
        """Whether it lies within one hour by the clock."""
        return self.start_ns // HOUR_NS == self.end_ns // HOUR_NS


def windows(bounds: Window, blocks: Sequence[Block]) -> Iterator[Window]:
    """Cut the part of ``bounds`` that blocks cover into whole hours, the newest alone, then twice as many each time.

    Hours begin on the hour. Windows that no block touches are left out.
    """
    if not blocks:
        return
    end = min(bounds.end_ns, max(block.end_ns for block in blocks))
    oldest = max(bounds.start_ns, min(block.start_ns for block in blocks))
    hours = 1
    while end >= oldest:
        start = max((end // HOUR_NS - hours + 1) * HOUR_NS, bounds.start_ns)
        touched = [block.end_ns for block in blocks if block.start_ns <= end and block.end_ns >= start]
        if touched:
            yield Window(start, end)
            hours *= 2
        end = start - 1
