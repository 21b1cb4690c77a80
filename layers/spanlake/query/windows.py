"""What a search reads one after the other, newest first: windows of time, or portions of the blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spanlake.store.index import Block

HOUR_NS = 3600 * 1_000_000_000
PORTION_SPANS = 100_000


@dataclass(frozen=True)
class Window:
    """An inclusive range of Unix nanoseconds."""

    start_ns: int
    end_ns: int


def portions(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """All blocks, those that end last first: some PORTION_SPANS of spans, then four times as many each time."""
    newest = sorted(blocks, key=lambda block: (block.end_ns, block.id), reverse=True)
    size = PORTION_SPANS
    portion: list[Block] = []
    for block in newest:
        portion.append(block)
        if sum(one.spans for one in portion) >= size:
            yield portion
            portion = []
            size *= 4
    if portion:
        yield portion


def windows(bounds: Window, blocks: Sequence[Block]) -> Iterator[Window]:
    """Cut the part of ``bounds`` that blocks cover into whole hours, the newest alone, then twice as many each time.

    Hours begin on the hour. Windows end where a block does: the time between blocks is passed over at once.
    """
    hours = 1
    end = _latest(blocks, bounds.end_ns)
    while end is not None and end >= bounds.start_ns:
        start = max((end // HOUR_NS - hours + 1) * HOUR_NS, bounds.start_ns)
        yield Window(start, end)
        hours *= 2
        end = _latest(blocks, start - 1)


def _latest(blocks: Sequence[Block], bound: int) -> int | None:
    """The latest time up to a bound that a block covers."""
    return max((min(block.end_ns, bound) for block in blocks if block.start_ns <= bound), default=None)
