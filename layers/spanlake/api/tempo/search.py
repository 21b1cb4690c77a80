"""``/api/search``: the newest traces with spans that match a query."""

from functools import partial
from typing import Annotated

from fastapi import Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spanlake.api.authentication import tenant_of
from spanlake.api.tempo import responses
from spanlake.api.tempo.dependencies import QueryRunner, json_response
from spanlake.api.tempo.logfmt import query_of_tags
from spanlake.api.tempo.parameters import SearchParameters
from spanlake.api.tempo.schemas import SearchResponse
from spanlake.api.typed_route import TypedRoute
from spanlake.query.engine.session import Cancellation
from spanlake.query.plan import plan_search
from spanlake.query.querier import Querier
from spanlake.query.search import Ranking, Search
from spanlake.query.time_range import TimeRange
from spanlake.traceql import parse, validate


def search_routes(runner: QueryRunner) -> list[Route]:
    """Return the routes of search, and of the test that a Grafana data source makes."""

    async def search(request: Request, params: Annotated[SearchParameters, Query()]) -> Response:
        """Find the newest traces with spans that match `q`, or `tags` with `minDuration` and `maxDuration`."""
        tenant = tenant_of(request)
        params.check_combination()
        when, q = runner.within_range(tenant, params.range()), params.query_text().strip()
        question = partial(_found, runner.querier, tenant, q, when, params)
        return json_response(await runner.run(request, tenant, question))

    return [
        TypedRoute("/api/echo", _echo, media_type="text/plain"),
        TypedRoute("/api/search", search, parameters=SearchParameters, answer=SearchResponse),
    ]


def _found(
    querier: Querier, tenant: str, q: str, when: TimeRange, params: SearchParameters, cancellation: Cancellation
) -> bytes:
    """Write the answer of a search; raises TraceQLError."""
    query = parse(q) if q else query_of_tags(params.tags, params.min_duration, params.max_duration)
    plan = plan_search(validate(query, querier.sizes))
    limit = min(params.limit, querier.duck.limits.traces)
    wanted = Search(plan, when.start_ns, when.end_ns, limit, params.spss, Ranking.of(query))
    return to_json(responses.search(querier.search(tenant, wanted, cancellation), with_spans=bool(q)))


async def _echo() -> Response:
    """Answer `echo`, by which Grafana tests a data source."""
    return PlainTextResponse("echo")
