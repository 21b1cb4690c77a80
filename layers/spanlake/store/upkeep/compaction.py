"""Merges carried out: the new block's object first, then the swap in the index."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from spanlake.store.block_facts import check_content
from spanlake.store.days import day_range
from spanlake.store.errors import IndexConflict, ObjectNotFound, StorageCorrupt
from spanlake.store.index import Block, DaySummary, Index
from spanlake.store.objects import Objects
from spanlake.store.upkeep.merge import merge_blocks
from spanlake.store.upkeep.policy import Merge, plan

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Compacted:
    """A merge that was done."""

    merge: Merge
    block: Block | None  # None when every span of the inputs was hidden


def days_of(summary: Iterable[DaySummary]) -> list[tuple[str, date]]:
    """The tenants and days in a summary, the latest day first."""
    days = {(day.date, day.tenant) for day in summary}
    return [(tenant, day) for day, tenant in sorted(days, reverse=True)]


class Compactor:
    """Compacts the blocks of a store. Several may work on one store: of two that merge the same blocks one loses.

    Killed at any instant it leaves at most an object without an entry.
    """

    def __init__(
        self,
        objects: Objects,
        index: Index,
        clock: Callable[[], int] = time.time_ns,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """``pause`` is called while blocks are merged; it may wait, and what it raises ends the merge."""
        self._objects = objects
        self._index = index
        self._clock = clock
        self._pause = pause
        self._unreadable: dict[str, str] = {}  # by path what is wrong

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Blocks that could not be read, by their paths; what is wrong with each, in words that name it."""
        return self._unreadable

    def days(self) -> list[tuple[str, date]]:
        """The tenants and days that have live blocks, the latest day first."""
        return days_of(self._index.summary())

    def plan(self, tenant: str, day: date, *, settle: bool = False) -> list[Merge]:
        """The merges that are due; with ``settle`` also those that would wait for the end of the day."""
        found = self._index.find(tenant, *day_range(day))
        live = [block for block in found if block.date == day and block.path not in self._unreadable]
        return plan(live, self._clock(), settle=settle)

    def run(self, merge: Merge) -> Compacted | None:
        """Merge blocks; None when that could not be done, since a block changed meanwhile or cannot be read.

        A block that cannot be read is not planned for again. Raises StorageUnavailable.
        """
        try:
            return self._run(merge)
        except IndexConflict as error:
            _log.info("somebody else was quicker to merge", extra={"reason": str(error)})
        except (ObjectNotFound, StorageCorrupt) as error:
            _log.error("blocks could not be merged", extra={"reason": str(error)})
            faults = self._faults(merge.inputs) or {block.path: f"{block.path}: {error}" for block in merge.inputs}
            for reason in faults.values():
                _log.error("block cannot be read", extra={"reason": reason})
            self._unreadable |= faults
        return None

    def _run(self, merge: Merge) -> Compacted:
        merged = merge_blocks(self._objects, merge, self._pause)
        if merged is None:
            self._index.replace([], merge.inputs)
            return Compacted(merge, None)
        if merged.catalog:
            self._index.add([], {(merged.block.tenant, merged.block.date): merged.catalog})
        self._objects.put(merged.block.path, merged.data)
        self._index.replace([merged.block], merge.inputs)
        return Compacted(merge, merged.block)

    def _faults(self, blocks: Sequence[Block]) -> dict[str, str]:
        """What is wrong with those of the blocks that are missing or damaged, by their paths."""
        found = {}
        for block in blocks:
            try:
                check_content(block, self._objects.get(block.path))
            except ObjectNotFound:
                found[block.path] = f"the block {block.path} is in the index, but there is no such object"
            except StorageCorrupt as error:
                found[block.path] = str(error)
        return found
