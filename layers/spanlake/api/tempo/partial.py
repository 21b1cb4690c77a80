"""Marks answers that lack spans of blocks whose objects are gone, where such answers are allowed."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spanlake.query.scan.missing_blocks import LEFT_OUT

HEADER = "X-Spanlake-Partial"
_MOST_NAMED = 5


class PartialAnswers:
    """Names the blocks that an answer lacks in a header: Grafana refuses fields that Tempo's answers do not have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        missing: list[str] = []
        token = LEFT_OUT.set(missing)

        async def marked(message: Message) -> None:
            if missing and message["type"] == "http.response.start":
                named = ", ".join(sorted(set(missing))[:_MOST_NAMED])
                MutableHeaders(scope=message)[HEADER] = f"{len(set(missing))} blocks are missing: {named}"
            await send(message)

        try:
            await self._app(scope, receive, marked)
        finally:
            LEFT_OUT.reset(token)
