"""Recognizes a clock that has jumped ahead, before retention takes everything for too old.

The index keeps the time at which upkeep last ran. A clock that is far ahead of it is believed only when it is still so
an hour later: a machine that was off for long waits that hour, and a wrong time that is set right within it does no
harm.
"""

import logging
from datetime import timedelta

from spanlake.store.index.base import Index

_log = logging.getLogger(__name__)

_SEEN = "clock seen"
_DOUBTED = "clock doubted"
_LONGEST_PAUSE = timedelta(days=2)  # between two runs of upkeep, which are a minute or a day apart
_DOUBT = timedelta(hours=1)
_STEP = timedelta(hours=1)  # between two notes of the time, to write little


def is_trusted(index: Index, now_ns: int) -> bool:
    """True where blocks that are too old by this clock may be removed; raises StorageUnavailable."""
    now = now_ns // 10**9
    seen, doubted = _number(index, _SEEN), _number(index, _DOUBTED)
    if seen is None:
        seen = _newest(index)
    if seen is None or now - seen <= _seconds(_LONGEST_PAUSE):
        _note(index, now, seen, doubted)
        return True
    if doubted is None or not 0 <= now - doubted <= _seconds(_LONGEST_PAUSE):  # a jump since is a doubt of its own
        index.set_property(_DOUBTED, str(now))
        _log.warning(
            "clock is far ahead of the last run of upkeep: nothing is removed for its age for an hour",
            extra={"days": (now - seen) // 86_400},
        )
        return False
    if now - doubted < _seconds(_DOUBT):
        return False
    _note(index, now, None, doubted)
    return True


def _note(index: Index, now: int, seen: int | None, doubted: int | None) -> None:
    if seen is None or abs(now - seen) >= _seconds(_STEP) or index.get_property(_SEEN) is None:
        index.set_property(_SEEN, str(now))
    if doubted:
        index.set_property(_DOUBTED, "0")


def _number(index: Index, name: str) -> int | None:
    return int(index.get_property(name) or 0) or None


def _newest(index: Index) -> int | None:
    """The end of the newest day that has blocks, in seconds, where no earlier run is on record."""
    days = [day for tenant in index.tenants() for day in index.days(tenant)]
    return None if not days else (max(days) - max(days).replace(1970, 1, 1)).days * 86_400 + 86_400


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)
