"""The result of translating a request to OTLP."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MALFORMED = "malformed"
"""The reason of spans that could not be read."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A request in OTLP, without the spans of it that cannot be kept."""

    body: bytes
    """An ExportTraceServiceRequest in protobuf."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Spans left out, by reason (see ``spanlake.spans.rejections``)."""

    @classmethod
    def without(cls, unreadable: int, body: bytes) -> "Translated":
        """The request, of which so many spans could not be read."""
        return cls(body, {MALFORMED: unreadable} if unreadable else {})
