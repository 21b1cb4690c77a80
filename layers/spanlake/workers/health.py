"""Health endpoints for all workers, over HTTP."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spanlake.api.operations import ready_route
from spanlake.auth.access import AUTHORIZATION, OPEN, AccessError, Authenticator, Role, Unauthenticated
from spanlake.workers.figures import Figures


def health_app(
    unready_reason: Callable[[], str | None],
    figures: Callable[[], Awaitable[Figures]],
    authenticator: Authenticator = OPEN,
) -> Starlette:
    """Make an application with ``/ready``, ``/metrics`` and ``/usage_metrics``."""

    def exposing(path: str, expose: Callable[[Figures], tuple[bytes, str]]) -> Route:
        async def exposed(request: Request) -> Response:
            try:
                authenticator.access(request.headers.getlist(AUTHORIZATION)).require((Role.ADMIN,))
            except AccessError as error:
                return PlainTextResponse(f"{error}\n", 401 if isinstance(error, Unauthenticated) else 403)
            text, media_type = expose(await figures())
            return Response(text, headers={"Content-Type": media_type})

        return Route(path, exposed)

    shown = [exposing("/metrics", Figures.expose), exposing("/usage_metrics", Figures.expose_usage)]
    return Starlette(routes=[ready_route(unready_reason), *shown])
