"""What a search reads one after the other, newest first: windows of time, or portions of the blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spanlake.store.index import Block

HOUR_NS = 3600 * 1_000_000_000
PORTION_SPANS = 100_000
_GROWTH = 4
_LARGE = 2
_ALL_IDS = 1 << 128


@dataclass(frozen=True)
class Window:
    """An inclusive range of Unix nanoseconds."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Ids:
    """Trace ids of 16 bytes from ``low`` on, and below ``high`` if there is one."""

    low: bytes
    high: bytes | None


@dataclass(frozen=True)
class Portion:
    """Some blocks, or the traces in them with ids of a range."""

    blocks: tuple[Block, ...]
    ids: Ids | None = None


def portions(blocks: Sequence[Block], *, share: int = 1) -> Iterator[Portion]:
    """All blocks, those that end last first: a share of PORTION_SPANS of spans, then four times as many each time.

    A block of many more is cut by trace ids, which compacted blocks are sorted by. The ``share`` is one in so many.
    """
    size = max(PORTION_SPANS // share, 1)
    gathered: list[Block] = []
    for block in sorted(blocks, key=lambda block: (block.end_ns, block.id), reverse=True):
        if block.spans > _LARGE * size:
            if gathered:
                yield Portion(tuple(gathered))
                gathered, size = [], size * _GROWTH
            for ids in _id_ranges(size / block.spans):
                yield Portion((block,), ids)
                size *= _GROWTH
            continue
        gathered.append(block)
        if sum(one.spans for one in gathered) >= size:
            yield Portion(tuple(gathered))
            gathered, size = [], size * _GROWTH
    if gathered:
        yield Portion(tuple(gathered))


def _id_ranges(share: float) -> Iterator[Ids]:
    """All ids, the first range with this share of them, each later one larger."""
    low, end = 0, share
    while end * _LARGE < 1 or low == 0:
        high = min(int(end * _ALL_IDS), _ALL_IDS - 1)
        yield Ids(low.to_bytes(16), high.to_bytes(16))
        share *= _GROWTH
        low, end = high, end + share
    yield Ids(low.to_bytes(16), None)


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
