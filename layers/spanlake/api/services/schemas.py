"""The JSON bodies of these endpoints, as types: the OpenAPI document describes them.

Durations are numbers of milliseconds, rates are numbers a second.
"""

from typing_extensions import TypedDict  # typing's, before Python 3.12, is not enough for pydantic


class AccessResponse(TypedDict):
    """Tenants that the credentials are for, the default one first, or null for any; and their roles."""

    tenants: list[str] | None
    roles: list[str]


class LinkPattern(TypedDict):
    """A link at attributes of a scope, empty for any, with one of the keys; or, of the scope trace, at traces.

    `#{name}` in `url` and `text` stands for an attribute or a property of the trace.
    """

    scope: str
    keys: list[str]
    url: str
    text: str


class PageLinksResponse(TypedDict):
    """The links of the web page."""

    links: list[LinkPattern]


class Service(TypedDict):
    """A service. Requests are its spans of the kinds server and consumer, and those without a parent.

    Quantiles are estimates of the durations of requests.
    """

    name: str
    spans: int
    requests: int
    errors: int
    rate: float
    p50Ms: float
    p95Ms: float
    p99Ms: float


class ServicesResponse(TypedDict):
    """The services of a range, those with the most requests first."""

    services: list[Service]


class ServiceOperation(Service):
    """An operation of a service: all its spans of one name and kind count as requests."""

    kind: str


class OperationsResponse(TypedDict):
    """The operations of a service, those with the most spans first."""

    operations: list[ServiceOperation]


class ServiceEdge(TypedDict):
    """Requests of a client to a server.

    ``type`` is ``request`` or ``messaging`` between services, or ``database``, ``messaging`` or ``external`` where the
    server sends no spans. Quantiles are estimates.
    """

    client: str
    server: str
    type: str
    requests: int
    errors: int
    rate: float
    p50Ms: float
    p95Ms: float


class EdgesResponse(TypedDict):
    """The map of services, the busiest edges first."""

    edges: list[ServiceEdge]


class AttributeDescription(TypedDict):
    """An attribute with the types of its values, and an estimate of how many there are; null where not counted."""

    scope: str
    name: str
    types: list[str]
    distinct: int | None


class AttributesResponse(TypedDict):
    """The attributes of the days of a range, and the number of spans in which values were counted."""

    attributes: list[AttributeDescription]
    sampledSpans: int


class StatisticsGroup(TypedDict):
    """The spans of a trace with one value of the field, null for those without it.

    ``selfMs`` is the time in which no child of a span runs.
    """

    value: str | None
    spans: int
    errors: int
    totalMs: float
    selfMs: float
    averageMs: float
    p95Ms: float
    maxMs: float


class StatisticsResponse(TypedDict):
    """Statistics of a trace, the most time of their own first."""

    groups: list[StatisticsGroup]


class CriticalSpan(TypedDict):
    """A span on the critical path: its time there, and the sections as pairs of start and end.

    Sections are in milliseconds after the start of the trace.
    """

    spanID: str
    selfMs: float
    sections: list[list[float]]


class CriticalPathResponse(TypedDict):
    """The spans that the duration of a trace is made of."""

    durationMs: float
    spans: list[CriticalSpan]


class TraceExtent(TypedDict):
    """Duration and size of a trace."""

    durationMs: float
    spans: int


class DiffSide(TypedDict):
    """The spans of an operation in one trace."""

    spans: int
    errors: int
    totalMs: float


class DiffOperation(TypedDict):
    """All spans of one service and name below the same operations; ``parent`` is the id of the operation above."""

    id: int
    parent: int | None
    service: str
    name: str
    left: DiffSide | None
    right: DiffSide | None


class DiffResponse(TypedDict):
    """The operations of two traces."""

    left: TraceExtent
    right: TraceExtent
    nodes: list[DiffOperation]
