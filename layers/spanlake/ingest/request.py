"""What passes between a receiver and the store: the request, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Request:
    """The bytes of one ExportTraceServiceRequest and what identifies them."""

    body: bytes
    digest: bytes  # of the body

    @classmethod
    def of(cls, body: bytes) -> "Request":
        """The request with these bytes."""
        return cls(body, sha256(body).digest())


@dataclass(frozen=True, slots=True)
class Receipt:
    """Acknowledges one request: its accepted spans are durable."""

    accepted: int = 0  # spans
    rejected: Mapping[str, int] = field(default_factory=dict)  # spans by reason

    @property
    def rejected_spans(self) -> int:
        """How many spans were not stored."""
        return sum(self.rejected.values())

    @property
    def explanation(self) -> str:
        """Why spans were not stored, for the sender; empty when all were."""
        return ", ".join(f"{reason}: {count}" for reason, count in sorted(self.rejected.items()))

    def to_otlp(self) -> bytes:
        """OTLP's ExportTraceServiceResponse; empty, and cheap, when nothing was rejected."""
        if not self.rejected:
            return b""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = self.rejected_spans
        response.partial_success.error_message = self.explanation
        return response.SerializeToString()


Outcome = Receipt | Exception
# Stores requests of one tenant; the outcomes are in the order of the requests.
Commit = Callable[[str, Sequence[Request]], list[Outcome]]
