"""Blocks that an answer goes without: those beyond the number that a request opens, and those whose objects are gone.

A day on which compaction lags behind has tens of thousands of blocks: a search goes without the oldest, and says so.
What counts all spans is refused, or goes without the oldest blocks where answers may be partial by a setting. Of
objects that are gone, what retention explains is left out; anything else is an error or noted. Retention explains
nothing by a clock that is in doubt: set ahead for a minute, it would hide any block in silence.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, timedelta

from spanlake.query.scan.blocks import BlockScan
from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS
from spanlake.store.errors import BlockMissing
from spanlake.store.maintenance.retention import oldest_day

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Unread:
    """Blocks that an answer goes without, and those that it was made of."""

    paths: set[str] = field(default_factory=set)
    read: int = 0

    @property
    def message(self) -> str:
        """The reason why an answer is partial; empty for a whole one."""
        if not self.paths:
            return ""
        return (
            f"the oldest {len(self.paths)} of {len(self.paths) + self.read} blocks were not read, since compaction has "
            "not merged them yet: ask for a shorter time range, or later"
        )


UNREAD: ContextVar[Unread | None] = ContextVar("UNREAD", default=None)
"""Blocks that the answer to a request goes without; None where nobody wants to know."""


def affordable(source: BlockScan, most: int, end_ns: int = MAX_NS) -> BlockScan:
    """Restrict the source to its ``most`` newest blocks, those that start after a time last, and note the others.

    0 is no bound.
    """
    if not most or len(source.blocks) <= most:
        return source
    ordered = newest_first(source.blocks, end_ns)
    newest = set(ordered[:most])
    note_unread(most, ordered[most:])
    return source.only(block for block in source.blocks if block in newest)


def newest_first(blocks: Sequence[Block], end_ns: int = MAX_NS) -> list[Block]:
    """Sort blocks by their end, the latest first; blocks that start after a time come last."""
    return sorted(blocks, key=lambda block: (block.start_ns <= end_ns, block.end_ns, block.id), reverse=True)


def note_unread(read: int, blocks: Sequence[Block]) -> None:
    """Have the answer say that it was made of so many blocks without these."""
    noted = UNREAD.get()
    if noted is not None and blocks:
        noted.read = min(noted.read, read) if noted.paths else read
        noted.paths.update(block.path for block in blocks)


LEFT_OUT: ContextVar[list[str] | None] = ContextVar("LEFT_OUT", default=None)
"""Paths of the blocks that are missing in the answer to a request; None where nobody wants to know."""


@dataclass(frozen=True, slots=True)
class MissingBlocks:
    """The policy for live blocks whose objects are gone."""

    retention: timedelta | None = None
    left_out: bool = False  # whether answers go without them, marked as partial
    count: Callable[[int], None] = lambda _: None

    def judge(self, blocks: Iterable[Block], now_ns: Callable[[], int | None]) -> None:
        """Return when an answer may go without these blocks; raises BlockMissing, which names one, when it may not.

        ``now_ns`` tells the time, None where no clock can be relied on.
        """
        oldest = self._oldest_day(now_ns)
        unexplained = [block for block in blocks if block.date >= oldest]
        if not unexplained:
            return
        self.count(len(unexplained))
        paths = sorted(block.path for block in unexplained)
        _log.error("live blocks have no objects", extra={"blocks": len(paths), "first": paths[0]})
        if not self.left_out:
            more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
            raise BlockMissing(
                f"the block {paths[0]}{more} is in the index, but there is no such object: restore it, or "
                "`spanlake verify --quarantine` removes its entry"
            )
        noted = LEFT_OUT.get()
        if noted is not None:
            noted += paths

    def _oldest_day(self, now_ns: Callable[[], int | None]) -> date:
        """Return the first day that the retention keeps; objects of days before it may go before their entries."""
        now = None if self.retention is None else now_ns()
        if self.retention is None or now is None:
            return date.min
        return oldest_day(self.retention, now)
