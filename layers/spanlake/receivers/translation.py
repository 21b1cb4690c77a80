"""The result of translating a request to OTLP."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MALFORMED = "malformed"
"""Reason of rejection for spans that could not be read."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A request in OTLP, without those of its spans that cannot be kept."""

    body: bytes
    """ExportTraceServiceRequest in protobuf."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Numbers of spans left out, by reason (see ``spanlake.spans.otlp.rejections``)."""

    @classmethod
    def without(cls, unreadable: int, body: bytes) -> "Translated":
        """Make the result of a request of which ``unreadable`` spans could not be read."""
        return cls(body, {MALFORMED: unreadable} if unreadable else {})
