"""The JSON bodies of the Tempo API, as types: the OpenAPI document describes them, and clients can be made from them.

The names are those of tempopb and OTLP, where they have one. 64-bit integers are strings, as in protobuf's JSON.
"""

from typing import Any, NotRequired

from typing_extensions import TypedDict  # typing's, before Python 3.12, is not enough for pydantic


class KeyValue(TypedDict):
    """An attribute: ``value`` is OTLP's AnyValue, such as ``{"stringValue": "shop"}``."""

    key: str
    value: dict[str, Any]


class SpanResult(TypedDict):
    """A span of a search."""

    spanID: str
    startTimeUnixNano: str
    durationNanos: str
    name: NotRequired[str]
    attributes: NotRequired[list[KeyValue]]


class SpanSet(TypedDict):
    """Spans of a trace that match a query."""

    spans: list[SpanResult]
    matched: int
    attributes: NotRequired[list[KeyValue]]


class ServiceStats(TypedDict):
    """Spans of a service in a trace."""

    spanCount: int
    errorCount: NotRequired[int]


class TraceResult(TypedDict):
    """A trace of a search."""

    traceID: str
    rootServiceName: str
    rootTraceName: str
    startTimeUnixNano: str
    durationMs: int
    spanSet: NotRequired[SpanSet]
    spanSets: NotRequired[list[SpanSet]]
    serviceStats: dict[str, ServiceStats]


class SearchMetrics(TypedDict):
    """Amount of data that a search inspected."""

    completedJobs: int
    totalJobs: int
    inspectedTraces: int


class SearchResponse(TypedDict):
    """Traces, the newest first."""

    traces: list[TraceResult]
    metrics: SearchMetrics


class TraceV1(TypedDict):
    """A trace as Tempo's first version of the request has it: OTLP's ResourceSpans as ``batches``."""

    batches: list[dict[str, Any]]


class Trace(TypedDict):
    """A trace: OTLP's ResourceSpans."""

    resourceSpans: NotRequired[list[dict[str, Any]]]


class TraceByIdResponse(TypedDict):
    """A trace, or nothing where there is no such trace."""

    trace: NotRequired[Trace]
    metrics: NotRequired[dict[str, Any]]
    status: NotRequired[str]
    message: NotRequired[str]


class TagsResponse(TypedDict):
    """Names of attributes."""

    tagNames: list[str]


class TagScope(TypedDict):
    """Names of attributes of a scope."""

    name: str
    tags: list[str]


class TagsV2Response(TypedDict):
    """Names of attributes by scope."""

    scopes: list[TagScope]


class TagValuesResponse(TypedDict):
    """Values of an attribute as text."""

    tagValues: list[str]


class TypedValue(TypedDict):
    """A value and its TraceQL type."""

    type: str
    value: str


class TagValuesV2Response(TypedDict):
    """Values of an attribute with their types."""

    tagValues: list[TypedValue]


class Sample(TypedDict):
    """A value at a time; ``NaN`` and infinite values are strings."""

    timestampMs: str
    value: float | str


class Exemplar(TypedDict):
    """A span that a metrics query counted."""

    labels: list[KeyValue]
    value: float | str
    timestampMs: str


class TimeSeries(TypedDict):
    """Samples with the labels of their series."""

    labels: list[KeyValue]
    samples: list[Sample]
    exemplars: NotRequired[list[Exemplar]]


class QueryRangeResponse(TypedDict):
    """Time series of a metrics query; ``status`` is ``PARTIAL`` where there are more than ``maxSeries``."""

    series: list[TimeSeries]
    status: NotRequired[str]
    message: NotRequired[str]


class InstantSeries(TypedDict):
    """The value of a series over the whole range."""

    labels: list[KeyValue]
    value: float | str


class QueryInstantResponse(TypedDict):
    """One value for each series of a metrics query."""

    series: list[InstantSeries]
    status: NotRequired[str]
    message: NotRequired[str]
