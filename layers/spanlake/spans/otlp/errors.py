"""The error of requests that are not OTLP."""


class MalformedRequest(ValueError):  # noqa: N818
    """A request that is not an ExportTraceServiceRequest; the message gives the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not an OTLP trace export request: {reason}")
        self.reason = reason
