"""``/api/traces`` and ``/api/v2/traces``: whole traces by their ids."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Query
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.authentication import tenant_of, tenant_to_delete_from
from spanlake.api.tempo import responses
from spanlake.api.tempo.dependencies import JSON, PROTOBUF, QueryRunner, accepts_protobuf, trace_id_of
from spanlake.api.tempo.parameters import TraceParameters, TraceV2Parameters
from spanlake.api.tempo.schemas import TraceByIdResponse, TraceV1
from spanlake.api.tempo.trace_json import bounded, chunks, items, still_wanted, trace_v1, trace_v2
from spanlake.api.typed_route import TypedRoute
from spanlake.query.engine.session import Cancellation
from spanlake.query.filtered_trace import SpanFilter
from spanlake.query.querier import Querier
from spanlake.query.time_range import TimeRange


def trace_routes(runner: QueryRunner) -> list[Route]:
    """Return the routes that read a trace, and the one that deletes it."""
    traces = _Traces(runner)
    return [
        TypedRoute("/api/traces/{trace_id}", traces.trace, parameters=TraceParameters, answer=TraceV1),
        TypedRoute("/api/traces/{trace_id}", traces.delete_trace, method="DELETE", status=204),
        TypedRoute(
            "/api/v2/traces/{trace_id}", traces.trace_v2, parameters=TraceV2Parameters, answer=TraceByIdResponse
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A trace that is asked for."""

    tenant: str
    trace_id: bytes
    when: TimeRange
    as_protobuf: bool

    def read(
        self, querier: Querier, cancellation: Cancellation, narrowed: SpanFilter | None = None
    ) -> Iterator[bytes] | None:
        """Find the trace; returns its ResourceSpans piece by piece, in protobuf or JSON, or None."""
        table = querier.trace(self.tenant, self.trace_id, self.when, cancellation, narrowed)
        if table is None:
            return None
        limits = querier.duck.limits
        pieces = chunks(table, still_wanted(cancellation, limits))
        return bounded(pieces if self.as_protobuf else map(_items, pieces), limits)


class _Traces:
    """The endpoints. A trace is found and rendered in a thread: a large one takes its time, so does a long filter."""

    def __init__(self, runner: QueryRunner) -> None:
        self._runner = runner

    async def trace(self, request: Request, trace_id: str, params: Annotated[TraceParameters, Query()]) -> Response:
        """Return a trace as batches in JSON, or as OTLP's TracesData with `Accept: application/protobuf`."""
        wanted = _wanted(request, trace_id, params)
        body = await self._runner.run(request, wanted.tenant, partial(_written_v1, self._runner.querier, wanted))
        if body is None:
            raise HTTPException(404, "trace not found")
        return Response(body, media_type=PROTOBUF if wanted.as_protobuf else JSON)

    async def trace_v2(
        self, request: Request, trace_id: str, params: Annotated[TraceV2Parameters, Query()]
    ) -> Response:
        """Return a trace inside an answer, which is empty when there is no such trace.

        `q` selects spans, to which `keep_hierarchy` adds their ancestors.
        """
        wanted = _wanted(request, trace_id, params)
        body = await self._runner.run(request, wanted.tenant, partial(_written_v2, self._runner, wanted, params))
        return Response(body, media_type=PROTOBUF if wanted.as_protobuf else JSON)

    async def delete_trace(self, request: Request, trace_id: str) -> Response:
        """Delete a trace: no query finds it from now on."""
        tenant = tenant_to_delete_from(request)
        question = partial(self._runner.querier.delete, tenant, trace_id_of(trace_id))
        if not await self._runner.run(request, tenant, question):
            raise HTTPException(404, "trace not found")
        return Response(status_code=204)


def _wanted(request: Request, trace_id: str, params: TraceParameters) -> _Wanted:
    return _Wanted(tenant_of(request), trace_id_of(trace_id), params.range(), accepts_protobuf(request))


def _written_v1(querier: Querier, wanted: _Wanted, cancellation: Cancellation) -> bytes | None:
    found = wanted.read(querier, cancellation)
    if found is None:
        return None
    return b"".join(found) if wanted.as_protobuf else trace_v1(found)


def _written_v2(runner: QueryRunner, wanted: _Wanted, params: TraceV2Parameters, cancellation: Cancellation) -> bytes:
    text = params.query_text().strip()
    narrowed = SpanFilter.of(runner.checked(text), keep_hierarchy=params.keep_hierarchy) if text else None
    found = wanted.read(runner.querier, cancellation, narrowed)
    missing = "" if narrowed is None else "only the spans that match q"
    return responses.trace_by_id_response(found or (), missing) if wanted.as_protobuf else trace_v2(found, missing)


def _items(part: bytes) -> bytes:
    return items(TracesData.FromString(part))
