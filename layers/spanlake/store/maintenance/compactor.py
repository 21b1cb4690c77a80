"""Merges carried out: the new block's object first, then the swap in the index."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from spanlake.store.blocks.block import Block, DaySummary
from spanlake.store.blocks.entry import check_content
from spanlake.store.days import day_range
from spanlake.store.errors import IndexConflict, ObjectNotFound, StorageCorrupt, StoreError
from spanlake.store.index.base import Day, Index, MergeKey, UnfinishedMerge, quarantined
from spanlake.store.index.catalog import listed
from spanlake.store.maintenance.compaction_plan import USUAL_PLAN, Merge, PlanPolicy, plan
from spanlake.store.maintenance.merge import USUAL_MERGE, MergePolicy, merge_blocks, merged_id
from spanlake.store.objects.base import Objects

_LOOK_SECONDS = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Compacted:
    """A merge that was done."""

    merge: Merge
    block: Block | None  # None when every span of the inputs was hidden


def days_of(summary: Iterable[DaySummary]) -> list[tuple[str, date]]:
    """Return the tenants and days in a summary, the latest day first."""
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
        checkpoint: Callable[[], None] = lambda: None,
        *,
        quarantines: bool = True,
        plan_policy: PlanPolicy = USUAL_PLAN,
        merge_policy: MergePolicy = USUAL_MERGE,
    ) -> None:
        """``pause`` is called while blocks are merged; it may wait, and what it raises ends the merge.

        Unless it ``quarantines``, it tries again what has failed too often.
        """
        self._objects = objects
        self._index = index
        self._clock = clock
        self._pause = checkpoint
        self._unreadable: dict[str, str] = {}  # by path what is wrong
        self._quarantines = quarantines
        self._plan_policy = plan_policy
        self._merge_policy = merge_policy
        self.waiting = 0  # live blocks that no merge has taken, on the day that was planned for last
        self._ended: Exception | None = None  # what ``pause`` raised
        self._quarantined: tuple[float, Mapping[Day, UnfinishedMerge]] = (0.0, {})

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Blocks that could not be read, by their paths; what is wrong with each, in words that name it."""
        return self._unreadable

    def quarantined(self) -> Mapping[Day, UnfinishedMerge]:
        """Return the tenants and days that are left alone for a day, with the merge that failed too often."""
        if not self._quarantines:
            return {}
        until, found = self._quarantined
        if time.monotonic() >= until:
            found = quarantined(self._index.unfinished_merges(), time.time())
            self._quarantined = time.monotonic() + _LOOK_SECONDS, found
        return found

    def days(self) -> list[tuple[str, date]]:
        """Return the tenants and days that have live blocks, the latest day first."""
        return days_of(self._index.summary())

    def plan(self, tenant: str, day: date, *, settle: bool = False) -> list[Merge]:
        """Return the merges that are due; with ``settle`` also those that would wait for the end of the day.

        None of a day that is quarantined.
        """
        self.waiting = 0
        if (tenant, day) in self.quarantined():
            return []
        found = self._index.find(tenant, *day_range(day))
        live = [block for block in found if block.date == day and block.path not in self._unreadable]
        self.waiting = sum(block.level == 0 for block in live)
        return plan(live, self._clock(), settle=settle, policy=self._plan_policy)

    def run(self, merge: Merge) -> Compacted | None:
        """Merge blocks; None when that could not be done, since a block changed meanwhile or the merge failed.

        Blocks that cannot be read, or not be merged, are not planned for again. A day of which a merge has failed
        three times, in other processes or with them, is quarantined. Raises StorageUnavailable, which is no
        failure of the merge, and what ``pause`` raises.
        """
        key = MergeKey(merge.inputs[0].tenant, merge.inputs[0].date, merged_id(merge))
        self._index.begin_merge(key)
        failures: list[str] = []
        try:
            return self._attempt(merge, failures)
        finally:
            self._index.end_merge(key, *failures)

    def _attempt(self, merge: Merge, failures: list[str]) -> Compacted | None:
        """Merge blocks as ``run`` does, and note why that failed."""
        try:
            return self._run(merge)
        except IndexConflict as error:
            _log.info("compaction skipped, blocks already replaced", extra={"reason": str(error)})
        except (ObjectNotFound, StorageCorrupt) as error:
            _log.error("blocks could not be merged", extra={"reason": str(error)})
            faults = self._faults(merge.inputs)
            if not faults:
                failures.append(str(error))
                faults = {block.path: f"{block.path}: {error}" for block in merge.inputs}
            for reason in faults.values():
                _log.error("block cannot be read", extra={"reason": reason})
            self._unreadable |= faults
        except StoreError:
            raise
        except Exception as error:
            if error is self._ended:
                raise
            failures.append(f"{type(error).__name__}: {error}")
            self._unreadable |= {block.path: f"{block.path}: {failures[0]}" for block in merge.inputs}
            _log.exception("blocks could not be merged", extra={"tenant": merge.inputs[0].tenant})
        return None

    def _paused(self) -> None:
        try:
            self._pause()
        except Exception as error:
            self._ended = error
            raise

    def _run(self, merge: Merge) -> Compacted:
        merged = merge_blocks(self._objects, merge, self._paused, self._merge_policy)
        if merged is None:
            self._index.replace([], merge.inputs)
            return Compacted(merge, None)
        if merged.catalog:
            day = merged.block.tenant, merged.block.date
            self._index.add([], {day: listed(self._index, *day, merged.catalog)})
        self._objects.put(merged.block.path, merged.data)
        self._index.replace([merged.block], merge.inputs)
        return Compacted(merge, merged.block)

    def _faults(self, blocks: Sequence[Block]) -> dict[str, str]:
        """Return the faults of missing and damaged blocks by path."""
        found = {}
        for block in blocks:
            try:
                check_content(block, self._objects.get(block.path))
            except ObjectNotFound:
                found[block.path] = f"the block {block.path} is in the index, but there is no such object"
            except StorageCorrupt as error:
                found[block.path] = str(error)
        return found
