"""An HTTP API of API Gateway: routes requests to functions, if the authorizer lets them through."""

import asyncio
import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.aws.local.authorizer import Authorizer, Invoke, NotAuthorized
from tests.aws.local.http_answers import refusal, response_of
from tests.aws.local.http_events import Event, event_of, path_of
from tests.aws.local.routes import Route, match
from tests.aws.local.runtime_api import LARGEST, FunctionError

LARGEST_REQUEST = 10 << 20
"""Bytes of a body, by API Gateway's quotas."""
_SECONDS = 30.0  # for which it waits for a function, by the same

_log = logging.getLogger(__name__)


class Gateway:
    """The API, as an application."""

    def __init__(
        self, routes: tuple[Route, ...], functions: Mapping[str, Invoke], authorizer: Authorizer | None = None
    ) -> None:
        self._routes = routes
        self._functions = functions
        self._authorizer = authorizer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        found = match(self._routes, request.method, path_of(request))
        if found is None:
            return refusal(HTTPStatus.NOT_FOUND)
        body = await _read(request)
        if body is None:
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        event = event_of(request, found, body)
        try:
            await self._authorize(found.route, event)
        except NotAuthorized as refused:
            return refusal(refused.status)
        return await self._invoke(self._functions[found.route.function], event)

    async def _authorize(self, route: Route, event: Event) -> None:
        if self._authorizer and route.authorized:
            event["requestContext"]["authorizer"] = {"lambda": await self._authorizer.context(event)}

    async def _invoke(self, function: Invoke, event: Event) -> Response:
        payload = json.dumps(event).encode()
        if len(payload) > LARGEST:
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        # The function goes on when nobody waits for it any more.
        answer = asyncio.ensure_future(function(payload))
        try:
            return response_of(await asyncio.wait_for(asyncio.shield(answer), _SECONDS))
        except TimeoutError:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE)
        except FunctionError as error:
            _log.warning("%s: %s", event["routeKey"], error)
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


async def _read(request: Request) -> bytes | None:
    """The body, None when it is too large; read to its end, so that the client sees the answer."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size <= LARGEST_REQUEST:
            pieces.append(piece)
    return b"".join(pieces) if size <= LARGEST_REQUEST else None
