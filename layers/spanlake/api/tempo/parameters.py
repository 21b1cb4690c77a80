"""The query parameters of the Tempo API: text in, values out, a clear error where they make no sense.

An empty parameter is an absent one, as in Tempo.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from spanlake.api.typed_route import InvalidParameter, invalid_parameter
from spanlake.query.querier import ALWAYS
from spanlake.query.time_range import TimeRange
from spanlake.spans.timestamps import SECOND_NS, parse_time
from spanlake.traceql.literals import parse_duration

DEFAULT_LIMIT = 20
DEFAULT_SPANS_PER_SET = 3
HOUR_NS = 3600 * SECOND_NS
_LONGEST_STEP_NS = 100 * 365 * 24 * HOUR_NS

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_MOST_DIGITS = 100
_SHOWN_TEXT = 40  # characters of a value that an error repeats
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_SCOPES = ("none", "span", "resource", "intrinsic", "event", "link", "instrumentation")


def _of_text(read: Callable[[str], object]) -> BeforeValidator:
    """Read text; a default, which is no text, stays as it is."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def _shown(text: str) -> str:
    """Return a value as an error repeats it: quoted, and cut where it is long."""
    return repr(text) if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]!r}…"


def _time(text: str) -> int:
    if (found := parse_time(text)) is None:
        raise ValueError(f"{_shown(text)} is neither a Unix time, in s, ms, us or ns, nor a time in RFC 3339")
    return min(max(found, -ALWAYS.end_ns), ALWAYS.end_ns)  # what lies beyond stands for all there is


def _duration(text: str) -> int:
    if (nanoseconds := parse_duration(text)) is None:
        raise ValueError(f"{_shown(text)} is not a duration such as 100ms or 1m30s")
    return nanoseconds


def _since(text: str) -> int:
    if not (nanoseconds := _duration(text)):
        raise ValueError("must be longer than 0s")
    return nanoseconds


def _step(text: str) -> int:
    step = float(text) * SECOND_NS if _SECONDS.fullmatch(text) else parse_duration(text)
    if step is None or not 1 <= step <= _LONGEST_STEP_NS:
        raise ValueError(f"{_shown(text)} is not a positive duration, of 100 years at most, such as 15s")
    return int(step)


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"{_shown(text)} is not a whole number")
        if (digits := len(text.lstrip("+-"))) > _MOST_DIGITS:
            raise ValueError(f"{_shown(text)} has {digits} digits (limit: {_MOST_DIGITS}): write a smaller number")
        if (value := int(text)) < least:
            raise ValueError(f"must be at least {least}, not {_shown(text)}")
        return value

    return read


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ValueError(f"{_shown(text)} is neither true nor false")
    return _TRUTHS[text.lower()]


