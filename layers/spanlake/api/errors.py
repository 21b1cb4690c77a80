"""HTTP status and text of every error: the one place where exceptions become status codes.

Errors of queries are in spanlake.api.tempo.dependencies, so that an ingest process does not load them.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from spanlake.api.ingest.errors import BodyError, BodyTooLarge, MalformedBody, UnsupportedEncoding
from spanlake.auth.access import CannotVerify, Forbidden, Unauthenticated
from spanlake.ingest.errors import ArrivalTimeout, Draining, NothingStored, Overloaded, RateLimited
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.store.errors import InvalidTenant, StoreError

_log = logging.getLogger(__name__)


class UnsupportedMediaType(BodyError):  # noqa: N818
    """The Content-Type is not one that is understood."""


@dataclass(frozen=True, slots=True)
class HttpError:
    """An error as a client sees it."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


Table = Sequence[tuple[type[Exception], int, int | None]]
"""Kinds of errors, the status of each, and after how many seconds to retry; the first kind that fits counts."""

INGEST_ERRORS: Table = (
    (InvalidTenant, 400, None),
    (Unauthenticated, 401, None),
    (Forbidden, 403, None),
    (CannotVerify, 503, CannotVerify.retry_seconds),
    (MalformedBody, 400, None),
    (MalformedRequest, 400, None),
    (NothingStored, 400, None),
    (BodyTooLarge, 413, None),
    (UnsupportedEncoding, 415, None),
    (UnsupportedMediaType, 415, None),
    (Overloaded, 429, Overloaded.retry_seconds),
    (RateLimited, 429, None),  # an error of its own says after how long
    # Not 408, the status for it: OTLP clients give up what is answered so, and the spans are lost.
    (ArrivalTimeout, 503, ArrivalTimeout.retry_seconds),
    (Draining, 503, Draining.retry_seconds),
    (StoreError, 503, 5),  # also what only an operator can mend: clients drop spans that 500 refuses
)


def http_error(error: Exception, table: Table) -> HttpError:
    """Return the answer to a client; for an error that is not in the table it says only that there was one."""
    if isinstance(error, HTTPException):  # what the framework or a route has a status for, such as an unknown path
        return HttpError(error.status_code, error.detail, error.headers or {})
    for kind, status, retry_seconds in table:
        if isinstance(error, kind):
            seconds = getattr(error, "retry_seconds", retry_seconds)
            ends = {"Connection": "close"} if getattr(error, "ends_connection", False) else {}
            return HttpError(status, str(error), {**_headers(status, seconds), **ends})
    return HttpError(500, "internal error")


def _headers(status: int, retry_seconds: int | None) -> Mapping[str, str]:
    if status == HTTPStatus.UNAUTHORIZED:  # browsers ask for a password by it
        return {"WWW-Authenticate": 'Basic realm="spanlake", Bearer realm="spanlake"'}
    return {} if retry_seconds is None else {"Retry-After": str(retry_seconds)}


def logged_http_error(error: Exception) -> HttpError:
    """Return the answer to a client that sent spans, and log the error where the answer does not name it."""
    told = http_error(error, INGEST_ERRORS)
    if told.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a request failed", exc_info=error)
    return told


def shut_down_error() -> HttpError:
    """Return the refusal for spans that the server has no time left to store."""
    return http_error(Draining("the server shut down before the spans were stored: send them again"), INGEST_ERRORS)


def answer_errors(app: Starlette, table: Table, serves: str = "") -> None:
    """Answer every error in plain text, as Tempo does; an unknown path with what the application ``serves``."""

    async def answer(_: Request, error: Exception) -> Response:
        told = http_error(error, table)
        if told.status == HTTPStatus.NOT_FOUND and serves:
            told = replace(told, message=f"{told.message}: {serves}")
        return PlainTextResponse(f"{told.message}\n", told.status, told.headers)

    for kind in (HTTPException, Exception, *(kind for kind, _, _ in table)):
        app.add_exception_handler(kind, answer)
