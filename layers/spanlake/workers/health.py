"""Health endpoints for all workers, over HTTP."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.operations import ready_route
from spanlake.workers.figures import Figures


def health_app(unready_reason: Callable[[], str | None], figures: Callable[[], Awaitable[Figures]]) -> Starlette:
    """Make an application with ``/ready`` and ``/metrics``."""

    async def metrics(_: Request) -> Response:
        text, media_type = (await figures()).expose()
        return Response(text, headers={"Content-Type": media_type})

    return Starlette(routes=[ready_route(unready_reason), Route("/metrics", metrics)])
