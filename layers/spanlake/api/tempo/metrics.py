"""``/api/metrics``: time series, and single values, of a TraceQL metrics query."""

from typing import Annotated

from fastapi import Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.access import tenant_of
from spanlake.api.tempo import responses
from spanlake.api.tempo.dependencies import QueryRunner, json_response
from spanlake.api.tempo.parameters import MetricsParameters
from spanlake.api.tempo.schemas import QueryInstantResponse, QueryRangeResponse
from spanlake.api.typed_route import TypedRoute
from spanlake.query.engine.session import Cancellation
from spanlake.query.metrics.exemplars import exemplars_wanted
from spanlake.query.plan import plan_metrics
from spanlake.query.time_range import Steps


def metrics_routes(runner: QueryRunner) -> list[Route]:
    """Return the routes of metrics queries."""
    querier = runner.querier

    async def query_range(request: Request, params: Annotated[MetricsParameters, Query()]) -> Response:
        """Return time series of a metrics query, with exemplars."""
        tenant, when, text = (
            tenant_of(request),
            runner.within_range(request, params.metrics_range()),
            params.metrics_query(),
        )
        steps = Steps.aligned(when.start_ns, when.end_ns, params.step, querier.duck.limits.samples)

        def ask(stop: Cancellation) -> bytes:
            query = runner.metrics_query(text)
            wanted = exemplars_wanted(query, params.exemplars)
            found = querier.metrics(tenant, plan_metrics(query), steps, stop, exemplars=wanted)
            return responses.query_range(found, steps, params.max_series or None)

        return json_response(await runner.run(request, ask))

    async def query_instant(request: Request, params: Annotated[MetricsParameters, Query()]) -> Response:
        """Return one value for each series of a metrics query, over the whole range."""
        tenant, when, text = (
            tenant_of(request),
            runner.within_range(request, params.metrics_range()),
            params.metrics_query(),
        )
        steps = Steps.whole(when.start_ns, when.end_ns)

        def ask(stop: Cancellation) -> bytes:
            found = querier.metrics(tenant, plan_metrics(runner.metrics_query(text)), steps, stop)
            return to_json(responses.query_instant(found, params.max_series or None))

        return json_response(await runner.run(request, ask))

    return [
        TypedRoute("/api/metrics/query_range", query_range, parameters=MetricsParameters, answer=QueryRangeResponse),
        TypedRoute("/api/metrics/query", query_instant, parameters=MetricsParameters, answer=QueryInstantResponse),
    ]
