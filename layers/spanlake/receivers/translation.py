"""The result of translating a request to OTLP, and the errors of malformed requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from spanlake.spans.otlp.errors import MalformedRequest


class MalformedSpans(MalformedRequest):
    """A request that does not have the format it should have, as a whole."""

    def __init__(self, format_: str, reason: str) -> None:
        ValueError.__init__(self, f"not spans in {format_}: {reason}")
        self.reason = reason


class MalformedFile(ValueError):  # noqa: N818
    """A file that cannot be read beyond some position; the message gives position and reason."""


MOST_SPANS = 100_000
"""Limit on the spans of a request in a format of which spans become objects of Python, some 500 bytes each."""
MOST_EVENTS = 8192
"""Limit on the events that are made of annotations of one span."""
MALFORMED = "malformed"
"""Reason of rejection for spans that could not be read."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A request in OTLP, without those of its spans that cannot be kept."""

    body: bytes
    """ExportTraceServiceRequest in protobuf."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Numbers of spans left out, by reason (see ``spanlake.spans.otlp.validate``)."""

    @classmethod
    def without(cls, unreadable: int, body: bytes) -> "Translated":
        """Make the result of a request of which ``unreadable`` spans could not be read."""
        return cls(body, {MALFORMED: unreadable} if unreadable else {})
