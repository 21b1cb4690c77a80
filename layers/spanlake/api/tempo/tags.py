"""``/api/search/tags`` and ``/api/search/tag``, with their second versions: names of attributes, and their values."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated

from fastapi import Query
from pydantic_core import to_json
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.authentication import tenant_of
from spanlake.api.tempo.dependencies import QueryRunner, json_response
from spanlake.api.tempo.parameters import TagParameters, TagValueParameters
from spanlake.api.tempo.schemas import TagsResponse, TagsV2Response, TagValuesResponse, TagValuesV2Response
from spanlake.api.typed_route import TypedRoute
from spanlake.query.engine.session import Cancellation
from spanlake.query.querier import Querier
from spanlake.query.tag_values import EVERY_SCOPE, TagValue
from spanlake.query.time_range import TimeRange
from spanlake.traceql import ast
from spanlake.traceql.parser import parse_identifier

_INTRINSICS_OF_V1: dict[str, ast.Field] = {
    "name": ast.IntrinsicField(ast.Intrinsic.NAME),
    "status.code": ast.IntrinsicField(ast.Intrinsic.STATUS),
    "root.name": ast.IntrinsicField(ast.Intrinsic.TRACE_ROOT_NAME),
    "root.service.name": ast.IntrinsicField(ast.Intrinsic.TRACE_ROOT_SERVICE),
}


class _TagConvertor(Convertor[str]):
    """The name of a tag in a path, which may have slashes and line ends."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("tag", _TagConvertor())


def tag_routes(runner: QueryRunner) -> list[Route]:
    """Return the routes of attribute names and values."""
    tags = _Tags(runner)
    values = "/search/tag/{tag:tag}/values"
    return [
        TypedRoute("/api/search/tags", tags.tags, parameters=TagParameters, answer=TagsResponse),
        TypedRoute("/api/v2/search/tags", tags.tags_v2, parameters=TagParameters, answer=TagsV2Response),
        TypedRoute(f"/api{values}", tags.tag_values, parameters=TagValueParameters, answer=TagValuesResponse),
        TypedRoute(f"/api/v2{values}", tags.tag_values_v2, parameters=TagValueParameters, answer=TagValuesV2Response),
    ]


class _Tags:
    """The endpoints."""

    def __init__(self, runner: QueryRunner) -> None:
        self._runner = runner

    async def tags(self, request: Request, params: Annotated[TagParameters, Query()]) -> Response:
        """List names of attributes, all scopes together; intrinsics only with `scope=intrinsic`."""
        return await self._names(request, params, partial(_all_names, intrinsics=params.scope == "intrinsic"))

    async def tags_v2(self, request: Request, params: Annotated[TagParameters, Query()]) -> Response:
        """List names of attributes by scope."""
        return await self._names(request, params, _names_by_scope)

    async def tag_values(self, request: Request, tag: str, params: Annotated[TagValueParameters, Query()]) -> Response:
        """List values of an attribute, in any scope, as text."""
        intrinsic = _INTRINSICS_OF_V1.get(tag)
        fields = [intrinsic] if intrinsic else [ast.Attribute(scope, tag) for scope in EVERY_SCOPE]
        return await self._values(request, params, fields, _texts)

    async def tag_values_v2(
        self, request: Request, tag: str, params: Annotated[TagValueParameters, Query()]
    ) -> Response:
        """List values of a TraceQL field, with their types."""
        return await self._values(request, params, [parse_identifier(tag)], _typed_values)

    async def _names(
        self, request: Request, params: TagParameters, render: Callable[[Mapping[str, list[str]]], object]
    ) -> Response:
        tenant = tenant_of(request)
        when = self._runner.within_range(tenant, params.range())
        question = partial(_names_found, self._runner.querier, tenant, when, params, render)
        return json_response(await self._runner.run(request, tenant, question))

    async def _values(
        self,
        request: Request,
        params: TagValueParameters,
        fields: Sequence[ast.Field],
        render: Callable[[Sequence[TagValue]], object],
    ) -> Response:
        tenant = tenant_of(request)
        when = self._runner.within_range(tenant, params.range())
        question = partial(_values_found, self._runner.querier, tenant, when, fields, params, render)
        return json_response(await self._runner.run(request, tenant, question))


def _names_found(
    querier: Querier,
    tenant: str,
    when: TimeRange,
    params: TagParameters,
    render: Callable[[Mapping[str, list[str]]], object],
    cancellation: Cancellation,
) -> bytes:
    scope, most = "" if params.scope == "none" else params.scope, params.limit or None
    found = querier.tag_names(tenant, scope, params.query_text(), when, cancellation)
    return to_json(render({scope: names[:most] for scope, names in found.items()}))


def _values_found(
    querier: Querier,
    tenant: str,
    when: TimeRange,
    fields: Sequence[ast.Field],
    params: TagValueParameters,
    render: Callable[[Sequence[TagValue]], object],
    cancellation: Cancellation,
) -> bytes:
    most = params.limit or None
    return to_json(render(querier.tag_values(tenant, fields, params.query_text(), when, cancellation, most=most)))


def _all_names(found: Mapping[str, list[str]], *, intrinsics: bool) -> object:
    names = {name for scope, names in found.items() if intrinsics or scope != "intrinsic" for name in names}
    return {"tagNames": sorted(names)}


def _names_by_scope(found: Mapping[str, list[str]]) -> object:
    return {"scopes": [{"name": scope, "tags": names} for scope, names in found.items()]}


def _texts(found: Sequence[TagValue]) -> object:
    return {"tagValues": sorted({value.value for value in found})}


def _typed_values(found: Sequence[TagValue]) -> object:
    return {"tagValues": [{"type": value.type, "value": value.value} for value in found]}
