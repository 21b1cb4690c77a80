"""Traces written shortly."""

from collections.abc import Iterable

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status, TracesData

ID = "0af7651916cd43dd8448eb211c80319c"
START_NS = 1_795_348_800_000_000_000  # 2026-11-22 12:00 UTC
MS = 1_000_000


def span(
    name: str, number: int, parent: int = 0, *, start_ms: int = 0, length_ms: int = 1000, error: bool = False
) -> Span:
    """A span; its id and that of its parent are numbers, 0 is no parent."""
    start = START_NS + start_ms * MS
    status = Status(code=Status.STATUS_CODE_ERROR) if error else None
    return Span(
        name=name,
        span_id=number.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        start_time_unix_nano=start,
        end_time_unix_nano=start + length_ms * MS,
        status=status,
    )


def of_service(service: str, *spans: Span) -> ResourceSpans:
    """Spans of a service, of one scope."""
    part = ResourceSpans()
    if service:
        part.resource.attributes.add(key="service.name").value.string_value = service
    part.scope_spans.add().spans.extend(spans)
    return part


def trace(parts: Iterable[ResourceSpans]) -> TracesData:
    """A trace of several services."""
    return TracesData(resource_spans=parts)


def shop() -> TracesData:
    """A request through a shop, whose payment fails."""
    return trace(
        [
            of_service(
                "frontend",
                span("GET /checkout", 1, length_ms=1000),
                span("render", 5, 1, start_ms=900, length_ms=100),
            ),
            of_service("cart", span("SELECT carts", 2, 1, start_ms=100, length_ms=200)),
            of_service(
                "payment",
                span("POST /charge", 3, 1, start_ms=300, length_ms=500, error=True),
                span("bank", 4, 3, start_ms=301, length_ms=2, error=True),
            ),
        ]
    )
