"""A REST API of API Gateway with binary media types ``*/*``: POST of any path to one function, behind an authorizer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.aws.events import rest_event
from tests.aws.local.authorizer import Invoke
from tests.aws.local.http_answers import refusal, response_of
from tests.aws.local.runtime_api import FunctionError

_STAGE = "spans"
_ARN = f"arn:aws:execute-api:us-east-1:123456789012:api/{_STAGE}/POST"


class RestApi:
    """The API, as an application; its paths begin with its stage."""

    def __init__(self, ingest: Invoke, authorize: Invoke | None) -> None:
        self._ingest = ingest
        self._authorize = authorize

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        stage, _, path = request.scope["path"][1:].partition("/")
        if request.method != "POST" or stage != _STAGE or not path:
            return refusal(HTTPStatus.FORBIDDEN)
        headers = {name.title(): value for name, value in request.headers.items()}
        event = rest_event("POST", f"/{path}", headers=headers, query=dict(request.query_params))
        try:
            if self._authorize is not None and not await self._admits(self._authorize, event):
                return refusal(HTTPStatus.FORBIDDEN)
            event |= {"body": base64.b64encode(await request.body()).decode(), "isBase64Encoded": True}
            return response_of(await self._ingest(json.dumps(event).encode()))
        except FunctionError:
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _admits(self, authorize: Invoke, event: dict[str, Any]) -> bool:
        """True where the function's policy allows the method; its context goes into the event."""
        if "Authorization" not in event["headers"]:
            return False
        about = {name: value for name, value in event.items() if name not in {"body", "isBase64Encoded"}}
        asked = {**about, "type": "REQUEST", "methodArn": _ARN + event["path"]}
        answer: Mapping[str, Any] = json.loads(await authorize(json.dumps(asked).encode()))
        (statement,) = answer["policyDocument"]["Statement"]
        if (statement["Effect"], statement["Resource"]) != ("Allow", f"{_ARN}/*"):
            return False
        event["requestContext"]["authorizer"] = {**answer["context"], "principalId": answer["principalId"]}
        return True
