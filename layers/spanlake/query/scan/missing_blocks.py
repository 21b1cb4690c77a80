"""Live blocks whose objects are gone: what retention explains is left out, anything else is an error or noted.

Retention explains nothing by a clock that is in doubt: set ahead for a minute, it would hide any block in silence.
"""

import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, timedelta

from spanlake.store.blocks.block import Block
from spanlake.store.errors import BlockMissing
from spanlake.store.maintenance.retention import oldest_day

_log = logging.getLogger(__name__)

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
