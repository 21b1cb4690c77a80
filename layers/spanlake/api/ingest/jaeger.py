"""Jaeger's sampling endpoint, which clients ask how many traces to sample.

What is asked where is the agent's HTTP interface. Of its other path, ``/baggageRestrictions``, nothing is known here:
an answer with no keys would forbid all baggage, where one that fails leaves clients to what they do without an agent.
"""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_PROBABILISTIC = "PROBABILISTIC", 0
"""The strategy's name in jaeger-idl's sampling.proto and sampling.thrift, and its number."""

Endpoint = Callable[[Request], Awaitable[Response]]


def sampling_routes(probability: float) -> list[Route]:
    """The same answer for every service. Clients for Java, and old ones, ask ``/``; those want a number for a name."""
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
