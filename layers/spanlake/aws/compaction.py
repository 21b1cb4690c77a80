"""Compaction in Lambda functions: units of work within the time of an invocation."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Protocol

from spanlake.aws.environment import LambdaStore
from spanlake.aws.settings import function_settings
from spanlake.aws.telemetry import Metric, Telemetry
from spanlake.settings.model import Config, replaced_seconds
from spanlake.store import aws_client
from spanlake.store.days import day_range
from spanlake.store.deletions import DeletedDays
from spanlake.store.maintenance import retention
from spanlake.store.maintenance.clock import MaintenanceClock
from spanlake.store.maintenance.compaction_plan import USUAL_PLAN, Merge, PlanPolicy
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import merged_id
from spanlake.store.maintenance.retention import Removed, delete_replaced, replaced_blocks

_LONG_MS = 240_000  # also for waiting whether what was collected has to be put back
_SPARE_MS = 15_000  # for what is done after the last look


class DeadlineExceeded(Exception):
    """The function is about to be stopped, and what it does has to be done by a later invocation."""


class Deadline:
    """The end of the invocation that is under way."""

    def __init__(self) -> None:
        self._context: Any = None

    def follow(self, context: Any) -> None:
        """Mind the end of this invocation, by its context, from now on."""
        self._context = context

    def has_time(self, seconds: float = 0.0) -> bool:
        """True where there is time for so many seconds and a long piece of work; what is not done has to be left."""
        needed = _LONG_MS + round(1000 * seconds)
        return self._context is None or self._context.get_remaining_time_in_millis() >= needed

    def check(self) -> None:
        """Raise DeadlineExceeded when little is left; outside of an invocation there is time."""
        if self._context is not None and self._context.get_remaining_time_in_millis() < _SPARE_MS:
            raise DeadlineExceeded("the function's time is over before its work is: what is left is done the next time")


_READ_SECONDS = 10.0
_KEY = "compact"
_TENANTS_KEY = "look"
# Lambda ends loops of functions that invoke each other after about 16 turns.
_MOST_TURNS = 10


class Work(Protocol):
    """The kinds of work that an invocation can be asked to do."""

    @property
    def event(self) -> Mapping[str, Any]:
        """The event that asks for it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The work of one invocation of compaction."""

    tenant: str
    date: date
    merges: tuple[tuple[str, ...], ...] = ()  # ids of the blocks of each merge; all that are due when there are none
    turn: int = 0  # how often it was handed on since its time was over
    deleted: bool = False  # whether what was deleted on this day has to leave storage

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Unit | None":
        """Return the unit of an event; None of an event that is none, such as records of a stream."""
        if _KEY not in event:
            return None
        told = event[_KEY]
        merges = tuple(tuple(map(str, ids)) for ids in told.get("merges", ()))
        day = date.fromisoformat(told["date"])
        return cls(str(told["tenant"]), day, merges, int(told.get("turn", 0)), bool(told.get("deleted", False)))

    @property
    def event(self) -> Mapping[str, Any]:
        """The event that hands the unit on."""
        more = ({"merges": self.merges} if self.merges else {}) | ({"deleted": True} if self.deleted else {})
        return {_KEY: {"tenant": self.tenant, "date": self.date.isoformat(), "turn": self.turn, **more}}

    @property
    def next_turn(self) -> "Unit | None":
        """The unit for another invocation; None when it was handed on too often."""
        return replace(self, turn=self.turn + 1) if self.turn < _MOST_TURNS else None


@dataclass(frozen=True, slots=True)
class TenantsUnit:
    """The daily look at some tenants: what of them is too old, and which of their days have something to merge."""

    tenants: tuple[str, ...]
    removes: bool = False  # whether the clock is trusted with what is too old
    turn: int = 0  # how often it was handed on since its time was over

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "TenantsUnit | None":
        """Return the unit of an event; None of an event that is none."""
        if _TENANTS_KEY not in event:
            return None
        told = event[_TENANTS_KEY]
        return cls(tuple(map(str, told["tenants"])), bool(told.get("removes", False)), int(told.get("turn", 0)))

    @property
    def event(self) -> Mapping[str, Any]:
        """The event that hands the unit on."""
        return {_TENANTS_KEY: {"tenants": self.tenants, "removes": self.removes, "turn": self.turn}}

    def rest(self, done: int) -> "TenantsUnit | None":
        """Return the unit for another invocation, after so many tenants; None when it was handed on too often."""
        if self.turn >= _MOST_TURNS:
            return None
        return replace(self, tenants=self.tenants[done:], turn=self.turn + 1)


class Units:
    """Hands units to invocations of a function."""

    def __init__(self, session: aws_client.Session, function: str) -> None:
        """``function`` is the name or ARN of the compacting function, with its alias."""
        self._client = session.client("lambda", aws_client.config(_READ_SECONDS))
        self._function = function

    def send(self, unit: Work) -> None:
        """Have a unit done soon; raises StorageUnavailable and StoreError when Lambda does not take it."""
        with aws_client.reported(f"invoke {self._function}"):
            self._client.invoke(
                FunctionName=self._function, InvocationType="Event", Payload=json.dumps(unit.event).encode()
            )


def compacting_units(environment: Mapping[str, str], store: LambdaStore) -> Units | None:
    """Return the units of the function that the environment names; None when it names none."""
    function = function_settings(environment).compact_function
    return Units(store.objects.session, function) if function else None


Day = tuple[str, date]  # tenant and day

_PULSE_SECONDS = 1.0
_MERGE_SECONDS = 60.0  # longer than a merge takes

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CompactionPolicy:
    """Bounds of an invocation's work."""

    few_waiting: int = 1_000  # blocks of a day, of which nothing is said: a metric is charged for while it has values
    own_merges: int = 8  # of a day in one invocation: each takes about a second
    plan: PlanPolicy = USUAL_PLAN


