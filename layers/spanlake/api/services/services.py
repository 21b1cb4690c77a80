"""``/api/services`` with its operations and edges, and ``/api/attributes``."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

from fastapi import Query
from pydantic import Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.authentication import tenant_of
from spanlake.api.services.schemas import AttributesResponse, EdgesResponse, OperationsResponse, ServicesResponse
from spanlake.api.tempo.dependencies import QueryRunner, json_response
from spanlake.api.tempo.parameters import QueryParameters, RangeParameters
from spanlake.api.typed_route import InvalidParameter, TypedRoute
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.selected_spans import SelectedSpans
from spanlake.query.services.attributes import catalog
from spanlake.query.services.edges import Edge, edges
from spanlake.query.services.statistics import Red, operations, services
from spanlake.query.time_range import SECOND_NS, TimeRange
from spanlake.traceql import ast
from spanlake.traceql.parser.lenient import filters

P = TypeVar("P", bound=RangeParameters)


class OperationParameters(QueryParameters):
    """Parameters of the operations of a service."""

    service: str = Field("", description="Name of the service", examples=["shop"])


def service_routes(runner: QueryRunner) -> list[Route]:
    """Return the routes of services and attributes."""
    found = _Services(runner)
    return [
        TypedRoute("/api/services", found.services, parameters=QueryParameters, answer=ServicesResponse),
        TypedRoute(
            "/api/services/operations", found.operations, parameters=OperationParameters, answer=OperationsResponse
        ),
        TypedRoute("/api/services/edges", found.edges, parameters=RangeParameters, answer=EdgesResponse),
        TypedRoute("/api/attributes", found.attributes, parameters=RangeParameters, answer=AttributesResponse),
    ]


class _Services:
    """The endpoints. Without a range they answer for the last hour."""

    def __init__(self, runner: QueryRunner) -> None:
        self._runner = runner

    async def services(self, request: Request, params: Annotated[QueryParameters, Query()]) -> Response:
        """List services with rate, errors and durations of their requests; `q` is a filter of spans."""
        return await self._answer(request, params, _services)

    async def operations(self, request: Request, params: Annotated[OperationParameters, Query()]) -> Response:
        """List the operations of a service with rate, errors and durations of their spans."""
        tenant_of(request)  # who has no access is told so first
        if "service" not in request.query_params:
            raise InvalidParameter("invalid service: the name of a service is missing")
        return await self._answer(request, params, _operations)

    async def edges(self, request: Request, params: Annotated[RangeParameters, Query()]) -> Response:
        """List who calls whom: pairs of services, and the databases, queues and hosts that send no spans."""
        return await self._answer(request, params, _edges)

    async def attributes(self, request: Request, params: Annotated[RangeParameters, Query()]) -> Response:
        """List attributes with their types, and an estimate of the number of their values."""
        return await self._answer(request, params, _attributes)

    async def _answer(
        self, request: Request, params: P, read: Callable[[P, TimeRange, Session, BlockScan], bytes]
    ) -> Response:
        """Answer with what is read of the blocks of the range that the parameters name."""
        tenant = tenant_of(request)
        when = self._runner.within_range(tenant, params.metrics_range())
        question = partial(self._runner.querier.about_spans, tenant, when, partial(read, params, when))
        return json_response(await self._runner.run(request, tenant, question))


def _services(params: QueryParameters, when: TimeRange, session: Session, source: BlockScan) -> bytes:
    found = services(session, source, SelectedSpans(when, filters(params.query_text())))
    return to_json({"services": [{"name": one.name} | _red(one.red, when) for one in found]})


def _operations(params: OperationParameters, when: TimeRange, session: Session, source: BlockScan) -> bytes:
    found = operations(session, source, SelectedSpans(when, filters(params.query_text())), params.service)
    rows = [{"name": one.name, "kind": _kind(one.kind)} | _red(one.red, when) for one in found]
    return to_json({"operations": rows})


def _edges(_: RangeParameters, when: TimeRange, session: Session, source: BlockScan) -> bytes:
    return to_json({"edges": [_edge(one, when) for one in edges(session, source, when)]})


def _attributes(_: RangeParameters, when: TimeRange, session: Session, source: BlockScan) -> bytes:
    found = catalog(session, source, when)
    rows = [
        {"scope": one.scope, "name": one.name, "types": one.types, "distinct": one.distinct} for one in found.attributes
    ]
    return to_json({"attributes": rows, "sampledSpans": found.sampled_spans})


def _rate(requests: int, when: TimeRange) -> float:
    return requests * SECOND_NS / (when.end_ns - when.start_ns)


def _red(red: Red, when: TimeRange) -> dict[str, object]:
    return {
        "spans": red.spans,
        "requests": red.requests,
        "errors": red.errors,
        "rate": _rate(red.requests, when),
        "p50Ms": red.p50_ms,
        "p95Ms": red.p95_ms,
        "p99Ms": red.p99_ms,
    }


def _edge(edge: Edge, when: TimeRange) -> dict[str, object]:
    return {
        "client": edge.client,
        "server": edge.server,
        "type": edge.type.value,
        "requests": edge.requests,
        "errors": edge.errors,
        "rate": _rate(edge.requests, when),
        "p50Ms": edge.p50_ms,
        "p95Ms": edge.p95_ms,
    }


def _kind(number: int) -> str:
    """Return the word of a kind; a number that OTLP does not define is unspecified."""
    is_known = number in list(ast.Kind)
    return (ast.Kind(number) if is_known else ast.Kind.UNSPECIFIED).name.lower()
