"""Where spans are sent over HTTP."""

from concurrent.futures import Executor

from starlette.routing import Route

from spanlake.api.ingest import otlp as otlp_http
from spanlake.api.ingest.jaeger import jaeger_routes
from spanlake.api.ingest.misdirected import OtherPosts
from spanlake.api.ingest.otlp import OtlpHttp
from spanlake.api.ingest.zipkin import zipkin_routes
from spanlake.ingest.request import Format
from spanlake.ingest.service import Ingest
from spanlake.receivers import otlp

_OTLP_JSON = Format.of_each("otlp-json", otlp.read_json)


def otlp_routes(ingest: Ingest, slow: Executor) -> list[Route]:
    """Where OTLP is sent."""
    return [Route(otlp_http.PATH, OtlpHttp(ingest, _OTLP_JSON, slow))]


def ingest_routes(ingest: Ingest, slow: Executor) -> list[Route]:
    """Return the routes of every HTTP receiver, the last for all other POSTs.

    ``slow`` is where bodies are decompressed.
    """
    return [
        *otlp_routes(ingest, slow),
        *jaeger_routes(ingest, slow),
        *zipkin_routes(ingest, slow),
        OtherPosts(ingest),
    ]
