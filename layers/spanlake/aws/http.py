"""HTTP events of Lambda as ASGI requests, with a limit of response size."""

import json
from collections.abc import Sequence
from typing import Any

from mangum import Mangum
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spanlake.api.browsers import SpanCors
from spanlake.aws.http_events import BasePath, IntactBodies, Source, correlation_id, request_id, source_of
from spanlake.aws.telemetry import Event, Handler, Label

LIMIT = Source.HTTP_API.answer_bytes
"""Bytes of a function's answer as JSON, of API Gateway and function URLs."""

ENVELOPE = 32 << 10  # what surrounds the body: status, headers, names
_LONGEST_ESCAPE = 6  # bytes that JSON makes of one, at most
_ADVICE = (
    "the answer is larger than a function can send, {reason}: ask for a shorter time range, a lower limit or spss, or "
    "a longer step{more}"
)
_UNCOMPRESSED = ("uncompressed", ", or send Accept-Encoding: gzip")


class ResponseSizeLimit:
    """Sees to it that the answers of the application around which it stands are not too large for Lambda.

    What is too large, even as the application compressed it, is answered with 422 and advice.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        if not held:  # the client is gone
            return
        start, body = held[0], b"".join(message.get("body", b"") for message in held[1:])
        headers = Headers(raw=start["headers"])
        is_compressed = "content-encoding" in headers  # such a body is sent in base64, whatever its type
        limit = source_of(scope["aws.event"]).answer_bytes
        if not fits(body, "" if is_compressed else headers.get("content-type", ""), limit):
            why = ("also when it is compressed", "") if is_compressed else _UNCOMPRESSED
            await _refusal(*why)(scope, receive, send)
            return
        await send(start)
        await send({"type": "http.response.body", "body": body})


def fits(body: bytes, media_type: str, limit: int = LIMIT) -> bool:
    """Return True for a body that is small enough as Mangum hands it on: text as it is, all else in base64."""
    room = limit - ENVELOPE
    if len(body) * _LONGEST_ESCAPE <= room:
        return True
    if not media_type.startswith(("text/", "application/json")):
        return base64_size(body) <= room
    return len(body) <= room and len(json.dumps(body.decode(), ensure_ascii=False).encode()) <= room


def base64_size(body: bytes) -> int:
    """Computes the size of a body in base64, in bytes."""
    return -(-len(body) // 3) * 4


def _refusal(reason: str, more: str) -> PlainTextResponse:
    return PlainTextResponse(f"{_ADVICE.format(reason=reason, more=more)}\n", 422)


def _nothing(**_: str | None) -> None:
    pass


def http_handler(
    app: ASGIApp, cors_origins: Sequence[str] = (), base_path: str = "", label: Label = _nothing
) -> Handler:
    """Answers events of HTTP APIs, REST APIs, load balancers and function URLs.

    Origins are as in SpanCors, the path as in BasePath; ``label`` is told the ids of each request.
    """
    served: ASGIApp = IntactBodies(ResponseSizeLimit(app))
    if cors_origins:
        served = SpanCors(served, cors_origins)
    adapter = Mangum(BasePath(served, base_path), lifespan="off")

    def handle(event: Event, context: Any) -> Any:
        label(api_request_id=request_id(event), correlation_id=correlation_id(event))
        return adapter(event, context)

    return handle
