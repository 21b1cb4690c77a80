"""The query parameters of the Tempo API: text in, numbers out, a clear error where they make no sense."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from spanlake.query.querier import ALWAYS
from spanlake.query.tags import TimeRange
from spanlake.traceql.durations import parse_duration

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
_LONGEST_STEP_NS = 100 * 365 * 24 * HOUR_NS

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}", re.ASCII)


class InvalidParameter(ValueError):  # noqa: N818
    """A parameter of a request that can not be understood."""


@dataclass(frozen=True)
class Params:
    """The parameters of one request."""

    values: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        """A parameter as it is."""
        return self.values.get(name, default)

    def whole(self, name: str, default: int, least: int = 0) -> int:
        """A whole number not below ``least``; the default where the parameter is empty or absent."""
        text = self.text(name)
        if not text:
            return default
        if not _INTEGER.fullmatch(text):
            raise InvalidParameter(f"invalid {name}: {text!r} is not a whole number")
        if (value := int(text)) < least:
            raise InvalidParameter(f"invalid {name}: must be at least {least}, not {value}")
        return value

    def duration_ns(self, name: str, default: int | None = None) -> int | None:
        """A duration such as ``1.5s`` in nanoseconds."""
        text = self.text(name)
        if not text:
            return default
        if (nanoseconds := parse_duration(text)) is None:
            raise InvalidParameter(f"invalid {name}: {text!r} is not a duration such as 100ms or 1m30s")
        return nanoseconds

    def time_ns(self, name: str) -> int | None:
        """A point in time: Unix seconds (also with a fraction), Unix nanoseconds, or RFC 3339; None when absent."""
        text = self.text(name)
        if not text:
            return None
        if _INTEGER.fullmatch(text):
            value = int(text)
            return _bounded(value * SECOND_NS if abs(value) < 10**12 else value)
        if _DECIMAL.fullmatch(text):
            seconds, fraction = text.split(".")
            return _bounded(int(seconds) * SECOND_NS + int(fraction.ljust(9, "0")))
        return _rfc3339(name, text)

    def range(self) -> TimeRange:
        """``start`` and ``end``, all of time where they are absent."""
        start, end = self.time_ns("start"), self.time_ns("end")
        return self._ordered(start or ALWAYS.start_ns, end or ALWAYS.end_ns)

    def metrics_range(self) -> TimeRange:
        """``start`` and ``end``; the last hour, or the time ``since``, where they are absent."""
        end = self.time_ns("end") or time.time_ns()
        since = self.duration_ns("since", HOUR_NS) or HOUR_NS
        return self._ordered(self.time_ns("start") or end - since, end)

    def _ordered(self, start: int, end: int) -> TimeRange:
        if end <= start:
            raise InvalidParameter(f"invalid end: {self.text('end')} is not after the start, {self.text('start')}")
        return TimeRange(start, end)

    def step_ns(self) -> int | None:
        """``step`` as a duration or a number of seconds; None when absent."""
        text = self.text("step")
        if not text:
            return None
        step = float(text) * SECOND_NS if _SECONDS.fullmatch(text) else parse_duration(text)
        if step is None or not 1 <= step <= _LONGEST_STEP_NS:
            raise InvalidParameter(
                f"invalid step: {text!r} is not a positive duration, of 100 years at most, such as 15s"
            )
        return int(step)


def _rfc3339(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidParameter(f"invalid {name}: {text!r} is neither Unix seconds nor a time in RFC 3339")
    return _bounded(int(moment.timestamp()) * SECOND_NS + moment.microsecond * 1000)


def _bounded(time_ns: int) -> int:
    """A time as spans can have it: what lies beyond stands for all there is."""
    return min(max(time_ns, -ALWAYS.end_ns), ALWAYS.end_ns)
