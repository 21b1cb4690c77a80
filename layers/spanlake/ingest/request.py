"""What passes between a receiver and the store: the request, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from spanlake.ingest.errors import NothingStored
from spanlake.receivers.translated import Translated
from spanlake.spans.rejections import explain

Translation = Callable[[Sequence[bytes]], Sequence[Translated | Exception]]
"""Turns bodies into OTLP, each into Translated or the MalformedRequest that says why not.

It may raise what is wrong with one of several bodies; each of them is then translated alone.
"""


@dataclass(frozen=True, slots=True)
class Format:
    """What a protocol's requests are made of."""

    name: str
    translate: Translation

    @classmethod
    def of_each(cls, name: str, to_otlp: Callable[[bytes], Translated]) -> "Format":
        """A format whose bodies are translated one by one; ``to_otlp`` raises MalformedRequest."""
        return cls(name, lambda bodies: [_tried(to_otlp, body) for body in bodies])


def _tried(to_otlp: Callable[[bytes], Translated], body: bytes) -> Translated | Exception:
    try:
        return to_otlp(body)
    except Exception as error:  # noqa: BLE001, one odd request must not take the others with it
        return error


@dataclass(frozen=True, slots=True)
class Request:
    """The bytes of one request and what identifies them."""

    body: bytes
    digest: bytes  # of the body, and of the format
    format: Format | None = None  # None when the body is an ExportTraceServiceRequest
    rejected: Mapping[str, int] = field(default_factory=dict)  # spans by reason, left out by the translation

    @classmethod
    def of(cls, body: bytes, format_: Format | None = None) -> "Request":
        """The request with these bytes."""
        named = sha256(b"" if format_ is None else f"{format_.name}\0".encode())
        named.update(body)
        return cls(body, named.digest(), format_)


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
        """Sentence for the sender on the spans that were not stored; empty when all were."""
        return explain(self.rejected)

    def require_some(self) -> None:
        """Raise NothingStored when there were spans and none of them was stored."""
        if self.rejected and not self.accepted:
            raise NothingStored(self.explanation)

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
