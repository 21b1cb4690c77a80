"""Dependencies of the Tempo routes: cancellation, partial results and query errors."""

import logging
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter
from typing import Generic, TypeVar

import anyio
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spanlake.api.errors import INGEST_ERRORS, Table
from spanlake.api.tempo.query_queue import QueryQueue, TooManyQueries
from spanlake.api.typed_route import InvalidParameter
from spanlake.query.engine.session import Cancellation
from spanlake.query.limits import OF_TENANT, Cancelled, LimitExceeded, LimitsOfTenant
from spanlake.query.querier import Querier
from spanlake.query.scan.unread_blocks import LEFT_OUT, UNREAD, Unread
from spanlake.query.time_range import TimeRange
from spanlake.spans.ids import TRACE_ID, parse_id
from spanlake.store.tenant_limits import LimitsSource, NoLimits
from spanlake.traceql import Unsupported, ast, parse, validate
from spanlake.traceql.errors import TraceQLError

ALL_ERRORS: Table = (
    *INGEST_ERRORS,
    (InvalidParameter, 400, None),
    (TraceQLError, 400, None),
    (LimitExceeded, 422, None),
    (TooManyQueries, 429, TooManyQueries.retry_seconds),
    (Cancelled, 499, None),  # nobody reads it; nginx's number for a client that went away
)

T = TypeVar("T")

_log = logging.getLogger(__name__)
_LOGGED_PARAMETERS = {"q", "query", "start", "end", "limit", "step"}
_LOGGED_TEXT = 500  # characters


async def run(
    request: Request, tenant: str, question: Callable[[Cancellation], T], queue: QueryQueue, most: int | None = None
) -> T:
    """Return the answer of a question that takes a while, once it has a place; raises what it raises.

    A question whose client hangs up ends, or loses its place among those that wait.
    """
    asked = _Asked(question)
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as waiting:
            group.start_soon(_watch, request, asked.cancellation, waiting)
            await asked.in_turn(queue, tenant, most)
        group.cancel_scope.cancel()
    if asked.failure is not None:
        raise asked.failure
    if not asked.answers:
        raise Cancelled
    return asked.answers[0]


class _Asked(Generic[T]):
    """A question, and its answer or its failure: a task group would wrap errors in a group of them."""

    def __init__(self, question: Callable[[Cancellation], T]) -> None:
        self.cancellation = Cancellation()
        self._question = question
        self.answers: list[T] = []
        self.failure: Exception | None = None

    async def in_turn(self, queue: QueryQueue, tenant: str, most: int | None) -> None:
        """Answer the question in a thread, once it has a place."""
        try:
            async with queue.place(tenant, most):
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self._ask, limiter=anyio.CapacityLimiter(1))  # the queue limits them
        except TooManyQueries as error:
            self.failure = error

    def _ask(self) -> None:
        try:
            self.answers.append(self._question(self.cancellation))
        except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
            self.failure = error


