"""Mapping of exceptions to gRPC status codes, in one place for all services."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

from dataclasses import dataclass

import grpc

from spanlake.auth.access import CannotVerify, Forbidden, Unauthenticated
from spanlake.ingest.errors import ArrivalTimeout, Draining, NothingStored, Overloaded, RateLimited
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.store.errors import InvalidTenant, StoreError

DETAILS = "grpc-status-details-bin"  # trailing metadata, a google.rpc.Status


class MissingMessage(Exception):
    """A call that ended without its message."""


class MessageTooLarge(Exception):
    """A message that is larger than allowed when it is decompressed."""


@dataclass(frozen=True, slots=True)
class GrpcError:
    """An error as a gRPC client receives it."""

    code: grpc.StatusCode
    message: str
    retry_seconds: int | None = None  # seconds until the same request may succeed

    @property
    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """A google.rpc.RetryInfo, without which OTLP clients do not retry RESOURCE_EXHAUSTED."""
        if self.retry_seconds is None:
            return ()
        from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
        from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

        status = Status(code=self.code.value[0], message=self.message)
        retry = RetryInfo()
        retry.retry_delay.seconds = self.retry_seconds
        status.details.add().Pack(retry)
        return ((DETAILS, status.SerializeToString()),)


_CODES: tuple[tuple[type[Exception], grpc.StatusCode, int | None], ...] = (
    (Unauthenticated, grpc.StatusCode.UNAUTHENTICATED, None),
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED, None),
    (CannotVerify, grpc.StatusCode.UNAVAILABLE, CannotVerify.retry_seconds),
    (InvalidTenant, grpc.StatusCode.INVALID_ARGUMENT, None),
    (MalformedRequest, grpc.StatusCode.INVALID_ARGUMENT, None),
    (NothingStored, grpc.StatusCode.INVALID_ARGUMENT, None),
    (MissingMessage, grpc.StatusCode.INVALID_ARGUMENT, None),
    (MessageTooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED, None),
    (Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded.retry_seconds),
    (RateLimited, grpc.StatusCode.RESOURCE_EXHAUSTED, None),  # an error of its own says after how long
    (ArrivalTimeout, grpc.StatusCode.UNAVAILABLE, ArrivalTimeout.retry_seconds),
    (Draining, grpc.StatusCode.UNAVAILABLE, Draining.retry_seconds),
    (StoreError, grpc.StatusCode.UNAVAILABLE, 5),  # includes errors that only an operator can fix
)


def grpc_error(error: Exception) -> GrpcError:
    """Return the status for an exception; one that is not in the table is only reported as internal."""
    for kind, code, retry_seconds in _CODES:
        if isinstance(error, kind):
            return GrpcError(code, str(error), getattr(error, "retry_seconds", retry_seconds))
    return GrpcError(grpc.StatusCode.INTERNAL, "internal error")
