"""What is wrong with spans of other protocols than OTLP."""

from spanlake.spans.decode import MalformedRequest


class MalformedSpans(MalformedRequest):
    """A request that is not of the format that it should be, as a whole."""

    def __init__(self, format_: str, reason: str) -> None:
        ValueError.__init__(self, f"not spans in {format_}: {reason}")
        self.reason = reason
