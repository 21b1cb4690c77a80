"""The one HTTP application, put together from what it is given; the same on every port and under Lambda."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI
from starlette.routing import Route

from spanlake.api import otlp_http
from spanlake.api.errors import answer_errors
from spanlake.api.otlp_http import OtlpHttp
from spanlake.api.query_errors import ALL_ERRORS


@dataclass(frozen=True, slots=True)
class Parts:
    """What an application consists of."""

    routers: Sequence[APIRouter] = ()
    otlp: OtlpHttp | None = None  # without it the application takes no OTLP
    routes: Sequence[Route] = ()  # where spans of other protocols are taken


def create_app(parts: Parts) -> FastAPI:
    """An application with these parts; errors are answered as spanlake.api.errors says."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    if parts.otlp is not None:
        app.router.routes.append(Route(otlp_http.PATH, parts.otlp, include_in_schema=False))
    app.router.routes.extend(parts.routes)
    for router in parts.routers:
        app.include_router(router)
    answer_errors(app, ALL_ERRORS)
    return app
