"""The ten spans of docs/traceql.md, so that its examples can be asked of a server."""

from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from spanlake.cli.demo.operation import CLIENT, CONSUMER, INTERNAL, SERVER, Attributes
from spanlake.cli.demo.wire import key_values

_UNSET, _OK, _ERROR = 0, 1, 2
_MS = 1_000_000
_ORDER = "POST /checkout"


@dataclass(frozen=True)
class _Row:
    """A line of the document's table; times in milliseconds, starts after noon."""

    trace: int
    id: int
    parent: int
    name: str
    service: str
    kind: int
    status: int
    start: int
    duration: int
    attributes: Attributes
    resource: Attributes = field(default_factory=dict)


_US: Attributes = {"region": "us"}
_ROWS = (
    _Row(1, 1, 0, _ORDER, "web", SERVER, _ERROR, 5000, 900, {"http.method": "POST", "user": "ann", "items": 3}),
    _Row(1, 2, 1, "charge", "web", CLIENT, _ERROR, 5100, 700, {"retries": 2}),
    _Row(1, 3, 2, "pay", "bank", SERVER, _ERROR, 5200, 500, {"amount": 49.5}, _US),
    _Row(1, 4, 3, "INSERT", "bank", CLIENT, _UNSET, 5300, 100, {"db.system": "mysql", "rows": 1}, _US),
    _Row(1, 5, 1, "thank", "web", INTERNAL, _UNSET, 5850, 20, {"languages": ["de", "en"]}),
    _Row(2, 6, 0, "GET /cart", "web", SERVER, _OK, 25_000, 200, {"http.method": "GET", "user": "bob", "items": 5}),
    _Row(2, 7, 6, "load", "cart", SERVER, _UNSET, 25_050, 120, {"cached": False}),
    _Row(2, 8, 7, "SELECT items", "cart", CLIENT, _UNSET, 25_060, 40, {"db.system": "mysql", "rows": 7}),
    _Row(2, 9, 7, "SELECT prices", "cart", CLIENT, _UNSET, 25_100, 60, {"db.system": "redis", "rows": 2}),
    _Row(3, 10, 0, "send mail", "mail", CONSUMER, _UNSET, 45_000, 300, {"user": "ann", "to whom": "ann"}),
)


def document_spans(noon_ns: int) -> bytes:
    """Return a request of OTLP with the spans, given the Unix time of noon."""
    return ExportTraceServiceRequest(
        resource_spans=[_resource_spans(row, noon_ns) for row in _ROWS]
    ).SerializeToString()


def _resource_spans(row: _Row, noon_ns: int) -> ResourceSpans:
    found = ResourceSpans()
    found.resource.attributes.extend(key_values({"service.name": row.service, **row.resource}))
    scope = found.scope_spans.add(spans=[_span(row, noon_ns + row.start * _MS)])
    scope.scope.name, scope.scope.version = "shop", "1.4"
    scope.scope.attributes.extend(key_values({"flavor": "plain"}))
    return found


def _span(row: _Row, start: int) -> Span:
    span = Span(
        trace_id=row.trace.to_bytes(16),
        span_id=row.id.to_bytes(8),
        parent_span_id=row.parent.to_bytes(8) if row.parent else b"",
        name=row.name,
        kind=row.kind,  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=start + row.duration * _MS,
        attributes=key_values(row.attributes),
        status=Status(code=row.status),  # type: ignore[arg-type]
    )
    if row.name == "pay":
        span.status.message = "refused"
        exception = key_values({"exception.type": "Timeout"})
        span.events.add(name="exception", time_unix_nano=start + 400 * _MS, attributes=exception)
    if row.name == "send mail":
        reason = key_values({"reason": "ordered"})
        span.links.add(trace_id=(1).to_bytes(16), span_id=(1).to_bytes(8), attributes=reason)
    return span
