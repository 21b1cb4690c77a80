"""``/openapi.json``, and ``/docs``, a page that shows it with Swagger UI and loads nothing from another host."""

import copy
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from spanlake.api.typed_route import TypedRoute, typed_routes

_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_START = b"""SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});\n"""
_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>spanlake API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_SCHEMAS = "#/components/schemas/{model}"


def openapi_routes(routes: Sequence[BaseRoute]) -> list[Route]:
    """Return the routes ``/openapi.json`` and ``/docs``, which describe the typed ones among ``routes``."""
    described = typed_routes(routes)

    @cache
    def document() -> bytes:
        return to_json(openapi_document(described))

    async def show_document(_: Request) -> Response:
        return Response(await run_in_threadpool(document), media_type="application/json")

    return [
        Route("/openapi.json", show_document),
        Route("/docs", _page),
        Route("/docs/{asset}", _asset),
    ]


def openapi_document(routes: Sequence[TypedRoute]) -> dict[str, Any]:
    """Return the OpenAPI document of the routes."""
    from fastapi.openapi.utils import get_openapi

    found = get_openapi(
        title="spanlake",
        version=version("spanlake"),
        description="The query API of Grafana Tempo, and operations. Errors are plain text.",
        routes=[_without_head(route) for route in routes],
    )
    _add_answers(found, routes)
    return found


def _without_head(route: TypedRoute) -> TypedRoute:
    """HEAD needs no description of its own: it is GET without a body."""
    copied = copy.copy(route)
    copied.methods = (route.methods or set()) - {"HEAD"}
    return copied


def _add_answers(document: dict[str, Any], routes: Sequence[TypedRoute]) -> None:
    """Describes the bodies of the answers.

    The types are read here and not by FastAPI when routes are made, which would delay the start of every process.
    """
    from pydantic import TypeAdapter

    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for route in routes:
        if route.answer is None:
            continue
        schema = TypeAdapter(route.answer).json_schema(mode="serialization", ref_template=_SCHEMAS)
        schemas |= schema.pop("$defs", {})
        schemas[route.answer.__name__] = schema
        content = document["paths"][route.path_format]["get"]["responses"]["200"]["content"]
        content[route.media_type] = {"schema": {"$ref": _SCHEMAS.format(model=route.answer.__name__)}}


async def _page(_: Request) -> Response:
    return Response(_PAGE, media_type="text/html", headers=_SECURITY)


async def _asset(request: Request) -> Response:
    name = request.path_params["asset"]
    if name == "start.js":
        return Response(_START, media_type="text/javascript", headers=_SECURITY)
    if name not in _ASSETS:
        raise HTTPException(404)
    headers = _SECURITY | {"Cache-Control": "max-age=86400"}
    return Response(await run_in_threadpool(_packaged, name), media_type=_ASSETS[name], headers=headers)


def _packaged(name: str) -> bytes:
    return (files("fastapi_offline") / "static" / name).read_bytes()
