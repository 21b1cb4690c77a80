"""What Jaeger's clients ask their agent: ``/sampling``."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response


def sampling_router(probability: float) -> APIRouter:
    """What clients that ask which traces to sample are told, as jaeger-idl's sampling.thrift has it in JSON."""
    router = APIRouter()
    answer = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": probability}}

    @router.get("/sampling")
    async def sampling() -> Response:
        return JSONResponse(answer)

    return router