def _choice(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text and text not in choices:
            raise ValueError(f"{_shown(text)} is none of {', '.join(choices)}")
        return text

    return read


Time = Annotated[int | None, _of_text(_time)]
Duration = Annotated[int | None, _of_text(_duration)]
Since = Annotated[int | None, _of_text(_since)]
Step = Annotated[int | None, _of_text(_step)]
Count = Annotated[int, _of_text(_whole(0))]
PositiveCount = Annotated[int, _of_text(_whole(1))]


def _text_field(description: str, *examples: str, alias: str | None = None) -> Any:
    """Return a parameter that is text in requests, and a number of nanoseconds or None once it is read."""

    def describe(schema: dict[str, Any]) -> None:
        schema |= {"type": "string", "examples": list(examples)}
        schema.pop("anyOf", None)

    return Field(None, alias=alias, description=description, json_schema_extra=describe)


class RangeParameters(BaseModel):
    """A time range and a query, which every request for spans takes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    start: Time = _text_field("Start of the range: Unix time in s, ms, µs or ns, or RFC 3339", "2026-11-22T12:00:00Z")
    end: Time = _text_field("End of the range, excluded; written like `start`", "1795348800")
    since: Since = _text_field("Time before `end`, or before now where that is earlier; instead of `start`", "1h")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Mapping[str, object]) -> Mapping[str, object]:
        return {name: value for name, value in given.items() if value != ""}

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """Read parameters; raises InvalidParameter."""
        cls.check_names(given.items())
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise invalid_parameter(error.errors()) from None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names by which requests give the parameters."""
        return frozenset(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def check_names(cls, given: Iterable[tuple[str, str]]) -> None:
        """Refuses names that the request does not take.

        Raises InvalidParameter for a parameter that means something to the API but not to this request, also where it
        is spelled otherwise, and for a known parameter with two values. Unknown names are passed over, as in Tempo.
        """
        known, values = cls.names(), dict[str, str]()
        for name, value in given:
            meant = _by_letters().get(_letters(name))
            if meant is not None and name not in known and (meant in known or meant not in _HARMLESS):
                raise InvalidParameter(_unknown(name, meant, known))
            if name in known and values.setdefault(name, value) != value:
                raise InvalidParameter(f"invalid {name}: it is given more than once, with different values")

    def range(self) -> TimeRange:
        """``start`` and ``end``, all of time where they are absent; or the time ``since``."""
        if self.since is not None:
            return self.metrics_range()
        return self._ordered(self.start or ALWAYS.start_ns, self.end or ALWAYS.end_ns)

    def metrics_range(self) -> TimeRange:
        """``start`` and ``end``; the last hour, or the time ``since``, where they are absent.

        That time ends now where ``end`` is in the future, as in Tempo.
        """
        now = time.time_ns()
        end = self.end or now
        if self.since is not None and self.start:
            raise InvalidParameter("invalid since: it cannot stand beside start, which says the same thing")
        return self._ordered(self.start or min(end, now) - (self.since or HOUR_NS), end)

    def _ordered(self, start: int, end: int) -> TimeRange:
        if end <= start:
            raise InvalidParameter(f"invalid end: {end} is not after the start, {start} (ns since 1970)")
        return TimeRange(start, end)


class QueryParameters(RangeParameters):
    """A time range and a TraceQL query."""

    q: str = Field("", description="TraceQL query", examples=["{ status = error }"])
    query: str = Field("", description="TraceQL query, as older Grafana names it; `q` goes before it")

    def query_text(self) -> str:
        """Return the TraceQL query: ``q``, or ``query`` where there is no ``q``."""
        return self.q or self.query


class TraceParameters(RangeParameters):
    """Parameters of a trace by its id."""

    mode: Annotated[str, _of_text(_choice("all", "blocks"))] = Field(
        "", description="`all` or `blocks`, which is the same here: every span is in a block"
    )


class TraceV2Parameters(QueryParameters, TraceParameters):
    """Parameters of a trace by its id, in the second version of the request."""

    keep_hierarchy: Annotated[bool, _of_text(_truth)] = Field(
        False, description="Whether the ancestors of the spans that match `q` are answered too"
    )


class SearchParameters(QueryParameters):
    """Parameters of a search."""

    tags: str = Field("", description="Older form of a query: `key=value` pairs with blanks between them (logfmt)")
    min_duration: Duration = _text_field("Least duration of a trace, beside `tags`", "100ms", alias="minDuration")
    max_duration: Duration = _text_field("Greatest duration of a trace, beside `tags`", "2s", alias="maxDuration")
    limit: PositiveCount = Field(DEFAULT_LIMIT, description="Most traces of the answer")
    spss: Count = Field(DEFAULT_SPANS_PER_SET, description="Most spans of each span set; 0 for all")

    def check_combination(self) -> None:
        """Raise InvalidParameter where parameters cannot stand together, or none says what is looked for.

        Tempo's first clients wrote each tag as a parameter, which is read nowhere now.
        """
        beside = {"tags": self.tags, "minDuration": self.min_duration, "maxDuration": self.max_duration}
        for name, value in beside.items():
            if value not in {"", None} and self.query_text():
                raise InvalidParameter(f"invalid {name}: it cannot stand beside q; {_IN_TRACEQL[name]}")
        unknown = next(iter(self.model_extra or ()), None)
        if unknown is not None and not (self.query_text() or self.tags):
            raise InvalidParameter(f"unknown parameter {unknown}: write it as tags={unknown}=…, or as a query q")
        if self.min_duration is not None and self.max_duration is not None and self.max_duration < self.min_duration:
            raise InvalidParameter("invalid maxDuration: it is below minDuration")


class TagParameters(QueryParameters):
    """Parameters of the names of attributes."""

    scope: Annotated[str, _of_text(_choice(*_SCOPES))] = Field("", description=f"One of {', '.join(_SCOPES)}")
    limit: Count = Field(0, description="Most names of each scope; 0 for all")
    max_stale_values: Count = Field(0, alias="maxStaleValues", description="Lets Tempo look at less; ignored")


class TagValueParameters(QueryParameters):
    """Parameters of the values of an attribute."""

    tag: str = Field("", description="Ignored: the path names the attribute")
    limit: Count = Field(0, description="Most values; 0 for all")
    max_stale_values: Count = Field(0, alias="maxStaleValues", description="Lets Tempo look at less; ignored")


class MetricsParameters(QueryParameters):
    """Parameters of a metrics query."""

    step: Step = _text_field("Distance of the samples, as a duration or in seconds", "15s", "60")
    exemplars: Count = Field(0, description="Most exemplars; 0 for as many as there may be, 100")
    max_series: Count = Field(0, alias="maxSeries", description="Most series of the answer; 0 for all")

    def metrics_query(self) -> str:
        """Return the TraceQL query of a request that cannot be without one."""
        if not self.query_text().strip():
            raise InvalidParameter("invalid q: a metrics query is missing, such as { } | rate()")
        return self.query_text()


_MODELS = (TraceV2Parameters, SearchParameters, TagParameters, TagValueParameters, MetricsParameters)
_OF_TEMPO_ALONE = ("match_depth", "ancestor_depth", "blockStart", "blockEnd")
_HARMLESS = frozenset(("step", "exemplars", "spss", "tag", "maxStaleValues"))
"""Parameters that do not change which spans an answer is about, and are passed over where they say nothing."""

_IN_TRACEQL = {
    "tags": "write the tags as conditions of the query, such as { resource.service.name = `shop` }",
    "minDuration": "write it as a condition of the query, such as { traceDuration >= 100ms }",
    "maxDuration": "write it as a condition of the query, such as { traceDuration <= 100ms }",
}


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


@cache
def _by_letters() -> Mapping[str, str]:
    names = [*_OF_TEMPO_ALONE, *(name for model in _MODELS for name in model.names())]
    return {_letters(name): name for name in names}


def _unknown(name: str, meant: str, known: frozenset[str]) -> str:
    if meant in known:
        return f"unknown parameter {name}: did you mean {meant}?"
    return f"{name} is not supported here: this request takes {', '.join(sorted(known))}"
