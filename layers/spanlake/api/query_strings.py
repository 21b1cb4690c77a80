"""A limit on the number of parameters of a request, before any of them is read.

Each takes some microseconds of the event loop, several times over: 170,000 fit into a request's head.
"""

from http import HTTPStatus

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MOST_PARAMETERS = 256


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
