"""What a receiver makes of a request in its format."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Translated:
    """A request in OTLP, without the spans of it that cannot be kept."""

    body: bytes
    """An ExportTraceServiceRequest in protobuf."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Spans left out, by reason (see ``spanlake.spans.rejections``)."""
