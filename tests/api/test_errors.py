"""Exceptions become status codes in one place."""

import pytest
from starlette.exceptions import HTTPException

from spanlake.api.errors import HttpError, http_error
from spanlake.api.tempo.dependencies import ALL_ERRORS
from spanlake.api.tempo.query_queue import TooManyQueries
from spanlake.ingest.errors import Draining, Overloaded
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.store.errors import InvalidTenant, StorageCorrupt, StorageUnavailable, StoreError
from spanlake.traceql.errors import ParseError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InvalidTenant("no tenant"), HttpError(400, "no tenant")),
        (ParseError("expected }", "{", 1), HttpError(400, "line 1, column 2: expected }")),
        (MalformedRequest("cut short"), HttpError(400, "not an OTLP trace export request: cut short")),
        (Overloaded("full"), HttpError(429, "full", {"Retry-After": "1"})),
        (Draining("ending"), HttpError(503, "ending", {"Retry-After": "5"})),
        (StorageUnavailable("disk full"), HttpError(503, "disk full", {"Retry-After": "5"})),
        (HTTPException(404, "trace not found"), HttpError(404, "trace not found")),
        (StoreError("access is denied"), HttpError(503, "access is denied", {"Retry-After": "5"})),
        (StorageCorrupt("the index is damaged"), HttpError(503, "the index is damaged", {"Retry-After": "5"})),
        (TooManyQueries("busy"), HttpError(429, "busy", {"Retry-After": "2", "Connection": "close"})),
        (KeyError("a secret"), HttpError(500, "internal error")),
    ],
)
def test_what_a_client_is_told(error: Exception, told: HttpError) -> None:
    assert http_error(error, ALL_ERRORS) == told
