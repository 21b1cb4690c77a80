"""``/api/traces`` and ``/api/v2/traces``: whole traces by their ids."""

from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from fastapi import Query
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.access import tenant_of, tenant_to_delete_from
from spanlake.api.tempo import responses
from spanlake.api.tempo.dependencies import JSON, PROTOBUF, QueryRunner, accepts_protobuf, trace_id_of
from spanlake.api.tempo.parameters import TraceParameters, TraceV2Parameters
from spanlake.api.tempo.schemas import TraceByIdResponse, TraceV1
from spanlake.api.tempo.trace_chunks import bounded, chunks, still_wanted
from spanlake.api.tempo.trace_json import items, trace_v1, trace_v2
from spanlake.api.typed_route import TypedRoute
from spanlake.query.engine.session import Cancellation
from spanlake.query.filtered_trace import SpanFilter

T = TypeVar("T")


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


class _Traces:
    """The endpoints."""

    def __init__(self, runner: QueryRunner) -> None:
        self._runner = runner

    async def trace(self, request: Request, trace_id: str, params: Annotated[TraceParameters, Query()]) -> Response:
        """Return a trace as batches in JSON, or as OTLP's TracesData with `Accept: application/protobuf`."""
        protobuf = accepts_protobuf(request)

        def render(found: Iterable[bytes] | None, _: SpanFilter | None) -> bytes | None:
            if found is None:
                return None
            return b"".join(found) if protobuf else trace_v1(found)

        body = await self._find(request, trace_id, params, render)
        if body is None:
            raise HTTPException(404, "trace not found")
        return Response(body, media_type=PROTOBUF if protobuf else JSON)

    async def trace_v2(
        self, request: Request, trace_id: str, params: Annotated[TraceV2Parameters, Query()]
    ) -> Response:
        """Return a trace inside an answer, which is empty when there is no such trace.

        `q` selects spans, to which `keep_hierarchy` adds their ancestors.
        """
        protobuf, query = accepts_protobuf(request), params.query_text().strip()

        def wanted() -> SpanFilter | None:
            checked = self._runner.checked(query) if query else None
            return SpanFilter.of(checked, keep_hierarchy=params.keep_hierarchy) if checked else None

        def render(found: Iterable[bytes] | None, narrowed: SpanFilter | None) -> bytes:
            partial = "" if narrowed is None else "only the spans that match q"
            if protobuf:
                return responses.trace_by_id_response(found or (), partial)
            return trace_v2(found, partial)

        body = await self._find(request, trace_id, params, render, wanted)
        return Response(body, media_type=PROTOBUF if protobuf else JSON)

    async def delete_trace(self, request: Request, trace_id: str) -> Response:
        """Delete a trace: no query finds it from now on."""
        tenant, wanted = tenant_to_delete_from(request), trace_id_of(trace_id)
        if not await self._runner.run(request, lambda stop: self._runner.querier.delete(tenant, wanted, stop)):
            raise HTTPException(404, "trace not found")
        return Response(status_code=204)

    async def _find(
        self,
        request: Request,
        trace_id: str,
        params: TraceParameters,
        render: Callable[[Iterable[bytes] | None, SpanFilter | None], T],
        wanted: Callable[[], SpanFilter | None] = lambda: None,
    ) -> T:
        """Find a trace and render it, both in a thread: a large trace takes its time, and so does a long filter."""
        tenant, id_, when = tenant_of(request), trace_id_of(trace_id), params.range()
        write: Callable[[bytes], bytes] = bytes if accepts_protobuf(request) else _items
        limits = self._runner.querier.duck.limits

        def ask(stop: Cancellation) -> T:
            spans = wanted()
            table = self._runner.querier.trace(tenant, id_, when, stop, spans)
            if table is None:
                return render(None, spans)
            return render(bounded(map(write, chunks(table, still_wanted(stop, limits))), limits), spans)

        return await self._runner.run(request, ask)


def _items(part: bytes) -> bytes:
    return items(TracesData.FromString(part))
