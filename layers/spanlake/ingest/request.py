"""Requests on their way to the store, their outcomes, and the errors of ingestion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from typing import Any

from spanlake.ingest.errors import NothingStored
from spanlake.receivers.translation import Translated
from spanlake.spans.otlp.validate import explain

Translation = Callable[[Sequence[bytes]], Sequence[Translated | Exception]]
"""Converts bodies to OTLP, each to Translated or the MalformedRequest with the reason.

It may raise the error of one of several bodies; each of them is then translated alone.
"""


def imported(module: str, function: str) -> Callable[[Any], Any]:
    """Return a function of a module that is imported with the first call: a server starts without all formats."""

    def call(argument: Any) -> Any:
        return getattr(import_module(module), function)(argument)

    return call


@dataclass(frozen=True, slots=True)
class Format:
    """A request format of a protocol: its name and its translation to OTLP."""

    name: str
    translate: Translation

    @classmethod
    def of_each(cls, name: str, to_otlp: Callable[[bytes], Translated]) -> "Format":
        """Make a format whose bodies are translated one by one; ``to_otlp`` raises MalformedRequest."""
        return cls(name, lambda bodies: [_tried(to_otlp, body) for body in bodies])


def _tried(to_otlp: Callable[[bytes], Translated], body: bytes) -> Translated | Exception:
    try:
        return to_otlp(body)
    except Exception as error:  # noqa: BLE001, one malformed request must not fail the others
        return error


@dataclass(frozen=True, slots=True)
class Request:
    """The bytes of a request and its identity."""

    body: bytes
    digest: bytes  # of the body, and of the format
    format: Format | None = None  # None when the body is an ExportTraceServiceRequest
    rejected: Mapping[str, int] = field(default_factory=dict)  # spans by reason, left out by the translation

    @classmethod
    def of(cls, body: bytes, format_: Format | None = None) -> "Request":
        """Make the request with this body."""
        named = sha256(b"" if format_ is None else f"{format_.name}\0".encode())
        named.update(body)
        return cls(body, named.digest(), format_)


@dataclass(frozen=True, slots=True)
class Receipt:
    """An acknowledgement of one request: its accepted spans are durable."""

    accepted: int = 0  # spans
    rejected: Mapping[str, int] = field(default_factory=dict)  # spans by reason

    @property
    def rejected_spans(self) -> int:
        """The number of spans that were not stored."""
        return sum(self.rejected.values())

    @property
    def explanation(self) -> str:
        """The explanation for the sender of why spans were not stored; empty when all were."""
        return explain(self.rejected)

    def require_some(self) -> None:
        """Raise NothingStored when the request had spans and none was stored."""
        if self.rejected and not self.accepted:
            raise NothingStored(self.explanation)

    def to_otlp(self) -> bytes:
        """Encode OTLP's ExportTraceServiceResponse; empty, at no cost, when no span was rejected."""
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
