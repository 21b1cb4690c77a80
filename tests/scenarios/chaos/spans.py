"""Generates the spans of clients: each span differs from all others, and its content follows from its id alone."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

DAY_NS = 86_400 * 10**9
MS = 10**6

SPANS_OF_TRACE = 3  # in one request
TRACES = 2  # in one request, the first of today, the second of yesterday
REQUESTS_OF_TRACE = 2


@dataclass(frozen=True, order=True)
class Sending:
    """Which request it is: the client's number, and how many it had sent before."""

    client: int
    number: int

    @property
    def service(self) -> str:
        """The service that it is of."""
        return f"client-{self.client}"

    @property
    def weight(self) -> int:
        """An attribute of each of its spans, to be summed."""
        return self.number % 10 + 1

    @property
    def siblings(self) -> tuple["Sending", ...]:
        """The requests that have spans of the same traces, itself among them."""
        first = self.number // REQUESTS_OF_TRACE * REQUESTS_OF_TRACE
        return tuple(Sending(self.client, first + more) for more in range(REQUESTS_OF_TRACE))

    def span_id(self, part: int) -> bytes:
        """The id of one of its spans."""
        return bytes([1, self.client]) + self.number.to_bytes(4) + part.to_bytes(2)

    @classmethod
    def of(cls, span_id: bytes) -> "Sending":
        """The request that had a span of this id."""
        return cls(span_id[1], int.from_bytes(span_id[2:6]))


@dataclass(frozen=True)
class World:
    """Seed and time from which the ids and times of a run are made."""

    seed: int
    now_ns: int

    def trace_id(self, sending: Sending, which: int) -> bytes:
        """Returns the id of a trace of a request; the requests before or after it may have spans of it too."""
        text = f"{self.seed} {sending.client} {sending.number // REQUESTS_OF_TRACE} {which}"
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def traces(self, sending: Sending) -> dict[bytes, frozenset[bytes]]:
        """All of them, with the ids of the spans that the request has of each."""
        parts = [range(which, TRACES * SPANS_OF_TRACE, TRACES) for which in range(TRACES)]
        return {self.trace_id(sending, which): frozenset(map(sending.span_id, parts[which])) for which in range(TRACES)}

    def spans(self, sending: Sending) -> Iterable[Span]:
        """The spans of a request."""
        for part in range(TRACES * SPANS_OF_TRACE):
            yield self._span(sending, part)

    def body(self, sending: Sending) -> bytes:
        """The request as it is sent, the same every time."""
        message = ExportTraceServiceRequest()
        resource = message.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = sending.service
        resource.scope_spans.add().spans.extend(self.spans(sending))
        return message.SerializeToString(deterministic=True)

    def _span(self, sending: Sending, part: int) -> Span:
        which, place = part % TRACES, part // TRACES
        start = self.now_ns - which * DAY_NS + sending.number * MS + part
        span = Span(
            trace_id=self.trace_id(sending, which),
            span_id=sending.span_id(part),
            parent_span_id=sending.span_id(which) if place else b"",
            name=f"step {place}",
            start_time_unix_nano=start,
            end_time_unix_nano=start + (part + 1) * MS,
        )
        span.status.SetInParent()  # which answers always have
        span.attributes.add(key="chaos.number").value.int_value = sending.number
        span.attributes.add(key="chaos.weight").value.int_value = sending.weight
        span.attributes.add(key=f"chaos.extra.{sending.number % 5}").value.string_value = f"{part} of {sending}"
        return span


def plain(span: Span) -> bytes:
    """A span in bytes that do not tell the order of its attributes."""
    copy = Span()
    copy.CopyFrom(span)
    attributes = sorted(copy.attributes, key=lambda attribute: attribute.key)
    del copy.attributes[:]
    copy.attributes.extend(attributes)
    return copy.SerializeToString(deterministic=True)
