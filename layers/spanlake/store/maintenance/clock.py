"""The clock by which maintenance tells what is old, and recognizes that it is wrong.

Where the storage has a clock of its own, as S3 and DynamoDB have, that one counts: it also dates objects and entries.
On embedded storage there is only this machine's, which may jump. Two things are told of it:

- whether it ``is_right``, for what retention takes for too old. The index keeps the time at which maintenance last ran.
  A clock that is far ahead of it is believed only when it is still so an hour later: a machine that was off for long
  waits that hour, and a wrong time that is set right within it does no harm.
- for how long it has been ``steady``, by the monotonic clock, for times of grace of minutes. What a process dated by a
  wrong clock, before, is at least so old.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects

_log = logging.getLogger(__name__)

_SEEN = "clock seen"
_DOUBTED = "clock doubted"
_STEADY = "clock steady since"
_LONGEST_PAUSE = timedelta(days=2)  # between two runs of maintenance, which are a minute or a day apart
_SHORT_PAUSE = timedelta(minutes=5)  # of a restart
_DOUBT = timedelta(hours=1)
_STEP = timedelta(minutes=1)  # between two notes of the time, to write little
_JUMP = timedelta(minutes=1)  # apart from the monotonic clock: more than clocks are slewed by
_SECOND_NS = 10**9


@dataclass(frozen=True, slots=True)
class Reading:
    """The time, and how far it can be relied on."""

    now_ns: int
    is_right: bool = True  # whether what is too old by it may be removed
    steady_seconds: float = math.inf  # for how long it has not jumped

    def allows(self, grace_seconds: float) -> bool:
        """True where what has had so much grace by this time has really had it, or an hour of it."""
        return self.is_right and self.steady_seconds >= min(grace_seconds, _seconds(_DOUBT))


class MaintenanceClock:
    """Tells the time to the maintenance of a store, in one process."""

    def __init__(
        self,
        objects: Objects,
        index: Index,
        wall: Callable[[], int] | None = None,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        """``wall`` and ``monotonic`` are those of the process unless given, in nanoseconds and seconds."""
        self._objects = objects
        self._index = index
        self._wall = wall or time.time_ns
        self._monotonic = monotonic or time.monotonic
        self._last: tuple[int, float] | None = None  # both clocks
        self._since = 0.0  # monotonic, when the clock began to be steady
        self._has_jumped = False  # ahead, while this process looked on

    def read(self) -> Reading:
        """Read the time; raises StorageUnavailable."""
        now = _storage_time(self._objects, self._index)
        if now is not None:
            return Reading(now * _SECOND_NS)
        wall, monotonic = self._wall(), self._monotonic()
        self._compare(wall, monotonic)
        steady = monotonic - self._since
        is_doubtful = self._has_jumped and steady < _seconds(_DOUBT)
        return Reading(wall, is_trusted(self._index, wall) and not is_doubtful, steady)

    def _compare(self, wall: int, monotonic: float) -> None:
        """Note when the clock began to be steady."""
        if self._last is None:
            steady = _steady_before(self._index, wall // _SECOND_NS)
            self._begin(wall, monotonic, steady)
        else:
            ahead = (wall - self._last[0]) / _SECOND_NS - (monotonic - self._last[1])
            if abs(ahead) > _seconds(_JUMP):
                _log.warning("clock jumped: nothing is deleted for a while", extra={"seconds": round(ahead)})
                self._has_jumped = self._has_jumped or ahead > 0
                self._begin(wall, monotonic, 0)
        self._last = wall, monotonic

    def _begin(self, wall: int, monotonic: float, steady: int) -> None:
        self._since = monotonic - steady
        if not steady:
            self._index.set_property(_STEADY, str(wall // _SECOND_NS))


def _steady_before(index: Index, now: int) -> int:
    """For how many seconds the clock was steady for a process that ended a moment ago, or is running."""
    seen, since = _number(index, _SEEN), _number(index, _STEADY)
    if seen is None or since is None or not 0 <= now - seen <= _seconds(_SHORT_PAUSE):
        return 0
    return max(seen - since, 0)


def is_trusted(index: Index, now_ns: int) -> bool:
    """True where blocks that are too old by this clock may be removed; raises StorageUnavailable."""
    now = now_ns // _SECOND_NS
    seen, doubted = _number(index, _SEEN), _number(index, _DOUBTED)
    if seen is None:
        seen = _newest(index)
    if seen is None or now - seen <= _seconds(_LONGEST_PAUSE):
        _note(index, now, seen, doubted)
        return True
    if doubted is None or not 0 <= now - doubted <= _seconds(_LONGEST_PAUSE):  # a jump since is a doubt of its own
        index.set_property(_DOUBTED, str(now))
        _log.warning(
            "clock is far ahead of the last run of maintenance: nothing is removed for its age for an hour",
            extra={"days": (now - seen) // 86_400},
        )
        return False
    if now - doubted < _seconds(_DOUBT):
        return False
    _note(index, now, None, doubted)
    return True


def trusted_time(objects: Objects, index: Index) -> int | None:
    """Return the time in nanoseconds by which readers tell what is too old, None where maintenance would not go by it.

    Changes nothing. Raises StorageUnavailable.
    """
    of_storage = _storage_time(objects, index)
    if of_storage is not None:
        return of_storage * _SECOND_NS
    now, seen = time.time_ns(), _number(index, _SEEN)
    if seen is None:
        seen = _newest(index)
    is_near = seen is not None and now // _SECOND_NS - seen <= _seconds(_LONGEST_PAUSE)
    return now if is_near else None


def _storage_time(objects: Objects, index: Index) -> int | None:
    """Return the time of the storage's own clock in seconds, None where it has none."""
    now = index.service_time()
    return objects.service_time() if now is None else now


def _note(index: Index, now: int, seen: int | None, doubted: int | None) -> None:
    if seen is None or abs(now - seen) >= _seconds(_STEP) or index.get_property(_SEEN) is None:
        index.set_property(_SEEN, str(now))
    if doubted:
        index.set_property(_DOUBTED, "0")


def _number(index: Index, name: str) -> int | None:
    return int(index.get_property(name) or 0) or None


def _newest(index: Index) -> int | None:
    """Return the end of the newest day that has blocks, in seconds, where no earlier run is on record."""
    days = [day for tenant in index.tenants() for day in index.days(tenant)]
    return None if not days else (max(days) - max(days).replace(1970, 1, 1)).days * 86_400 + 86_400


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)