async def _watch(request: Request, cancellation: Cancellation, waiting: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    cancellation.cancel()
    waiting.cancel()


_AHEAD_NS = 86_400 * 10**9  # by which clocks of senders may be ahead
HEADER = "X-Spanlake-Partial"
_MOST_NAMED = 5


class PartialAnswers:
    """Names the blocks that an answer lacks in a header: Grafana refuses fields that Tempo's answers do not have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        missing: list[str] = []
        token, unread = LEFT_OUT.set(missing), Unread()
        unread_token = UNREAD.set(unread)

        async def marked(message: Message) -> None:
            if missing and message["type"] == "http.response.start":
                named = ", ".join(sorted(set(missing))[:_MOST_NAMED])
                MutableHeaders(scope=message)[HEADER] = f"{len(set(missing))} blocks are missing: {named}"
            elif unread.paths and message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = unread.message
            await send(message)

        try:
            await self._app(scope, receive, marked)
        finally:
            LEFT_OUT.reset(token)
            UNREAD.reset(unread_token)


PROTOBUF = "application/protobuf"
JSON = "application/json"
Timer = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class QueryRunner:
    """A querier, and the timer that is entered with the route's path for every query."""

    querier: Querier
    timer: Timer
    queue: QueryQueue = field(default_factory=QueryQueue)
    slow_seconds: float = math.inf  # from which a query is logged
    tenant_limits: LimitsSource = field(default_factory=NoLimits)

    async def run(self, request: Request, tenant: str, query: Callable[[Cancellation], T]) -> T:
        """Run a query of a tenant, or several as ``a|b``, in a thread until its client hangs up; raises as it does."""
        with self.timer(request.scope["route"].path), self._logged_if_slow(request, tenant):
            tenants = tuple(tenant.split("|"))
            limits = self.tenant_limits.current.of_several(tenants)
            spans, size, series = limits.query_spans, limits.query_bytes, limits.query_series
            token = OF_TENANT.set(LimitsOfTenant(spans, size, series, tenants, limits.athena_bytes))
            try:
                return await run(request, tenant, query, self.queue, limits.query_concurrency)
            except RecursionError:
                text = request.query_params.get("q") or request.query_params.get("query", "")
                raise Unsupported(
                    "query nested too deeply to be run: use fewer operators within each other", text
                ) from None
            finally:
                OF_TENANT.reset(token)

    def within_range(self, tenant: str, when: TimeRange) -> TimeRange:
        """Return the range of a query, the latest that is allowed where it names none; raises InvalidParameter."""
        most = self.tenant_limits.current.of_several(tenant.split("|")).query_range
        if most is None:
            return when
        most_ns = most // timedelta(microseconds=1) * 1000
        if when.is_all:
            now = time.time_ns()
            return TimeRange(now - most_ns, now + _AHEAD_NS)
        if when.end_ns - when.start_ns > most_ns:
            raise InvalidParameter(f"the range from start to end is longer than the tenant's {most}: ask for less")
        return when

    @contextmanager
    def _logged_if_slow(self, request: Request, tenant: str) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            if (seconds := perf_counter() - start) >= self.slow_seconds:
                _log.warning("slow query", extra=_described(request, tenant, seconds))

    def checked(self, text: str) -> ast.Query:
        """Parse and check a query; raises TraceQLError."""
        return validate(parse(text), self.querier.sizes)

    def metrics_query(self, text: str) -> ast.Query:
        """Parse and check a metrics query; raises TraceQLError."""
        query = self.checked(text)
        if not query.is_metrics:
            raise Unsupported("a metrics query ends in a function such as rate()", query.text, len(query.text))
        return query


def _described(request: Request, tenant: str, seconds: float) -> dict[str, object]:
    """Return the fields of a log record about a query; its texts are cut."""
    params = {name: value[:_LOGGED_TEXT] for name, value in request.query_params.items() if name in _LOGGED_PARAMETERS}
    path = request.url.path[:_LOGGED_TEXT]
    return {"path": path, "tenant": tenant[:_LOGGED_TEXT], "seconds": round(seconds, 3), **params}


def trace_id_of(text: str) -> bytes:
    """Read a trace id in hex, as `parse_id` does; raises InvalidParameter."""
    if (found := parse_id(text, TRACE_ID)) is None:
        raise InvalidParameter(
            f"invalid trace id: {text[:80]!r} is not made of 1 to 32 hex digits, nor is it X-Ray's 1-8 digits-24 digits"
        )
    return found


def json_response(body: bytes) -> Response:
    """Return an answer whose body is JSON already."""
    return Response(body, media_type=JSON)


def accepts_protobuf(request: Request) -> bool:
    """True where the client asks for protobuf and does not prefer JSON (RFC 9110, 12.5.1)."""
    weights = _weights(request.headers.get("accept", ""))
    wanted = weights.get(PROTOBUF, 0.0)
    return wanted > 0 and wanted >= weights.get(JSON, 0.0)


_WEIGHT = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")


def _weights(accept: str) -> dict[str, float]:
    """Return the weights of the media types in an Accept header, 1 where none is given."""
    found = {}
    for choice in accept.lower().split(","):
        weight = _WEIGHT.search(choice)
        found[choice.partition(";")[0].strip()] = float(weight.group(1)) if weight else 1.0
    return found
