"""Errors of ingestion, which other packages answer without loading what raises them."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)


class IngestError(Exception):
    """Base of the errors that spanlake.ingest raises."""


class Overloaded(IngestError):
    """The limits on requests in flight are reached; the same request may succeed later."""

    retry_seconds = 1


class Draining(IngestError):
    """The process is shutting down and takes no more requests; another process will, or this one after a restart."""

    retry_seconds = 5


class ArrivalTimeout(IngestError):
    """The request took longer to arrive than allowed; the same request may succeed later."""

    retry_seconds = 5


class NothingStored(IngestError):
    """Every span of a request was rejected, in a protocol without partial success; a retry would fail again."""


class RateLimited(IngestError):
    """The tenant sends faster than allowed; the same request may succeed later."""

    def __init__(self, message: str, retry_seconds: int, held_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds
        self.held_seconds = held_seconds
