"""Maintenance of the store while a server runs, on one thread, so that it never takes more than one core.

The thread has the normal priority. With a lower one it would hold the interpreter's lock without a core to run on, and
requests would wait for it: with niceness 15 the slowest requests took twice as long.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from spanlake.server.storage import Store
from spanlake.settings.model import Config, replaced_seconds
from spanlake.store.blocks.block import DaySummary
from spanlake.store.errors import StoreError
from spanlake.store.identity import check_identity
from spanlake.store.index.base import Index
from spanlake.store.maintenance.clock import MaintenanceClock
from spanlake.store.maintenance.compaction_plan import USUAL_PLAN, Merge, PlanPolicy
from spanlake.store.maintenance.compactor import Compactor, days_of
from spanlake.store.maintenance.garbage import SHARE, USUAL_GARBAGE, GarbagePolicy, collect_garbage, put_back
from spanlake.store.maintenance.retention import (
    GRACE_SECONDS,
    DeletedRemoval,
    Removed,
    expire_by_age,
    expire_by_size,
    oldest_day,
    purge_replaced,
)
from spanlake.store.objects.base import Objects
from spanlake.store.tenant_limits import LimitsSource, NoLimits
from spanlake.telemetry.prometheus import Metrics

_log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
PLAN_SECONDS = 60.0

_STOP_SECONDS = 10.0
_IDLE_SECONDS = 600.0  # between plans for an unchanged day whose blocks are read from a table

Day = tuple[str, date]  # tenant and day


@dataclass(frozen=True, slots=True)
class MaintenancePolicy:
    """Tasks of maintenance and their intervals. Times in seconds."""

    compaction: bool = True
    retention: timedelta | None = None  # None keeps spans of any age
    retention_bytes: int | None = None  # None sets no limit
    look_seconds: float = LOOK_SECONDS  # between checks for new blocks
    plan_seconds: float = PLAN_SECONDS  # between plans for an unchanged day, doubled each time
    most_plan_seconds: float = PLAN_SECONDS
    grace_seconds: int = GRACE_SECONDS  # from a block's replacement to the deletion of its object
    removal_seconds: float = 60.0
    deleted_seconds: float = 300.0  # where the objects of replaced blocks stay for longer than queries run
    garbage_seconds: float = 3600.0
    garbage_share: float = SHARE  # of a day's objects that may be collected without proof that they are garbage
    garbage: GarbagePolicy = USUAL_GARBAGE
    plan: PlanPolicy = USUAL_PLAN


@dataclass(frozen=True, slots=True)
class _Planned:
    """The state of a day at its last plan."""

    state: object
    at: float  # by the monotonic clock
    seconds: float  # after which it is planned again


class _Stopped(Exception):  # noqa: N818
    """Raised in a merge when the server stops."""


class Maintenance:
    """Compacts, expires and removes blocks until closed; a task that fails is retried at its next interval."""

    def __init__(
        self,
        objects: Objects,
        index: Index,
        policy: MaintenancePolicy,
        metrics: Metrics,
        limits: LimitsSource | None = None,
    ) -> None:
        """``limits`` of tenants may have retentions that are shorter than the policy's."""
        self._limits = limits or NoLimits()
        self._objects = objects
        self._index = index
        self._policy = policy
        self._metrics = metrics
        self._stop = threading.Event()
        self._compactor = Compactor(objects, index, checkpoint=self._check, plan_policy=policy.plan)
        self._planned: dict[Day, _Planned] = {}
        self._clock = MaintenanceClock(objects, index)
        self._deleted = DeletedRemoval(objects, index)
        self._collected = True  # True while objects may wait to be deleted, or to be put back
        self._thread = threading.Thread(target=self._work, name="maintenance", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop soon, if necessary within a merge, which leaves nothing that matters."""
        self._stop.set()
        self._thread.join(_STOP_SECONDS)

    def _work(self) -> None:
        policy = self._policy
        tasks = [_Task(self._remove, policy.removal_seconds), _Task(self._collect, policy.garbage_seconds)]
        if policy.grace_seconds > GRACE_SECONDS:
            tasks.append(_Task(self._remove_deleted, policy.deleted_seconds))
        if policy.compaction:
            tasks.append(_Task(self._compact, policy.look_seconds))
        while not self._stop.wait(min(task.wait_seconds() for task in tasks)):
            for task in tasks:
                if not task.wait_seconds():
                    self._attempt(task)

    def _attempt(self, task: "_Task") -> None:
        try:
            task.run()
        except _Stopped:
            pass
        except StoreError as error:
            _log.warning("maintenance postponed", extra={"reason": str(error)})
        except Exception:  # noqa: BLE001, the thread must survive any error
            _log.exception("maintenance failed")

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    def _compact(self) -> None:
        for merge in self._due():
            start = time.perf_counter()
            done = self._compactor.run(merge)
            self._check()
            if done is None:
                self._metrics.merge_lost()
                continue
            self._metrics.merged(
                blocks=len(merge.inputs),
                spans=merge.spans,
                size=merge.size,
                written=done.block.size if done.block else 0,
                seconds=time.perf_counter() - start,
            )

    def _due(self) -> Iterator[Merge]:
        """Yield the merges that are due, of days with new blocks and of days whose interval has passed."""
        summary = self._index.summary()
        self._metrics.waiting(sum(day.blocks for day in summary if day.level == 0))
        self._metrics.quarantined(len(self._compactor.quarantined()))
        states = _states(summary)
        self._planned = {day: self._planned[day] for day in states if day in self._planned}
        for day in days_of(summary):
            state, now = states[day], time.monotonic()
            known = self._planned.get(day)
            if known is None or known.state != state:
                self._planned[day] = _Planned(state, now, self._policy.plan_seconds)
            elif now - known.at >= known.seconds:
                self._planned[day] = _Planned(state, now, min(2 * known.seconds, self._policy.most_plan_seconds))
            else:
                continue
            yield from self._compactor.plan(*day)

    def _remove(self) -> None:
        policy = self._policy
        if self._collected:  # a sender may have stored the same object again while it was collected
            self._collected = put_back(self._objects, self._index)
        if policy.retention_bytes is not None:
            self._count("size", expire_by_size(self._objects, self._index, policy.retention_bytes))
        self._index.keep_for(policy.retention)
        time_ = self._clock.read()  # once: a clock may jump after it was found to be right
        if not time_.is_right:
            return
        now_ns = time_.now_ns
        if policy.retention is not None:
            self._count("age", expire_by_age(self._objects, self._index, policy.retention, now_ns))
        self._remove_of_tenants(now_ns)
        if not time_.allows(policy.grace_seconds):
            return
        removed = purge_replaced(
            self._objects,
            self._index,
            now_ns,
            grace_seconds=policy.grace_seconds,
            counted_from=self._oldest(now_ns) or date.min,
        )
        self._count("replaced", removed)

    def _remove_of_tenants(self, now_ns: int) -> None:
        """Remove what is older than a tenant's own retention, where that is shorter than everyone's."""
        limits, usual = self._limits.current, self._policy.retention
        if not limits.has_retentions:
            return
        for tenant in self._index.tenants():
            retention = limits.retention_of(tenant, usual)
            if retention is not None and retention != usual:
                self._count("age", expire_by_age(self._objects, self._index, retention, now_ns, [tenant]))

    def _remove_deleted(self) -> None:
        self._count("deleted", self._deleted.remove())

    def _collect(self) -> None:
        check_identity(self._objects, self._index)
        time_ = self._clock.read()
        if not time_.allows(self._policy.garbage.untouched.total_seconds()):
            return
        now_ns = time_.now_ns
        done = collect_garbage(
            self._objects,
            self._index,
            now_ns,
            oldest=self._oldest(now_ns),
            share=self._policy.garbage_share,
            policy=self._policy.garbage,
        )
        self._count("garbage", done.removed)
        self._metrics.garbage_refused(done.refused)
        self._collected = put_back(self._objects, self._index)

    def _oldest(self, now_ns: int) -> date | None:
        """Return the first day within the retention."""
        retention = self._policy.retention
        return None if retention is None else oldest_day(retention, now_ns)

    def _count(self, reason: str, removed: Removed) -> None:
        self._metrics.deleted(reason, blocks=removed.blocks, spans=removed.spans, size=removed.size)
        if removed.blocks:
            _log.info("blocks deleted", extra={"reason": reason, "blocks": removed.blocks, "bytes": removed.size})


class _Task:
    """A task with an interval, due for the first time at once."""

    def __init__(self, action: Callable[[], None], seconds: float) -> None:
        self._action = action
        self._seconds = seconds
        self._due = time.monotonic()

    def wait_seconds(self) -> float:
        """Return the seconds until the task is due, 0 when it is."""
        return max(0.0, self._due - time.monotonic())

    def run(self) -> None:
        """Run the task."""
        self._due = time.monotonic() + self._seconds
        self._action()


def _states(summary: Iterable[DaySummary]) -> Mapping[Day, object]:
    """Return the state of each day, to compare with an earlier one."""
    states: dict[Day, list[DaySummary]] = {}
    for found in summary:
        states.setdefault((found.tenant, found.date), []).append(found)
    return states


def open_maintenance(config: Config, store: Store, metrics: Metrics, limits: LimitsSource) -> Maintenance:
    """Make the background maintenance of a store; the caller starts and closes it."""
    # A bucket has no size limit as a disk has, and reading a table's summary costs money.
    retention_bytes = None if config.objects else config.retention_bytes
    look_seconds = PLAN_SECONDS if config.index else LOOK_SECONDS
    policy = MaintenancePolicy(
        config.compaction,
        config.retention,
        retention_bytes,
        look_seconds,
        most_plan_seconds=_IDLE_SECONDS if config.index else PLAN_SECONDS,
        grace_seconds=replaced_seconds(config),
        garbage_share=config.garbage_share,
    )
    return Maintenance(store.objects, store.index, policy, metrics, limits)
