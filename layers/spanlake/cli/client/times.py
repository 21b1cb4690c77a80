"""Time range of a request, from the user's options."""

import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from spanlake.cli.errors import InvalidOption
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import moment
from spanlake.spans.timestamps import SECOND_NS, unix_time
from spanlake.traceql.literals import parse_duration

DEFAULT_SINCE = "1h"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The range from ``start`` to ``end``, in whole Unix seconds as every Tempo takes them."""

    start: int
    end: int

    @property
    def params(self) -> dict[str, str]:
        """Return the range as parameters of a request."""
        return {"start": str(self.start), "end": str(self.end)}

    def __str__(self) -> str:
        return f"from {moment(self.start * SECOND_NS)} to {moment(self.end * SECOND_NS)}"


def time_range(since: str, start: str, end: str, now_ns: int | None = None) -> TimeRange:
    """Return the range given by options: empty ones are absent, and without any it is the last hour.

    Raises InvalidOption.
    """
    if since and start:
        raise InvalidOption("--since and --start exclude each other: give one of them")
    now = -(-(time.time_ns() if now_ns is None else now_ns) // SECOND_NS)
    last = _moment("--end", end, now) if end else now
    first = _moment("--start", start, now) if start else last - _seconds("--since", since or DEFAULT_SINCE)
    when = TimeRange(max(first, 0), last)
    if when.start >= when.end:
        hint = "" if end or when.start < now else ", which is now: a start in the future needs an --end"
        raise InvalidOption(f"the time range is empty: its start is not before its end{hint}")
    return when


def step_seconds(step: str) -> int | None:
    """Return the time between points of a series, None when empty and left to the server; raises InvalidOption."""
    return _seconds("--step", step) if step else None


def _seconds(option: str, text: str) -> int:
    nanoseconds = parse_duration(text)
    if not nanoseconds:
        raise InvalidOption(f"invalid {option}: {printable(text)} is not a duration such as 15m, 1h or 7d")
    return -(-nanoseconds // SECOND_NS)


_RELATIVE = re.compile(r"now(?:-(.+))?", re.ASCII)
_ON_A_DAY = re.compile(r"(?:(today|yesterday) *)?((?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)?", re.ASCII)


def _moment(option: str, text: str, now: int) -> int:
    """Parse a time to Unix seconds; ``now`` is the present one.

    It may be a Unix time in any unit, ``now-15m``, ``yesterday 14:00``, ``14:00`` of today, or a date with or without a
    time, local unless it names a zone.
    """
    if (nanoseconds := unix_time(text)) is not None:
        return nanoseconds // SECOND_NS
    if relative := _RELATIVE.fullmatch(text):
        return now - (_seconds(option, relative[1]) if relative[1] else 0)
    try:
        return int(_date(text, now).astimezone().timestamp())
    except (ValueError, OverflowError, OSError):
        raise InvalidOption(
            f"invalid {option}: {printable(text)} is neither a time such as 2026-11-22T12:30, now-15m or "
            "yesterday 14:00, nor a Unix time"
        ) from None


def _date(text: str, now: int) -> datetime:
    """Parse a date and time, or a time of today or yesterday; raises ValueError."""
    found = _ON_A_DAY.fullmatch(text)
    if not text or found is None:
        return datetime.fromisoformat(text)
    day = datetime.fromtimestamp(now).date() - timedelta(days=found[1] == "yesterday")  # noqa: DTZ006, the local day
    clock = (found[2] or "0:00").zfill(5 if (found[2] or "").count(":") < 2 else 8)
    return datetime.fromisoformat(f"{day}T{clock}")
