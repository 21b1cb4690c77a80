"""Jaeger over HTTP: spans in Thrift, and the sampling endpoint."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spanlake.api.errors import UnsupportedMediaType
from spanlake.api.ingest.uploads import SpanPosts
from spanlake.ingest.request import Format, imported
from spanlake.ingest.service import Ingest

PATH = "/api/traces"
PROTOCOL = "jaeger-http"  # as metrics name it

_FORMAT = Format(PROTOCOL, imported("spanlake.receivers.jaeger.thrift", "http_batches"))
_MEDIA_TYPES = ("application/x-thrift", "application/vnd.apache.thrift.binary")


def jaeger_routes(ingest: Ingest, slow: Executor) -> list[Route]:
    """Where spans are sent."""
    return [Route(PATH, SpanPosts(ingest, slow, PROTOCOL, _format_of))]


def _format_of(media_type: str, _: bytes) -> Format:
    if media_type not in _MEDIA_TYPES:
        raise UnsupportedMediaType(f"Content-Type {media_type[:80]!r} is not supported: use {_MEDIA_TYPES[0]}")
    return _FORMAT


_PROBABILISTIC = "PROBABILISTIC", 0
"""The strategy's name in jaeger-idl's sampling.proto and sampling.thrift, and its number."""

Endpoint = Callable[[Request], Awaitable[Response]]


def sampling_routes(probability: float) -> list[Route]:
    """Return the same answer for every service.

    Clients for Java, and old ones, ask ``/``; those want a number for a name.
    """
    name, number = _PROBABILISTIC
    return [
        Route("/sampling", _telling(name, probability)),
        Route("/api/sampling", _telling(name, probability)),
        Route("/", _telling(number, probability)),
    ]


def _telling(strategy: str | int, probability: float) -> Endpoint:
    answer = {"strategyType": strategy, "probabilisticSampling": {"samplingRate": probability}}

    async def tell(request: Request) -> Response:
        services = request.query_params.getlist("service")
        if not services and request.url.path == "/":  # no client of Jaeger's, but somebody who looks around
            raise HTTPException(404)
        if len(services) != 1:
            raise HTTPException(400, f"say once for which service, as in {request.url.path}?service=NAME")
        return JSONResponse(answer)

    return tell
