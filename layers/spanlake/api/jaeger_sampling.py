"""What Jaeger's clients ask their agent: ``/sampling``."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def sampling_route(probability: float) -> Route:
    """What clients that ask which traces to sample are told, as jaeger-idl's sampling.thrift has it in JSON."""
    answer = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": probability}}

    async def sampling(_: Request) -> Response:
        return JSONResponse(answer)

    return Route("/sampling", sampling)
