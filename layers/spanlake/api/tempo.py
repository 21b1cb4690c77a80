"""The routes of the Tempo API that answer questions about spans."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from pydantic_core import to_json
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spanlake.api import answers
from spanlake.api.cancelling import run
from spanlake.api.params import METRICS, SEARCH, TAG_VALUES, TAGS, TRACE, TRACE_V2, InvalidParameter, Params
from spanlake.api.tag_search import query_of_tags
from spanlake.api.tenant import tenant_of
from spanlake.query.duck import Cancellation
from spanlake.query.exemplars import exemplars_wanted
from spanlake.query.querier import Querier
from spanlake.query.search import Ranking, Search
from spanlake.query.spans_of_trace import SpanFilter
from spanlake.query.steps import Steps
from spanlake.query.tag_values import EVERY_SCOPE, TagValue
from spanlake.spans.encode import to_otlp, with_every_message
from spanlake.spans.ids import TRACE_ID, parse_id
from spanlake.spans.tempo_json import trace_v1, trace_v2
from spanlake.traceql import Unsupported, check, parse
from spanlake.traceql.ids import with_plain_ids
from spanlake.traceql.parser import parse_identifier
from spanlake.traceql.tree import Attribute, Field, Intrinsic, IntrinsicField, Query

DEFAULT_LIMIT = 20
DEFAULT_SPANS_PER_SET = 3

_PROTOBUF = "application/protobuf"
_SCOPES = ("", "none", "span", "resource", "intrinsic", "event", "link", "instrumentation")
_INTRINSICS_OF_V1: dict[str, Field] = {
    "name": IntrinsicField(Intrinsic.NAME),
    "status.code": IntrinsicField(Intrinsic.STATUS),
    "root.name": IntrinsicField(Intrinsic.TRACE_ROOT_NAME),
    "root.service.name": IntrinsicField(Intrinsic.TRACE_ROOT_SERVICE),
}


class _TagConvertor(Convertor[str]):
    """The name of a tag in a path, which may have slashes and line ends."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("tag", _TagConvertor())

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
        Route("/api/search/tag/{tag:tag}/values", tempo.tag_values),
        Route("/api/v2/search/tag/{tag:tag}/values", tempo.tag_values_v2),
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

        body = await self._trace(request, _params(request, TRACE), render)
        if body is None:
            raise HTTPException(404, "trace not found")
        return Response(body, media_type=_PROTOBUF if protobuf else "application/json")

    async def trace_v2(self, request: Request) -> Response:
        """A trace in the second form, inside an answer; an empty one when there is none.

        ``q`` selects some of its spans, to which ``keep_hierarchy`` adds their ancestors.
        """
        protobuf, params = _accepts_protobuf(request), _params(request, TRACE_V2)
        query, keep_hierarchy = params.query().strip(), params.truth("keep_hierarchy")
        checked = check(_parsed(query), self._querier.sizes) if query else None
        wanted = SpanFilter.of(checked, keep_hierarchy=keep_hierarchy) if checked else None
        partial = "" if wanted is None else "only the spans that match q"

        def render(found: TracesData | None) -> bytes:
            if protobuf:
                return answers.trace_by_id_response(found, partial)
            return trace_v2(found, partial)

        body = await self._trace(request, params, render, wanted)
        return Response(body, media_type=_PROTOBUF if protobuf else "application/json")

    async def delete_trace(self, request: Request) -> Response:
        """Takes a trace out of all answers; 404 when there is none."""
        tenant, wanted = tenant_of(request), _trace_id(request.path_params["trace_id"])
        if not await self._run(request, lambda stop: self._querier.delete(tenant, wanted, stop)):
            raise HTTPException(404, "trace not found")
        return Response(status_code=204)

    async def search(self, request: Request) -> Response:
        """Traces that match ``q``, or ``tags`` with ``minDuration`` and ``maxDuration``."""
        tenant, params = tenant_of(request), _params(request, SEARCH)
        params.without_query("tags", "minDuration", "maxDuration")
        params.known_alone("q", "query", "tags")
        when, q = params.range(), params.query().strip()
        shortest, longest = params.trace_durations_ns()
        limit = min(params.whole("limit", DEFAULT_LIMIT, least=1), self._querier.duck.limits.traces)
        spans = params.whole("spss", DEFAULT_SPANS_PER_SET)

        def ask(stop: Cancellation) -> bytes:
            query = _parsed(q) if q else query_of_tags(params.text("tags"), shortest, longest)
            plan = self._querier.plan(check(query, self._querier.sizes))
            wanted = Search(plan, when.start_ns, when.end_ns, limit, spans, Ranking.of(query))
            return to_json(answers.search(self._querier.search(tenant, wanted, stop), with_spans=bool(q)))

        return _json(await self._run(request, ask))

    async def tags(self, request: Request) -> Response:
        """Names of attributes, all scopes together; intrinsics only when asked for."""
        intrinsics = request.query_params.get("scope") == "intrinsic"

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
        intrinsic = _INTRINSICS_OF_V1.get(tag)
        fields = [intrinsic] if intrinsic else [Attribute(scope, tag) for scope in EVERY_SCOPE]

        def render(found: list[TagValue]) -> object:
            return {"tagValues": sorted({value.value for value in found})}

        return await self._values(request, fields, render)

    async def tag_values_v2(self, request: Request) -> Response:
        """Values of a TraceQL field, with their types."""

        def render(found: list[TagValue]) -> object:
            return {"tagValues": [{"type": value.type, "value": value.value} for value in found]}

        return await self._values(request, [parse_identifier(request.path_params["tag"])], render)

    async def query_range(self, request: Request) -> Response:
        """Time series of a metrics query, with exemplars."""
        tenant, params = tenant_of(request), _params(request, METRICS)
        when, text, most_series = params.metrics_range(), params.metrics_query(), params.limit("maxSeries")
        most = self._querier.duck.limits.samples
        steps = Steps.aligned(when.start_ns, when.end_ns, params.step_ns(), most)
        asked = params.whole("exemplars", 0)

        def ask(stop: Cancellation) -> bytes:
            query = self._metrics_query(text)
            wanted = exemplars_wanted(query, asked)
            found = self._querier.metrics(tenant, query, steps, stop, exemplars=wanted)
            return answers.query_range(found, steps, most_series)

        return _json(await self._run(request, ask))

    async def query_instant(self, request: Request) -> Response:
        """One value for each series of a metrics query, over the whole range."""
        tenant, params = tenant_of(request), _params(request, METRICS)
        when, text, most_series = params.metrics_range(), params.metrics_query(), params.limit("maxSeries")
        steps = Steps.whole(when.start_ns, when.end_ns)
        params.step_ns()
        params.whole("exemplars", 0)

        def ask(stop: Cancellation) -> bytes:
            found = self._querier.metrics(tenant, self._metrics_query(text), steps, stop)
            return to_json(answers.query_instant(found, most_series))

        return _json(await self._run(request, ask))

    # what the handlers share

    async def _run(self, request: Request, question: Callable[[Cancellation], T]) -> T:
        with self._timer(request.scope["route"].path):
            try:
                return await run(request, question)
            except RecursionError:
                text = request.query_params.get("q") or request.query_params.get("query", "")
                raise Unsupported("the query's operators stand too deep in each other", text) from None

    def _metrics_query(self, text: str) -> Query:
        query = check(_parsed(text), self._querier.sizes)
        if not query.is_metrics:
            raise Unsupported("a metrics query ends in a function such as rate()", query.text, len(query.text))
        return query

    async def _trace(
        self,
        request: Request,
        params: Params,
        render: Callable[[TracesData | None], T],
        wanted: SpanFilter | None = None,
    ) -> T:
        """A trace's answer, which is rendered away from the event loop: that of a large one takes its time."""
        tenant, trace_id = tenant_of(request), _trace_id(request.path_params["trace_id"])
        params.choice("mode", "all", "blocks")  # every span is in a block
        when = params.range()

        def ask(stop: Cancellation) -> T:
            table = self._querier.trace(tenant, trace_id, when, stop, wanted)
            return render(None if table is None else with_every_message(to_otlp(table)))

        return await self._run(request, ask)

    async def _names(self, request: Request, render: Callable[[dict[str, list[str]]], object]) -> Response:
        tenant, params = tenant_of(request), _params(request, TAGS)
        scope, q, when = _scope(params), params.query(), params.range()
        most = _tag_limit(params)

        def ask(stop: Cancellation) -> bytes:
            found = self._querier.tag_names(tenant, scope, q, when, stop)
            return to_json(render({scope: names[:most] for scope, names in found.items()}))

        return _json(await self._run(request, ask))

    async def _values(
        self, request: Request, fields: Sequence[Field], render: Callable[[list[TagValue]], object]
    ) -> Response:
        tenant, params = tenant_of(request), _params(request, TAG_VALUES)
        q, when, most = params.query(), params.range(), _tag_limit(params)

        def ask(stop: Cancellation) -> bytes:
            return to_json(render(self._querier.tag_values(tenant, fields, q, when, stop, most=most)))

        return _json(await self._run(request, ask))


def _parsed(text: str) -> Query:
    return with_plain_ids(parse(text))


def _params(request: Request, known: Collection[str]) -> Params:
    return Params.of(request.query_params.multi_items(), known)


def _scope(params: Params) -> str:
    scope = params.text("scope")
    if scope not in _SCOPES:
        raise InvalidParameter(f"invalid scope: {scope!r} is none of {', '.join(filter(None, _SCOPES))}")
    return "" if scope == "none" else scope


def _tag_limit(params: Params) -> int | None:
    """The most names of a scope, or values. ``maxStaleValues`` lets Tempo look at less, and changes nothing here."""
    params.whole("maxStaleValues", 0)
    return params.limit("limit")


def _trace_id(text: str) -> bytes:
    """A trace id in hex, as `parse_id` reads it; raises InvalidParameter."""
    if (found := parse_id(text, TRACE_ID)) is None:
        raise InvalidParameter(f"invalid trace id: {text[:80]!r} is not made of 1 to 32 hex digits")
    return found


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _accepts_protobuf(request: Request) -> bool:
    return _PROTOBUF in request.headers.get("accept", "")
