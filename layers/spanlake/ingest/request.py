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


Outcome = Receipt | Exception
# Stores requests of one tenant; the outcomes are in the order of the requests.
Commit = Callable[[str, Sequence[Request]], list[Outcome]]
