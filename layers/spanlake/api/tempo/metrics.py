"""``/api/metrics``: time series, and single values, of a TraceQL metrics query."""

from functools import partial
from typing import Annotated

from fastapi import Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.authentication import tenant_of
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
    metrics = _Metrics(runner)
    return [
        TypedRoute(
            "/api/metrics/query_range", metrics.query_range, parameters=MetricsParameters, answer=QueryRangeResponse
        ),
        TypedRoute(
            "/api/metrics/query", metrics.query_instant, parameters=MetricsParameters, answer=QueryInstantResponse
        ),
    ]


class _Metrics:
    """The endpoints."""

    def __init__(self, runner: QueryRunner) -> None:
        self._runner = runner
        self._querier = runner.querier

    async def query_range(self, request: Request, params: Annotated[MetricsParameters, Query()]) -> Response:
        """Return time series of a metrics query, with exemplars."""
        tenant = tenant_of(request)
        when = self._runner.within_range(tenant, params.metrics_range())
        text = params.metrics_query()
        steps = Steps.aligned(when.start_ns, when.end_ns, params.step, self._querier.duck.limits.samples)
        question = partial(self._series, tenant, text, steps, params)
        return json_response(await self._runner.run(request, tenant, question))

    async def query_instant(self, request: Request, params: Annotated[MetricsParameters, Query()]) -> Response:
        """Return one value for each series of a metrics query, over the whole range."""
        tenant = tenant_of(request)
        when = self._runner.within_range(tenant, params.metrics_range())
        text = params.metrics_query()
        steps = Steps.whole(when.start_ns, when.end_ns)
        question = partial(self._values, tenant, text, steps, params)
        return json_response(await self._runner.run(request, tenant, question))

    def _series(
        self, tenant: str, text: str, steps: Steps, params: MetricsParameters, cancellation: Cancellation
    ) -> bytes:
        query = self._runner.metrics_query(text)
        wanted = exemplars_wanted(query, params.exemplars)
        found = self._querier.metrics(tenant, plan_metrics(query), steps, cancellation, exemplars=wanted)
        return responses.query_range(found, steps, params.max_series or None)

    def _values(
        self, tenant: str, text: str, steps: Steps, params: MetricsParameters, cancellation: Cancellation
    ) -> bytes:
        plan = plan_metrics(self._runner.metrics_query(text))
        found = self._querier.metrics(tenant, plan, steps, cancellation)
        return to_json(responses.query_instant(found, params.max_series or None))
