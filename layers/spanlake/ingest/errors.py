"""Why a request was not stored, beyond what spans and store have to say."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)


class IngestError(Exception):
    """Base of the errors that spanlake.ingest raises."""


class Overloaded(IngestError):
    """Too much is in flight already; the same request may succeed a little later."""

    retry_seconds = 1


class Draining(IngestError):
    """The process is about to end and takes nothing more; another one, or this one restarted, will."""

    retry_seconds = 5


class ArrivalTimeout(IngestError):
    """The request took longer to arrive than senders may take; the same request may succeed later."""

    retry_seconds = 5


class NothingStored(IngestError):
    """Every span of a request was refused, in a protocol that has no other way to tell; the same would be again."""
