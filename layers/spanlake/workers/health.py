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
    """Make an application with ``/ready`` and ``/metrics``."""

    async def metrics(request: Request) -> Response:
        try:
            authenticator.access(request.headers.getlist(AUTHORIZATION)).require((Role.ADMIN,))
        except AccessError as error:
            return PlainTextResponse(f"{error}\n", 401 if isinstance(error, Unauthenticated) else 403)
        text, media_type = (await figures()).expose()
        return Response(text, headers={"Content-Type": media_type})

    return Starlette(routes=[ready_route(unready_reason), Route("/metrics", metrics)])
