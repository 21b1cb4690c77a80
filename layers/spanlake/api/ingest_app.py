"""The HTTP application of a process that takes spans in and answers nothing else."""

from concurrent.futures import Executor

from starlette.applications import Starlette
from starlette.routing import Route

from spanlake.api import otlp_http
from spanlake.api.errors import INGEST_ERRORS, answer_errors
from spanlake.api.jaeger_http import jaeger_routes
from spanlake.api.otlp_http import OtlpHttp
from spanlake.api.zipkin_http import zipkin_routes
from spanlake.ingest.service import Ingest
from spanlake.receivers import otlp


def ingest_app(ingest: Ingest, slow: Executor) -> Starlette:
    """An application with the routes of every HTTP receiver; ``slow`` is where bodies are decompressed."""
    routes = (
        Route(otlp_http.PATH, OtlpHttp(ingest, otlp.read_json, slow)),
        *jaeger_routes(ingest, slow),
        *zipkin_routes(ingest, slow),
    )
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    answer_errors(app, INGEST_ERRORS)
    return app
