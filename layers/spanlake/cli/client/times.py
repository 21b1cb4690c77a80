"""Time range of a request, from the user's options."""

import time
from dataclasses import dataclass
from datetime import datetime

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
    last = _moment("--end", end) if end else now
    first = _moment("--start", start) if start else last - _seconds("--since", since or DEFAULT_SINCE)
    when = TimeRange(max(first, 0), last)
    if when.start >= when.end:
        raise InvalidOption("the time range is empty: its start is not before its end")
    return when


def step_seconds(step: str) -> int | None:
    """Return the time between points of a series, None when empty and left to the server; raises InvalidOption."""
    return _seconds("--step", step) if step else None


def _seconds(option: str, text: str) -> int:
    nanoseconds = parse_duration(text)
    if not nanoseconds:
        raise InvalidOption(f"invalid {option}: {printable(text)} is not a duration such as 15m, 1h or 7d")
    return -(-nanoseconds // SECOND_NS)


def _moment(option: str, text: str) -> int:
    """Parse Unix seconds: a Unix time in any unit, or a date with or without a time, local unless it names a zone."""
    if (nanoseconds := unix_time(text)) is not None:
        return nanoseconds // SECOND_NS
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp())
    except (ValueError, OverflowError, OSError):
        raise InvalidOption(
            f"invalid {option}: {printable(text)} is neither a time such as 2026-11-22T12:30 nor a Unix time"
        ) from None
