"""Errors for malformed spans in protocols other than OTLP."""

from spanlake.spans.otlp.decode import MalformedRequest


class MalformedSpans(MalformedRequest):
    """A request that does not have the format it should have, as a whole."""

    def __init__(self, format_: str, reason: str) -> None:
        ValueError.__init__(self, f"not spans in {format_}: {reason}")
        self.reason = reason
