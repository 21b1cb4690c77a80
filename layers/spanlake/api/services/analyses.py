"""``/api/traces/{id}/…``: statistics and critical path of a trace, and the difference of two."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import Query
from pydantic import Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.authentication import tenant_of
from spanlake.api.services.schemas import CriticalPathResponse, DiffResponse, StatisticsResponse
from spanlake.api.tempo.dependencies import QueryRunner, json_response, trace_id_of
from spanlake.api.tempo.parameters import RangeParameters
from spanlake.api.typed_route import TypedRoute
from spanlake.query.engine.session import Session
from spanlake.query.trace_analysis.critical_path import Section, critical_path, self_ns
from spanlake.query.trace_analysis.difference import Operation, Side, difference
from spanlake.query.trace_analysis.statistics import Group, statistics
from spanlake.query.trace_analysis.tree import TraceTree
from spanlake.traceql import ast
from spanlake.traceql.parser import parse_identifier

_MS = 1e6  # nanoseconds


class StatisticsParameters(RangeParameters):
    """Parameters of the statistics of a trace."""

    by: str = Field("resource.service.name", description="TraceQL field", examples=["name", "span.http.route"])


def analysis_routes(runner: QueryRunner) -> list[Route]:
    """Return the routes that read whole traces and answer with what they are made of."""
    found = _Analyses(runner)
    trace = "/api/traces/{trace_id}"
    return [
        TypedRoute(f"{trace}/statistics", found.statistics, parameters=StatisticsParameters, answer=StatisticsResponse),
        TypedRoute(f"{trace}/critical-path", found.critical_path, answer=CriticalPathResponse),
        TypedRoute(f"{trace}/diff/{{other_id}}", found.diff, answer=DiffResponse),
    ]


class _Analyses:
    """The endpoints."""

    def __init__(self, runner: QueryRunner) -> None:
        self._runner = runner

    async def statistics(
        self, request: Request, trace_id: str, params: Annotated[StatisticsParameters, Query()]
    ) -> Response:
        """Return statistics of the spans of a trace by a field: number, errors, durations, and time of their own."""
        return await self._answer(request, [trace_id], partial(_statistics, parse_identifier(params.by)))

    async def critical_path(self, request: Request, trace_id: str) -> Response:
        """Return the spans that the duration of a trace is made of, with the sections in which they are."""
        return await self._answer(request, [trace_id], _critical_path)

    async def diff(self, request: Request, trace_id: str, other_id: str) -> Response:
        """Return the operations of two traces, with what each trace spends in them."""
        return await self._answer(request, [trace_id, other_id], _difference)

    async def _answer(
        self, request: Request, trace_ids: Sequence[str], analyse: Callable[[Session, Sequence[pa.Table]], bytes]
    ) -> Response:
        tenant, ids = tenant_of(request), [trace_id_of(one) for one in trace_ids]
        question = partial(self._runner.querier.about_trace, tenant, ids, analyse)
        body = await self._runner.run(request, tenant, question)
        if body is None:
            raise HTTPException(404, "trace not found")
        return json_response(body)


def _statistics(by: ast.Field, session: Session, traces: Sequence[pa.Table]) -> bytes:
    return to_json({"groups": [_group(one) for one in statistics(session, traces[0], by)]})


def _critical_path(session: Session, traces: Sequence[pa.Table]) -> bytes:
    return to_json(_path(traces[0], critical_path(session, traces[0])))


def _difference(session: Session, traces: Sequence[pa.Table]) -> bytes:
    left, right = traces
    found = difference(left, right, session.limits.values)
    return to_json({"left": _extent(left), "right": _extent(right), "nodes": [_operation(one) for one in found]})


def _group(group: Group) -> dict[str, object]:
    return {
        "value": group.value,
        "spans": group.spans,
        "errors": group.errors,
        "totalMs": group.total_ms,
        "selfMs": group.self_ms,
        "averageMs": group.average_ms,
        "p95Ms": group.p95_ms,
        "maxMs": group.max_ms,
    }


def _path(trace: pa.Table, sections: list[Section]) -> dict[str, object]:
    start = pc.min(trace["start_time_unix_nano"]).as_py()
    times = self_ns(sections)
    ids: list[Any] = trace["span_id"].take(pa.array(list(times), pa.int64())).to_pylist()
    spans: dict[int, list[list[float]]] = {row: [] for row in times}
    for section in sections:
        spans[section.row].append([(section.start_ns - start) / _MS, (section.end_ns - start) / _MS])
    found = [
        {"spanID": id_.hex(), "selfMs": times[row] / _MS, "sections": spans[row]}
        for id_, row in zip(ids, times, strict=True)
    ]
    return {"durationMs": _extent(trace)["durationMs"], "spans": found}


def _extent(trace: pa.Table) -> dict[str, object]:
    tree = TraceTree(trace)
    length = pc.max(tree.end).as_py() - pc.min(tree.start).as_py()
    return {"durationMs": length / _MS, "spans": trace.num_rows}


def _operation(operation: Operation) -> dict[str, object]:
    return {
        "id": operation.id,
        "parent": operation.parent,
        "service": operation.service,
        "name": operation.name,
        "left": _side(operation.left),
        "right": _side(operation.right),
    }


def _side(side: Side | None) -> dict[str, object] | None:
    return None if side is None else {"spans": side.spans, "errors": side.errors, "totalMs": side.total_ms}
