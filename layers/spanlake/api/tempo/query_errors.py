"""The errors that queries raise, and all there are in a process that answers them."""

from spanlake.api.errors import INGEST_ERRORS, Table
from spanlake.api.typed_route import InvalidParameter
from spanlake.query.limits import Cancelled, LimitExceeded
from spanlake.traceql.errors import TraceQLError

ALL_ERRORS: Table = (
    *INGEST_ERRORS,
    (InvalidParameter, 400, None),
    (TraceQLError, 400, None),
    (LimitExceeded, 422, None),
    (Cancelled, 499, None),  # nobody reads it; nginx's number for a client that went away
)
