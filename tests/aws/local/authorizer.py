"""Asks the authorizer as an HTTP API does before it admits a request: a REQUEST authorizer, simple responses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from tests.aws.local.http_events import Event
from tests.aws.local.runtime_api import FunctionError

Invoke = Callable[[bytes], Awaitable[bytes]]

_WITHOUT = ("body", "isBase64Encoded")


class NotAuthorized(Exception):  # noqa: N818
    """The request does not get through."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class Authorizer:
    """Asks the function who sends a request, and remembers what it said of an Authorization header at a route."""

    def __init__(self, invoke: Invoke, ttl: float = 300.0, clock: Callable[[], float] = time.monotonic) -> None:
        """``ttl`` in seconds."""
        self._invoke = invoke
        self._ttl = ttl
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Any]] = {}

    async def context(self, event: Event) -> Mapping[str, Any]:
        """Returns the function's context for the sender of the request; raises NotAuthorized."""
        identity = event["headers"].get("authorization")
        if not identity:
            raise NotAuthorized(HTTPStatus.UNAUTHORIZED)
        answer = await self._answer(identity, event)
        if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
            raise NotAuthorized(HTTPStatus.INTERNAL_SERVER_ERROR)
        if not answer["isAuthorized"]:
            raise NotAuthorized(HTTPStatus.FORBIDDEN)
        return answer.get("context") or {}

    async def _answer(self, identity: str, event: Event) -> Any:
        key = identity, event["routeKey"]
        asked_at, answer = self._known.get(key, (-self._ttl, None))
        if self._clock() - asked_at < self._ttl:
            return answer
        about = {name: value for name, value in event.items() if name not in _WITHOUT}
        about |= {"type": "REQUEST", "identitySource": [*key], "routeArn": _route_arn(event)}
        try:
            answer = json.loads(await self._invoke(json.dumps(about).encode()))
        except FunctionError:
            raise NotAuthorized(HTTPStatus.INTERNAL_SERVER_ERROR) from None
        self._known[key] = self._clock(), answer
        return answer


def _route_arn(event: Event) -> str:
    context = event["requestContext"]
    account, api, route = context["accountId"], context["apiId"], context["routeKey"].replace(" ", "")
    return f"arn:aws:execute-api:us-east-1:{account}:{api}/$default/{route}"