USUAL_COMPACTION = CompactionPolicy()


class Compaction:
    """Merges what is due, and removes what was merged before."""

    def __init__(
        self,
        store: LambdaStore,
        config: Config,
        telemetry: Telemetry,
        units: Units | None = None,
        policy: CompactionPolicy = USUAL_COMPACTION,
    ) -> None:
        """With ``units``, what is too much for one invocation is handed to others."""
        self._store = store
        self._grace_seconds = replaced_seconds(config)
        self._query_seconds = 2 * config.query.seconds  # after which no query reads a block any more
        self._telemetry = telemetry
        self._units = units
        self.deadline = Deadline()
        self.clock = MaintenanceClock(store.objects, store.index)
        self._compactor = Compactor(store.objects, store.index, checkpoint=self.deadline.check, plan_policy=policy.plan)
        self._policy = policy

    def compact(self, days: Iterable[Day]) -> None:
        """Do the merges that are due on these days; raises DeadlineExceeded and StorageUnavailable."""
        for day in days:
            self._compact(day)

    def hand_out(self, days: Iterable[Day]) -> None:
        """Have each day that needs it compacted by an invocation of its own, or here where there are none.

        Raises DeadlineExceeded and StorageUnavailable.
        """
        for day in days:
            self.deadline.check()
            if self._units is None:
                self._compact(day)
            elif day in self._compactor.quarantined() or self._compactor.plan(*day):
                self._units.send(Unit(*day))

    def run(self, unit: Unit) -> None:
        """Do a unit of work, or hand on the rest of it; raises DeadlineExceeded and StorageUnavailable."""
        try:
            if unit.deleted:
                self._remove_deleted(unit)
            elif unit.merges:
                self._merge_named(unit)
            else:
                self._compact((unit.tenant, unit.date))
        except DeadlineExceeded:
            following = unit.next_turn
            if self._units is None or following is None:
                raise
            self._units.send(following)

    def hand_out_deleted(self) -> None:
        """Have what was deleted leave storage, each day by an invocation of its own, or here where there are none.

        Raises DeadlineExceeded, StorageUnavailable and StorageCorrupt.
        """
        for day in DeletedDays(self._store.objects).read():
            self.deadline.check()
            unit = Unit(*day, deleted=True)
            if self._units is None:
                self._remove_here(unit)
            elif replaced_blocks(self._store.index, *day) or self._compactor.plan(*day):
                self._units.send(unit)

    def _remove_here(self, unit: Unit) -> None:
        """Do a unit in this invocation, or leave it to the next run where the other work would lack the time."""
        if self.deadline.has_time(self._query_seconds):
            self.run(unit)
        else:
            _log.warning("deleted traces left to the next run", extra={"tenant": unit.tenant, "date": str(unit.date)})

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
        """Wait as long as there is time; raises DeadlineExceeded."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.deadline.check()
            time.sleep(min(left, _PULSE_SECONDS))

    def _compact(self, day: Day) -> None:
        while merges := self._not_begun(self._planned(day)):
            own = merges if self._units is None else merges[: self._policy.own_merges]
            self._share(day, merges[len(own) :])
            done = [merge for merge in own if self._merge(merge)]
            if not done or len(own) < len(merges):
                break

    def _not_begun(self, merges: list[Merge]) -> list[Merge]:
        """Leave out merges of a busy day that another invocation is doing: one of two would work in vain."""
        if len(merges) <= self._policy.own_merges:
            return merges
        since = time.time() - _MERGE_SECONDS
        under_way = {
            one.merge.id for one in self._store.index.unfinished_merges() if one.seconds > since and not one.reason
        }
        return [merge for merge in merges if merged_id(merge) not in under_way]

    def _planned(self, day: Day) -> list[Merge]:
        """Return the merges that are due, with what waits, and what is left alone, counted."""
        if day in self._compactor.quarantined():
            self._telemetry.count(Metric.DAYS_QUARANTINED, 1)
            _log.error("day quarantined", extra={"tenant": day[0], "date": day[1].isoformat()})
        merges = self._compactor.plan(*day)
        if self._compactor.waiting > self._policy.few_waiting:
            self._telemetry.count(Metric.BLOCKS_WAITING, self._compactor.waiting)
        return merges

    def _share(self, day: Day, merges: Sequence[Merge]) -> None:
        """Hand merges to other invocations."""
        step = self._policy.own_merges
        for first in range(0, len(merges), step):
            named = [tuple(block.id for block in merge.inputs) for merge in merges[first : first + step]]
            assert self._units is not None
            self._units.send(Unit(*day, tuple(named)))

    def _merge_named(self, unit: Unit) -> None:
        """Do the merges of a unit whose blocks are all live."""
        found = self._store.index.find(unit.tenant, *day_range(unit.date))
        live = {block.id: block for block in found if block.date == unit.date}
        for ids in unit.merges:
            if live.keys() >= set(ids):
                self._merge(Merge(tuple(live[id_] for id_ in ids)))

    def purge_replaced(self) -> None:
        """Delete the objects of blocks that were replaced a while ago, if the clock can be right."""
        time_ = self.clock.read()
        if not time_.allows(self._grace_seconds):
            return
        removed = retention.purge_replaced(
            self._store.objects, self._store.index, time_.now_ns, grace_seconds=self._grace_seconds
        )
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
    """Return the same tenant's day before."""
    return day[0], day[1] - timedelta(1)
