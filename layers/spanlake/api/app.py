"""The HTTP application, put together from routes."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from spanlake.api.authentication import AccessOf, Authenticated, anyone
from spanlake.api.errors import Table, answer_errors
from spanlake.api.response_compression import CompressedAnswers
from spanlake.ingest.misdirected import MisdirectionLog


def create_app(
    routes: Sequence[BaseRoute],
    errors: Table,
    middleware: Sequence[Middleware] = (),
    access_of: AccessOf = anyone,
    notices: MisdirectionLog | None = None,
    serves: str = "",
) -> Starlette:
    """Return an application with these routes, which answers errors as a table of spanlake.api.errors says.

    Unknown paths are answered with what it ``serves``.

    Large answers are compressed for clients that accept it. Other ``middleware`` is around that, and authentication
    around all of it.
    """
    first = [Middleware(BoundedQueryStrings), Middleware(Authenticated, access_of, notices)]
    app = Starlette(routes=routes, middleware=[*first, *middleware, Middleware(CompressedAnswers)])
    app.router.redirect_slashes = False
    answer_errors(app, errors, serves)
    return app


MOST_PARAMETERS = 256
"""Parameters of a request. Each takes some microseconds of the event loop, several times over: 170,000 fit into a head.
"""


class BoundedQueryStrings:
    """Answers requests with too many parameters with 400."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["query_string"].count(b"&") >= MOST_PARAMETERS:
            told = f"the request has too many parameters (limit: {MOST_PARAMETERS})\n"
            await PlainTextResponse(told, HTTPStatus.BAD_REQUEST)(scope, receive, send)
            return
        await self._app(scope, receive, send)
