"""The answer to a search: traces, and the spans in them that matched."""

from collections.abc import Iterator
from dataclasses import dataclass

from spanlake.cli.client import json
from spanlake.cli.client.json import Attributes, attributes_in


@dataclass(frozen=True, slots=True)
class SpanResult:
    """A matching span, with the attributes that the query names."""

    span_id: str
    name: str  # empty where the server does not send it
    start_ns: int
    duration_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanSetResult:
    """Spans that matched together; ``matched`` may be more than were sent."""

    spans: tuple[SpanResult, ...]
    matched: int
    attributes: Attributes  # computed by the query for the set, such as count()


@dataclass(frozen=True, slots=True)
class TraceResult:
    """A trace with at least one span set, except for servers that send none."""

    trace_id: str
    root_service: str
    root_name: str
    start_ns: int
    duration_ms: int
    sets: tuple[SpanSetResult, ...]

    @property
    def matched(self) -> int:
        """The number of matching spans in all sets."""
        return sum(item.matched for item in self.sets)


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """All traces of an answer; ``note`` is a remark of the server, such as that the search was partial."""

    traces: tuple[TraceResult, ...]
    note: str


def parse_search(given: json.Object) -> SearchResponse:
    """Read tempopb.SearchResponse in JSON; raises MalformedAnswer."""
    traces = tuple(_trace(item) for item in json.objects(given, "traces"))
    return SearchResponse(traces, json.text(given, "message"))


def _trace(given: json.Object) -> TraceResult:
    return TraceResult(
        trace_id=json.text(given, "traceID"),
        root_service=json.text(given, "rootServiceName"),
        root_name=json.text(given, "rootTraceName"),
        start_ns=json.whole(given, "startTimeUnixNano"),
        duration_ms=json.whole(given, "durationMs"),
        sets=tuple(_set(item) for item in _sets(given)),
    )


def _sets(given: json.Object) -> Iterator[json.Object]:
    """Yield the span sets; servers before Tempo 2.2 send only one, later ones send the first twice."""
    if "spanSets" in given:
        yield from json.objects(given, "spanSets")
    elif "spanSet" in given:
        yield json.as_object(given["spanSet"], "spanSet")


def _set(given: json.Object) -> SpanSetResult:
    spans = tuple(_span(item) for item in json.objects(given, "spans"))
    return SpanSetResult(spans, max(json.whole(given, "matched"), len(spans)), attributes_in(given))


def _span(given: json.Object) -> SpanResult:
    return SpanResult(
        span_id=json.text(given, "spanID"),
        name=json.text(given, "name"),
        start_ns=json.whole(given, "startTimeUnixNano"),
        duration_ns=json.whole(given, "durationNanos"),
        attributes=attributes_in(given),
    )
