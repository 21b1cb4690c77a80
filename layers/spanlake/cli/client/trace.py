"""The answer to a trace id: spans, each with its resource."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from spanlake.cli.errors import MalformedAnswer

_TRACE, _MESSAGE = 1, 4  # fields of tempopb.TraceByIDResponse


@dataclass(frozen=True)
class Span:
    """A span as it was sent, with its resource and scope."""

    message: SpanMessage
    service: str  # empty when the resource has none
    resource: Resource
    scope: InstrumentationScope

    @property
    def start_ns(self) -> int:
        """The start in Unix nanoseconds; 0 when it is not set."""
        return self.message.start_time_unix_nano

    @property
    def duration_ns(self) -> int:
        """The duration, negative when the span ends before it starts."""
        return self.message.end_time_unix_nano - self.message.start_time_unix_nano

    @property
    def is_error(self) -> bool:
        """True where the status is an error."""
        return self.message.status.code == Status.STATUS_CODE_ERROR

    @cached_property
    def parent_id(self) -> bytes:
        """The id of the parent, empty for a root."""
        return self.message.parent_span_id.lstrip(b"\0") and self.message.parent_span_id


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of a trace by start; ``note`` is a remark of the server, such as that there are more."""

    spans: tuple[Span, ...]
    note: str


def parse_trace(body: bytes) -> Trace:
    """Read tempopb.TraceByIDResponse; a trace without spans when there is none. Raises MalformedAnswer."""
    data, note = traces_data(body)
    return Trace(tuple(sorted(_spans(data), key=_by_start)), note)


def traces_data(body: bytes) -> tuple[TracesData, str]:
    """Return the trace in a tempopb.TraceByIDResponse, and the server's remark; raises MalformedAnswer."""
    try:
        fields = _fields(body)
        data = TracesData.FromString(fields.get(_TRACE, b""))
    except DecodeError:
        raise MalformedAnswer("the answer is not a trace in protobuf, is this a server of the Tempo API?") from None
    return data, fields.get(_MESSAGE, b"").decode("utf-8", "replace")


def _fields(body: bytes) -> dict[int, bytes]:
    """Return the fields of a message that are messages or text; of repeated ones the last."""
    fields = UnknownFieldSet(Empty.FromString(body))
    parts = (fields[number] for number in range(len(fields)))
    return {part.field_number: part.data for part in parts if isinstance(part.data, bytes)}


def _spans(data: TracesData) -> Iterator[Span]:
    for of_resource in data.resource_spans:
        service = _service(of_resource.resource)
        for of_scope in of_resource.scope_spans:
            for message in of_scope.spans:
                yield Span(message, service, of_resource.resource, of_scope.scope)


def _service(resource: Resource) -> str:
    return next((item.value.string_value for item in resource.attributes if item.key == "service.name"), "")


def _by_start(span: Span) -> tuple[int, int, bytes]:
    # Of spans that start together the longest comes first, as it most likely encloses the others.
    return span.start_ns, -span.duration_ns, span.message.span_id
