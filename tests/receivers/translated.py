"""Shows a translation to OTLP in a form that is easy to compare."""

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanlake.receivers.translation import Translated
from spanlake.spans.otlp.decode import decode


def alone(translate: Callable[[Sequence[bytes]], Sequence[Translated | Exception]]) -> Callable[[bytes], Translated]:
    """Translates one body, by what translates many; raises what comes out as an exception."""

    def translated(body: bytes) -> Translated:
        (outcome,) = translate([body])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return translated


def request(otlp: Translated) -> ExportTraceServiceRequest:
    """The request, which the decoder takes as well."""
    decode([otlp.body])
    return ExportTraceServiceRequest.FromString(otlp.body)


def spans(otlp: Translated) -> list[Span]:
    """All spans."""
    return [span for group in request(otlp).resource_spans for scope in group.scope_spans for span in scope.spans]


def resources(otlp: Translated) -> list[dict[str, Any]]:
    """The attributes of all resources."""
    return [attributes(group.resource) for group in request(otlp).resource_spans]


def attributes(message: Any) -> dict[str, Any]:
    """A message's attributes as a dictionary."""
    return {item.key: value(item.value) for item in message.attributes}


def value(any_value: AnyValue) -> Any:
    """A scalar."""
    field = any_value.WhichOneof("value")
    return getattr(any_value, field) if field else None
