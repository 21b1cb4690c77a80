"""The routes of the Tempo API that answer questions about spans."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spanlake.api import answers
from spanlake.api.cancelling import run
from spanlake.api.params import InvalidParameter, Params
from spanlake.api.tag_search import query_of_tags
from spanlake.api.tenant import tenant_of
from spanlake.query.duck import Cancellation
from spanlake.query.exemplars import exemplars_wanted
from spanlake.query.querier import Querier
from spanlake.query.search import Order, Search
from spanlake.query.steps import Steps
from spanlake.query.tags import TagValue
from spanlake.spans.encode import to_otlp
from spanlake.spans.tempo_json import trace_v1, trace_v2
from spanlake.traceql import Unsupported, check, parse
from spanlake.traceql.parser import parse_identifier
from spanlake.traceql.tree import Attribute, AttributeScope, Field, Intrinsic, IntrinsicField, Query, Type

DEFAULT_LIMIT = 20
DEFAULT_SPANS_PER_SET = 3

_HEX = re.compile("[0-9A-Fa-f]+")
_PROTOBUF = "application/protobuf"
_SCOPES = ("", "none", "span", "resource", "intrinsic", "event", "link", "instrumentation")
_TAGS_OF_V1: dict[str, Field] = {
    "name": IntrinsicField(Intrinsic.NAME),
    "status.code": IntrinsicField(Intrinsic.STATUS),
    "root.name": IntrinsicField(Intrinsic.TRACE_ROOT_NAME),
    "root.service.name": IntrinsicField(Intrinsic.TRACE_ROOT_SERVICE),
}

T = TypeVar("T")
Timer = Callable[[str], AbstractContextManager[object]]


def tempo_routes(querier: Querier, timer: Timer = nullcontext) -> list[Route]:
    """The routes, answered by a querier; ``timer`` is entered with the route for every question."""
    tempo = Tempo(querier, timer)
    return [
        Route("/api/echo", tempo.echo),
        Route("/api/traces/{trace_id}", tempo.trace),
        Route("/api/traces/{trace_id}", tempo.delete_trace, methods=["DELETE"]),
        Route("/api/v2/traces/{trace_id}", tempo.trace_v2),
        Route("/api/metrics/query_range", tempo.query_range),
        Route("/api/metrics/query", tempo.query_instant),
        Route("/api/search", tempo.search),
        Route("/api/search/tags", tempo.tags),
        Route("/api/v2/search/tags", tempo.tags_v2),
        Route("/api/search/tag/{tag:path}/values", tempo.tag_values),
        Route("/api/v2/search/tag/{tag:path}/values", tempo.tag_values_v2),
    ]


class Tempo:
    """The handlers."""

    def __init__(self, querier: Querier, timer: Timer) -> None:
        self._querier = querier
        self._timer = timer

    async def echo(self, _: Request) -> Response:
        """Tells a data source that it is understood."""
        return PlainTextResponse("echo")

    async def trace(self, request: Request) -> Response:
        """A trace in the first form: batches, or OTLP's TracesData as protobuf; 404 when there is none."""
        protobuf = _accepts_protobuf(request)

        def render(found: TracesData | None) -> bytes | None:
            if found is None:
                return None
            return found.SerializeToString() if protobuf else trace_v1(found)

        body = await self._trace(request, render)
        if body is None:
            raise HTTPException(404, "trace not found")
        return Response(body, media_type=_PROTOBUF if protobuf else "application/json")

    async def trace_v2(self, request: Request) -> Response:
        """A trace in the second form, inside an answer; an empty one when there is none."""
        protobuf = _accepts_protobuf(request)

        def render(found: TracesData | None) -> bytes:
            if protobuf:
                return answers.trace_by_id_response(found)
            return trace_v2(found) if found else b'{"trace":{}}'

        body = await self._trace(request, render)
        return Response(body, media_type=_PROTOBUF if protobuf else "application/json")

    async def delete_trace(self, request: Request) -> Response:
        """Takes a trace out of all answers; 404 when there is none."""
        tenant, wanted = tenant_of(request), _trace_id(request.path_params["trace_id"])
        if not await self._run(request, lambda stop: self._querier.delete(tenant, wanted, stop)):
            raise HTTPException(404, "trace not found")
        return Response(status_code=204)

    async def search(self, request: Request) -> Response:
        """Traces that match ``q``, or ``tags`` with ``minDuration`` and ``maxDuration``."""
        tenant, params = tenant_of(request), Params(request.query_params)
        when, q = params.range(), params.text("q")
        shortest, longest = params.duration_ns("minDuration"), params.duration_ns("maxDuration")
        limit = min(params.whole("limit", DEFAULT_LIMIT, least=1), self._querier.duck.limits.traces)
        spans = params.whole("spss", DEFAULT_SPANS_PER_SET)

        def ask(stop: Cancellation) -> bytes:
            query = parse(q) if q else query_of_tags(params.text("tags"), shortest, longest)
            plan = self._querier.plan(check(query, self._querier.sizes))
            order = query.hint("order", Type.STRING)
            ascending = query.hint("asc", Type.BOOL)
            wanted = Search(
                plan,
                when.start_ns,
                when.end_ns,
                limit,
                spans,
                Order(str(order.value)) if order is not None else Order.START,
                ascending=ascending is not None and ascending.value is True,
            )
            return to_json(answers.search(self._querier.search(tenant, wanted, stop), with_spans=bool(q)))

        return _json(await self._run(request, ask))

    async def tags(self, request: Request) -> Response:
        """Names of attributes, all scopes together; intrinsics only when asked for."""
        intrinsics = _scope(Params(request.query_params)) == "intrinsic"

        def render(found: dict[str, list[str]]) -> object:
            names = {name for scope, names in found.items() if intrinsics or scope != "intrinsic" for name in names}
            return {"tagNames": sorted(names)}

        return await self._names(request, render)

    async def tags_v2(self, request: Request) -> Response:
        """Names of attributes by scope."""

        def render(found: dict[str, list[str]]) -> object:
            return {"scopes": [{"name": scope, "tags": names} for scope, names in found.items()]}

        return await self._names(request, render)

    async def tag_values(self, request: Request) -> Response:
        """Values of an attribute, in any scope, as text."""
        tag = request.path_params["tag"]
        field = _TAGS_OF_V1.get(tag) or Attribute(AttributeScope.NONE, tag)

        def render(found: list[TagValue]) -> object:
            return {"tagValues": sorted({value.value for value in found})}

        return await self._values(request, field, render)

    async def tag_values_v2(self, request: Request) -> Response:
        """Values of a TraceQL field, with their types."""

        def render(found: list[TagValue]) -> object:
            return {"tagValues": [{"type": value.type, "value": value.value} for value in found]}

        return await self._values(request, parse_identifier(request.path_params["tag"]), render)

    async def query_range(self, request: Request) -> Response:
        """Time series of a metrics query, with exemplars."""
        tenant, params = tenant_of(request), Params(request.query_params)
        when = params.metrics_range()
        most = self._querier.duck.limits.samples
        steps = Steps.aligned(when.start_ns, when.end_ns, params.step_ns(), most)
        asked = params.whole("exemplars", 0)

        def ask(stop: Cancellation) -> bytes:
            query = self._metrics_query(params)
            wanted = exemplars_wanted(query, asked)
            found = self._querier.metrics(tenant, query, steps, stop, exemplars=wanted)
            return answers.query_range(found, steps)

        return _json(await self._run(request, ask))

    async def query_instant(self, request: Request) -> Response:
        """One value for each series of a metrics query, over the whole range."""
        tenant, params = tenant_of(request), Params(request.query_params)
        when = params.metrics_range()
        steps = Steps.whole(when.start_ns, when.end_ns)

        def ask(stop: Cancellation) -> bytes:
            found = self._querier.metrics(tenant, self._metrics_query(params), steps, stop)
            return to_json(answers.query_instant(found))

        return _json(await self._run(request, ask))

    # what the handlers share

    async def _run(self, request: Request, question: Callable[[Cancellation], T]) -> T:
        with self._timer(request.scope["route"].path):
            try:
                return await run(request, question)
            except RecursionError:
                text = request.query_params.get("q", "")
                raise Unsupported("the query's operators stand too deep in each other", text) from None

    def _metrics_query(self, params: Params) -> Query:
        query = check(parse(params.text("q")), self._querier.sizes)
        if not query.is_metrics:
            raise Unsupported("a metrics query ends in a function such as rate()", query.text, len(query.text))
        return query

    async def _trace(self, request: Request, render: Callable[[TracesData | None], T]) -> T:
        """A trace's answer, which is rendered away from the event loop: that of a large one takes its time."""
        tenant, wanted = tenant_of(request), _trace_id(request.path_params["trace_id"])
        when = Params(request.query_params).range()

        def ask(stop: Cancellation) -> T:
            table = self._querier.trace(tenant, wanted, when, stop)
            return render(None if table is None else to_otlp(table))

        return await self._run(request, ask)

    async def _names(self, request: Request, render: Callable[[dict[str, list[str]]], object]) -> Response:
        tenant, params = tenant_of(request), Params(request.query_params)
        scope, q, when = _scope(params), params.text("q"), params.range()

        def ask(stop: Cancellation) -> bytes:
            return to_json(render(self._querier.tag_names(tenant, scope, q, when, stop)))

        return _json(await self._run(request, ask))

    async def _values(self, request: Request, tag: Field, render: Callable[[list[TagValue]], object]) -> Response:
        tenant, params = tenant_of(request), Params(request.query_params)
        q, when = params.text("q"), params.range()

        def ask(stop: Cancellation) -> bytes:
            return to_json(render(self._querier.tag_values(tenant, tag, q, when, stop)))

        return _json(await self._run(request, ask))


def _scope(params: Params) -> str:
    scope = params.text("scope")
    if scope not in _SCOPES:
        raise InvalidParameter(f"invalid scope: {scope!r} is none of {', '.join(filter(None, _SCOPES))}")
    return "" if scope == "none" else scope


def _trace_id(text: str) -> bytes:
    """A trace id in hex, short ones padded with zeros on the left as Tempo does."""
    if len(text) > 32:
        raise InvalidParameter("invalid trace id: it has more than 32 hex digits")
    if not _HEX.fullmatch(text):
        raise InvalidParameter(f"invalid trace id: {text!r} is not made of hex digits")
    return bytes.fromhex(text.rjust(32, "0"))


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _accepts_protobuf(request: Request) -> bool:
    return _PROTOBUF in request.headers.get("accept", "")
