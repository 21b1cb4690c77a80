"""Compaction as functions do it: day by day, as far as the time of an invocation goes."""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from spanlake.aws_lambda.deadline import Deadline, OutOfTime
from spanlake.aws_lambda.store import LambdaStore
from spanlake.aws_lambda.telemetry import Metric, Telemetry
from spanlake.aws_lambda.units import Unit, Units
from spanlake.config import Config, replaced_seconds
from spanlake.store.days import day_range
from spanlake.store.deletions import DeletedDays
from spanlake.store.upkeep.compaction import Compactor
from spanlake.store.upkeep.policy import Merge
from spanlake.store.upkeep.removal import Removed, delete_replaced, remove_retired, replaced_blocks

Day = tuple[str, date]  # tenant and day

_FEW_WAITING = 1_000  # blocks of a day, of which there is nothing to say: a metric is charged for while it has values
_PULSE_SECONDS = 1.0
_OWN_MERGES = 8  # of a day in one invocation: each takes about a second

_log = logging.getLogger(__name__)


class Compaction:
    """Merges what is due, and removes what was merged before."""

    def __init__(self, store: LambdaStore, config: Config, telemetry: Telemetry, units: Units | None = None) -> None:
        """With ``units``, what is too much for one invocation is handed to others."""
        self._store = store
        self._grace_seconds = replaced_seconds(config)
        self._query_seconds = 2 * config.query.seconds  # after which no query reads a block any more
        self._telemetry = telemetry
        self._units = units
        self.deadline = Deadline()
        self._compactor = Compactor(store.objects, store.index, pause=self.deadline.check)

    def compact(self, days: Iterable[Day]) -> None:
        """Do the merges that are due on these days; raises OutOfTime and StorageUnavailable."""
        for day in days:
            self._compact(day)

    def hand_out(self, days: Iterable[Day]) -> None:
        """Have each day that needs it compacted by an invocation of its own, or here where there are none.

        Raises OutOfTime and StorageUnavailable.
        """
        for day in days:
            self.deadline.check()
            if self._units is None:
                self._compact(day)
            elif day in self._compactor.quarantined() or self._compactor.plan(*day):
                self._units.send(Unit(*day))

    def run(self, unit: Unit) -> None:
        """Do a unit of work, or hand on what of it there is no time for; raises OutOfTime and StorageUnavailable."""
        try:
            if unit.deleted:
                self._remove_deleted(unit)
            elif unit.merges:
                self._merge_named(unit)
            else:
                self._compact((unit.tenant, unit.date))
        except OutOfTime:
            following = unit.next_turn
            if self._units is None or following is None:
                raise
            self._units.send(following)

    def hand_out_deleted(self) -> None:
        """Have what was deleted leave storage, each day by an invocation of its own, or here where there are none.

        Raises OutOfTime, StorageUnavailable and StorageCorrupt.
        """
        for day in DeletedDays(self._store.objects).read():
            self.deadline.check()
            unit = Unit(*day, deleted=True)
            if self._units is None:
                self.run(unit)
            elif replaced_blocks(self._store.index, *day) or self._compactor.plan(*day):
                self._units.send(unit)

    def _remove_deleted(self, unit: Unit) -> None:
        """Rewrite the blocks that hide traces, then remove replaced blocks of the day as soon as no query reads them.

        Not after the usual time of grace, since they hold what was deleted.
        """
        day = unit.tenant, unit.date
        for merge in self._planned(day):
            if any(block.hidden for block in merge.inputs):
                self._merge(merge)
        replaced = replaced_blocks(self._store.index, *day)
        if not replaced:
            return
        self._wait(self._query_seconds)
        self.note_removed("deleted", delete_replaced(self._store.objects, self._store.index, replaced))

    def _wait(self, seconds: float) -> None:
        """Wait as long as there is time; raises OutOfTime."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.deadline.check()
            time.sleep(min(left, _PULSE_SECONDS))

    def _compact(self, day: Day) -> None:
        while merges := self._planned(day):
            own = merges if self._units is None else merges[:_OWN_MERGES]
            self._share(day, merges[len(own) :])
            done = [merge for merge in own if self._merge(merge)]
            if not done or len(own) < len(merges):
                break

    def _planned(self, day: Day) -> list[Merge]:
        """The merges that are due, with what waits, and what is left alone, counted."""
        if day in self._compactor.quarantined():
            self._telemetry.count(Metric.DAYS_QUARANTINED, 1)
            _log.error("day quarantined", extra={"tenant": day[0], "date": day[1].isoformat()})
        merges = self._compactor.plan(*day)
        if self._compactor.waiting > _FEW_WAITING:
            self._telemetry.count(Metric.BLOCKS_WAITING, self._compactor.waiting)
        return merges

    def _share(self, day: Day, merges: Sequence[Merge]) -> None:
        """Hand merges to other invocations."""
        for first in range(0, len(merges), _OWN_MERGES):
            named = [tuple(block.id for block in merge.inputs) for merge in merges[first : first + _OWN_MERGES]]
            assert self._units is not None
            self._units.send(Unit(*day, tuple(named)))

    def _merge_named(self, unit: Unit) -> None:
        """Do the merges of a unit whose blocks are all live."""
        found = self._store.index.find(unit.tenant, *day_range(unit.date))
        live = {block.id: block for block in found if block.date == unit.date}
        for ids in unit.merges:
            if live.keys() >= set(ids):
                self._merge(Merge(tuple(live[id_] for id_ in ids)))

    def remove_retired(self, now_ns: int | None = None) -> None:
        """Delete the objects of blocks that were replaced a while ago."""
        removed = remove_retired(self._store.objects, self._store.index, now_ns, grace_seconds=self._grace_seconds)
        self.note_removed("replaced", removed)

    def note_removed(self, reason: str, removed: Removed) -> None:
        """Count blocks whose objects were deleted."""
        if removed.blocks:
            self._telemetry.count(Metric.BLOCKS_DELETED, removed.blocks)
            _log.info("blocks deleted", extra={"reason": reason, "blocks": removed.blocks, "bytes": removed.size})

    def note_refused(self, objects: int) -> None:
        """Count objects without an entry that were left in place."""
        self._telemetry.count(Metric.GARBAGE_REFUSED, objects)

    def _merge(self, merge: Merge) -> bool:
        self.deadline.check()
        done = self._compactor.run(merge)
        if done is None:
            self._telemetry.count(Metric.MERGES_LOST, 1)
            return False
        self._telemetry.count(Metric.BLOCKS_MERGED, len(merge.inputs))
        block = done.block
        written = {"spans": block.spans, "bytes": block.size, "level": block.level} if block else {}
        _log.info("blocks merged", extra={"blocks": len(merge.inputs), "bytes_read": merge.size} | written)
        return True


def day_before(day: Day) -> Day:
    """The same tenant's day before."""
    return day[0], day[1] - timedelta(1)
