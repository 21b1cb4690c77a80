"""Live blocks whose objects are gone: what retention explains is left out, anything else is an error or noted."""

import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from time import time_ns

from spanlake.store.blocks.block import Block
from spanlake.store.days import utc_day
from spanlake.store.errors import BlockMissing

_log = logging.getLogger(__name__)

LEFT_OUT: ContextVar[list[str] | None] = ContextVar("LEFT_OUT", default=None)
"""Paths of the blocks that are missing in the answer to a request; None where nobody wants to know."""


@dataclass(frozen=True, slots=True)
class MissingBlocks:
    """The policy for live blocks whose objects are gone."""

    retention: timedelta | None = None
    left_out: bool = False  # whether answers go without them, marked as partial
    count: Callable[[int], None] = lambda _: None

    def judge(self, blocks: Iterable[Block]) -> None:
        """Return when an answer may go without these blocks; raises BlockMissing, which names one, when it may not."""
        unexplained = [block for block in blocks if not self._is_too_old(block)]
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

    def _is_too_old(self, block: Block) -> bool:
        """True where the retention has removed the object, or the bucket was quicker than the index."""
        if self.retention is None:
            return False
        return block.date < utc_day(time_ns() - self.retention // timedelta(microseconds=1) * 1000)
