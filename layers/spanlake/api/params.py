"""The query parameters of the Tempo API: text in, numbers out, a clear error where they make no sense."""

import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from spanlake.query.querier import ALWAYS
from spanlake.query.selected import TimeRange
from spanlake.times import SECOND_NS, parse_time
from spanlake.traceql.durations import parse_duration

HOUR_NS = 3600 * SECOND_NS
_LONGEST_STEP_NS = 100 * 365 * 24 * HOUR_NS

_RANGE = ("start", "end", "since")
_QUERY = ("q", "query")
TRACE = frozenset((*_RANGE, "mode"))
TRACE_V2 = TRACE | {*_QUERY, "keep_hierarchy"}
SEARCH = frozenset((*_RANGE, *_QUERY, "tags", "minDuration", "maxDuration", "limit", "spss"))
TAGS = frozenset((*_RANGE, *_QUERY, "scope", "limit", "maxStaleValues"))
TAG_VALUES = frozenset((*_RANGE, *_QUERY, "tag", "limit", "maxStaleValues"))
METRICS = frozenset((*_RANGE, *_QUERY, "step", "exemplars", "maxSeries"))
_MEANINGFUL = (
    TRACE_V2 | SEARCH | TAGS | TAG_VALUES | METRICS | {"match_depth", "ancestor_depth", "blockStart", "blockEnd"}
)
_ELSEWHERE = frozenset(("step", "exemplars", "spss", "tag", "maxStaleValues"))
"""Parameters that do not change which spans an answer is about, and are passed over where they say nothing."""
_BY_LETTERS = {name.replace("_", "").lower(): name for name in _MEANINGFUL}

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class InvalidParameter(ValueError):  # noqa: N818
    """A parameter of a request that can not be understood."""


@dataclass(frozen=True)
class Params:
    """The parameters of one request."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, given: Iterable[tuple[str, str]], known: Collection[str]) -> "Params":
        """The parameters of a request that knows some of the API's.

        Raises InvalidParameter for a parameter that means something to the API but not to this request, also where it
        is spelled otherwise, and for a known parameter with two values. Unknown names are passed over, as in Tempo.
        """
        values: dict[str, str] = {}
        for name, value in given:
            meant = _BY_LETTERS.get(name.replace("_", "").lower())
            if meant is not None and name not in known and (meant in known or meant not in _ELSEWHERE):
                raise InvalidParameter(_unknown(name, meant, known))
            if name in known and values.setdefault(name, value) != value:
                raise InvalidParameter(f"invalid {name}: it is given more than once, with different values")
            values.setdefault(name, value)
        return cls(values)

    def text(self, name: str, default: str = "") -> str:
        """A parameter as it is."""
        return self.values.get(name, default)

    def query(self) -> str:
        """The TraceQL query: ``q``, or ``query``, as older Grafana writes it, where there is no ``q``."""
        return self.text("q") or self.text("query")

    def without_query(self, *names: str) -> None:
        """Raises InvalidParameter where one of these parameters stands beside a query."""
        beside = next((name for name in names if self.text(name)), None)
        if beside is not None and self.query():
            raise InvalidParameter(f"invalid {beside}: it cannot stand beside q; {_IN_TRACEQL[beside]}")

    def metrics_query(self) -> str:
        """The TraceQL query of a request that cannot be without one."""
        if not self.query().strip():
            raise InvalidParameter("invalid q: a metrics query is missing, such as { } | rate()")
        return self.query()

    def known_alone(self, *names: str) -> None:
        """Raises InvalidParameter for an unknown parameter where none of ``names`` says what is looked for.

        Tempo's first clients wrote each tag as a parameter, which is read nowhere now.
        """
        unknown = next((name for name in self.values if name not in SEARCH), None)
        if unknown is not None and not any(self.text(name) for name in names):
            raise InvalidParameter(f"unknown parameter {unknown}: write it as tags={unknown}=…, or as a query q")

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

    def limit(self, name: str) -> int | None:
        """A maximum, which is positive; None where it is empty, absent or 0, for no maximum."""
        return self.whole(name, 0) or None

    def truth(self, name: str) -> bool:
        """``true`` or ``false``; false where it is empty or absent."""
        text = self.text(name, "false") or "false"
        if text.lower() not in _TRUTHS:
            raise InvalidParameter(f"invalid {name}: {text!r} is neither true nor false")
        return _TRUTHS[text.lower()]

    def choice(self, name: str, *choices: str) -> str:
        """One of some words, empty where it is absent."""
        text = self.text(name)
        if text and text not in choices:
            raise InvalidParameter(f"invalid {name}: {text!r} is none of {', '.join(choices)}")
        return text

    def duration_ns(self, name: str, default: int | None = None) -> int | None:
        """A duration such as ``1.5s`` in nanoseconds."""
        text = self.text(name)
        if not text:
            return default
        if (nanoseconds := parse_duration(text)) is None:
            raise InvalidParameter(f"invalid {name}: {text!r} is not a duration such as 100ms or 1m30s")
        return nanoseconds

    def trace_durations_ns(self) -> tuple[int | None, int | None]:
        """``minDuration`` and ``maxDuration``, None where they are absent."""
        least, most = self.duration_ns("minDuration"), self.duration_ns("maxDuration")
        if least is not None and most is not None and most < least:
            raise InvalidParameter("invalid maxDuration: it is below minDuration")
        return least, most

    def time_ns(self, name: str) -> int | None:
        """A point in time: Unix time in any unit, told apart by its size, or RFC 3339; None when absent."""
        text = self.text(name)
        if not text:
            return None
        if (found := parse_time(text)) is None:
            raise InvalidParameter(
                f"invalid {name}: {text!r} is neither a Unix time, in s, ms, us or ns, nor a time in RFC 3339"
            )
        return min(max(found, -ALWAYS.end_ns), ALWAYS.end_ns)  # what lies beyond stands for all there is

    def range(self) -> TimeRange:
        """``start`` and ``end``, all of time where they are absent; or the time ``since``."""
        if self.text("since"):
            return self.metrics_range()
        start, end = self.time_ns("start"), self.time_ns("end")
        return self._ordered(start or ALWAYS.start_ns, end or ALWAYS.end_ns)

    def metrics_range(self) -> TimeRange:
        """``start`` and ``end``; the last hour, or the time ``since``, where they are absent."""
        start, end = self.time_ns("start"), self.time_ns("end") or time.time_ns()
        since = self.duration_ns("since")
        if since is not None and start:
            raise InvalidParameter("invalid since: it cannot stand beside start, which says the same thing")
        return self._ordered(start or end - (since or HOUR_NS), end)

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


_IN_TRACEQL = {
    "tags": "write the tags as conditions of the query, such as { resource.service.name = `shop` }",
    "minDuration": "write it as a condition of the query, such as { traceDuration >= 100ms }",
    "maxDuration": "write it as a condition of the query, such as { traceDuration <= 100ms }",
}


def _unknown(name: str, meant: str, known: Collection[str]) -> str:
    if meant in known:
        return f"unknown parameter {name}: did you mean {meant}?"
    return f"{name} is not supported here: this request takes {', '.join(sorted(known))}"
