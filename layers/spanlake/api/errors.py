"""How every error is told to an HTTP client: the one place where exceptions become status codes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from spanlake.api.bodies import BodyError, BodyTimeout, BodyTooLarge, MalformedBody, UnsupportedEncoding
from spanlake.api.params import InvalidParameter
from spanlake.ingest.errors import Draining, NothingStored, Overloaded
from spanlake.query.limits import Cancelled, LimitExceeded
from spanlake.spans.decode import MalformedRequest
from spanlake.store.errors import InvalidTenant, StorageUnavailable
from spanlake.traceql.errors import TraceQLError

_log = logging.getLogger(__name__)


class UnsupportedMediaType(BodyError):  # noqa: N818
    """The Content-Type is not one that is understood."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a client sees it."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


_STATUS: tuple[tuple[type[Exception], int, int | None], ...] = (
    (InvalidTenant, 400, None),
    (InvalidParameter, 400, None),
    (TraceQLError, 400, None),
    (MalformedBody, 400, None),
    (MalformedRequest, 400, None),
    (NothingStored, 400, None),
    (BodyTimeout, 408, None),
    (BodyTooLarge, 413, None),
    (UnsupportedEncoding, 415, None),
    (UnsupportedMediaType, 415, None),
    (LimitExceeded, 422, None),
    (Cancelled, 499, None),  # nobody reads it; nginx's number for a client that went away
    (Overloaded, 429, Overloaded.retry_seconds),
    (Draining, 503, Draining.retry_seconds),
    (StorageUnavailable, 503, 5),
)


def problem(error: Exception) -> Problem:
    """What to tell the client; of an error that is not in the table, nothing but that it happened."""
    if isinstance(error, HTTPException):  # what the framework or a route has a status for, such as an unknown path
        return Problem(error.status_code, error.detail, error.headers or {})
    for kind, status, retry_seconds in _STATUS:
        if isinstance(error, kind):
            return Problem(status, str(error), {} if retry_seconds is None else {"Retry-After": str(retry_seconds)})
    return Problem(500, "internal error")


def logged_problem(error: Exception) -> Problem:
    """What to tell the client, for whom the log has more where the answer says nothing."""
    told = problem(error)
    if told.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a request failed", exc_info=error)
    return told


def answer_errors(app: FastAPI) -> None:
    """Answer every error in plain text, as Tempo does."""
    for kind in (HTTPException, Exception, *(kind for kind, _, _ in _STATUS)):
        app.add_exception_handler(kind, _answer)


async def _answer(_: Request, error: Exception) -> Response:
    told = problem(error)
    return PlainTextResponse(f"{told.message}\n", told.status, told.headers)
