"""The function that does once a day what no new block wakes compaction for.

It removes what is too old, objects of replaced blocks, and objects that no entry names, and merges what a day that is
over, or a deletion, has left to merge.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spanlake.aws.compaction import USUAL_COMPACTION, Compaction, CompactionPolicy, compacting_units
from spanlake.aws.environment import LambdaStore, prepare_for_snapshot
from spanlake.aws.glue_columns import Columns
from spanlake.aws.settings import settings
from spanlake.aws.telemetry import Event, Handler, Telemetry
from spanlake.aws.tenants import Tenants
from spanlake.settings.model import Config
from spanlake.store.identity import check_identity
from spanlake.store.maintenance.garbage import USUAL_GARBAGE, collect_garbage, put_back
from spanlake.store.maintenance.retention import oldest_day

# From the put of an object to its entry, a function takes less than its time limit, and the edge some two minutes.
_REGRET_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class DailyMaintenance:
    """The work of the nightly run."""

    store: LambdaStore
    config: Config
    compaction: Compaction
    tenants: Tenants
    columns: Columns
    wait: Callable[[float], None]  # so many seconds

    def run(self) -> None:
        """Do all of it; raises StorageUnavailable, and DeadlineExceeded when merges are left for another day."""
        objects, index = self.store.objects, self.store.index
        index.check_version()
        check_identity(objects, index)
        time_ = self.compaction.clock.read()  # once: a clock may jump after it was found to be right
        self.tenants.hand_out(removes=time_.is_right)
        self.compaction.hand_out_deleted()
        self.compaction.purge_replaced()
        if time_.allows(USUAL_GARBAGE.untouched.total_seconds()):
            self._collect(time_.now_ns)
        self.columns.unite(self.compaction.deadline.has_time)
        if put_back(objects, index):
            # Whoever stored the same again just then may add its entry only now, and this is not called in a minute.
            self.wait(_REGRET_SECONDS)
            put_back(objects, index)

    def _collect(self, now_ns: int) -> None:
        objects, index, retention = self.store.objects, self.store.index, self.config.retention
        oldest = None if retention is None else oldest_day(retention, now_ns)
        done = collect_garbage(
            objects,
            index,
            now_ns,
            oldest=oldest,
            share=self.config.garbage_share,
            has_time=self.compaction.deadline.has_time,
        )
        self.compaction.note_removed("garbage", done.removed)
        if done.refused:
            self.compaction.note_refused(done.refused)


def handler(policy: CompactionPolicy = USUAL_COMPACTION) -> Handler:
    """Return the function as its environment wants it; raises InvalidSetting and StoreError."""
    config, telemetry = settings(os.environ), Telemetry("spanlake-expire")
    store = LambdaStore.open(config)
    units = compacting_units(os.environ, store)
    compaction = Compaction(store, config, telemetry, units, policy)
    tenants = Tenants(store, config.retention, compaction, units)
    maintenance = DailyMaintenance(store, config, compaction, tenants, Columns(store, config.athena), time.sleep)
    prepare_for_snapshot()

    def expire(_: Event, context: Any) -> None:
        compaction.deadline.follow(context)
        maintenance.run()

    return telemetry.handler(expire)
