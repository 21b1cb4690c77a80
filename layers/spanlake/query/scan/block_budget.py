"""Bounds the number of blocks that a request opens: a day on which compaction lags behind has tens of thousands.

A search goes without the oldest blocks, and says so. What counts all spans is refused, or goes without the oldest
blocks where answers may be partial by a setting.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from spanlake.query.scan.blocks import BlockScan
from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS


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
