"""Parts that the endpoints of the Tempo API share: running a query for a request, and answers in JSON."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from spanlake.api.tempo.cancelling import run
from spanlake.api.typed_route import InvalidParameter
from spanlake.query.engine.session import Cancellation
from spanlake.query.querier import Querier
from spanlake.spans.ids import TRACE_ID, parse_id
from spanlake.traceql import Unsupported, check, parse
from spanlake.traceql.ast.nodes import Query
from spanlake.traceql.ids import with_plain_ids

PROTOBUF = "application/protobuf"
JSON = "application/json"

T = TypeVar("T")
Timer = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class QueryRunner:
    """A querier, and the timer that is entered with the route's path for every query."""

    querier: Querier
    timer: Timer

    async def run(self, request: Request, query: Callable[[Cancellation], T]) -> T:
        """Runs a query in a thread, until the client hangs up; raises what it raises."""
        with self.timer(request.scope["route"].path):
            try:
                return await run(request, query)
            except RecursionError:
                text = request.query_params.get("q") or request.query_params.get("query", "")
                raise Unsupported("the query's operators stand too deep in each other", text) from None

    def checked(self, text: str) -> Query:
        """Parses and checks a query; raises TraceQLError."""
        return check(parsed(text), self.querier.sizes)

    def metrics_query(self, text: str) -> Query:
        """Parses and checks a metrics query; raises TraceQLError."""
        query = self.checked(text)
        if not query.is_metrics:
            raise Unsupported("a metrics query ends in a function such as rate()", query.text, len(query.text))
        return query


def parsed(text: str) -> Query:
    """Parses a query; raises TraceQLError."""
    return with_plain_ids(parse(text))


def trace_id_of(text: str) -> bytes:
    """Reads a trace id in hex, as `parse_id` does; raises InvalidParameter."""
    if (found := parse_id(text, TRACE_ID)) is None:
        raise InvalidParameter(f"invalid trace id: {text[:80]!r} is not made of 1 to 32 hex digits")
    return found


def json_response(body: bytes) -> Response:
    """Returns an answer whose body is JSON already."""
    return Response(body, media_type=JSON)


def accepts_protobuf(request: Request) -> bool:
    """True where the client asks for protobuf instead of JSON."""
    return PROTOBUF in request.headers.get("accept", "")
