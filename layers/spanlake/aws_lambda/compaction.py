"""Compaction as functions do it: day by day, as far as the time of an invocation goes."""

import logging
from collections.abc import Iterable
from datetime import date, timedelta

from spanlake.aws_lambda.deadline import Deadline
from spanlake.aws_lambda.store import LambdaStore
from spanlake.aws_lambda.telemetry import Metric, Telemetry
from spanlake.config import Config, replaced_seconds
from spanlake.store.upkeep.compaction import Compactor
from spanlake.store.upkeep.policy import Merge
from spanlake.store.upkeep.removal import Removed, remove_retired

Day = tuple[str, date]  # tenant and day

_log = logging.getLogger(__name__)


class Compaction:
    """Merges what is due, and removes what was merged before."""

    def __init__(self, store: LambdaStore, config: Config, telemetry: Telemetry) -> None:
        self._store = store
        self._grace_seconds = replaced_seconds(config)
        self._telemetry = telemetry
        self.deadline = Deadline()
        self._compactor = Compactor(store.objects, store.index, pause=self.deadline.check)

    def compact(self, days: Iterable[Day]) -> None:
        """Do the merges that are due on these days; raises OutOfTime and StorageUnavailable."""
        for day in days:
            while merges := self._compactor.plan(*day):
                done = [merge for merge in merges if self._merge(merge)]
                if not done:
                    break

    def all_days(self) -> list[Day]:
        """The days that have live blocks, of all tenants."""
        return self._compactor.days()

    def remove_retired(self) -> None:
        """Delete the objects of blocks that were replaced a while ago."""
        removed = remove_retired(self._store.objects, self._store.index, grace_seconds=self._grace_seconds)
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
