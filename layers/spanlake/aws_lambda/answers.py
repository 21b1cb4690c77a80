"""Answers that fit through Lambda: larger ones are compressed for clients that take it, and never cut."""

import gzip
import json
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LIMIT = 6 << 20
"""Bytes of a function's answer as JSON, by Lambda's quotas (invocation payload, synchronous)."""

ENVELOPE = 32 << 10  # what surrounds the body: status, headers, names
_ROOM = LIMIT - ENVELOPE
_LONGEST_ESCAPE = 6  # bytes that JSON makes of one, at most
_LEVEL = 5  # of gzip, past which traces hardly become smaller
_REFUSED = re.compile(r"q=0(\.0{0,3})?")
_ADVICE = (
    "the answer is larger than a function can send, {reason}: ask for a shorter time range, a lower limit or spss, or "
    "a longer step{more}"
)


class FittingAnswers:
    """Sees to it that the answers of the application around which it stands are not too large for Lambda.

    What is too large even when compressed, or for a client that does not take that, is answered with 422 and advice.
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
        headers = MutableHeaders(raw=list(start["headers"]))
        if not fits(body, headers.get("content-type", "")):
            if not takes_gzip(Headers(scope=scope).get("accept-encoding", "")):
                await _refusal("uncompressed", ", or send Accept-Encoding: gzip")(scope, receive, send)
                return
            body = gzip.compress(body, _LEVEL, mtime=0)
            headers["content-encoding"], headers["content-length"] = "gzip", str(len(body))
            headers.add_vary_header("Accept-Encoding")
            if base64_size(body) > _ROOM:
                await _refusal("also when it is compressed", "")(scope, receive, send)
                return
        await send({**start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": body})


def fits(body: bytes, media_type: str) -> bool:
    """Whether a body is small enough as Mangum hands it on: text as it is, all else in base64."""
    if len(body) * _LONGEST_ESCAPE <= _ROOM:
        return True
    if not media_type.startswith(("text/", "application/json")):
        return base64_size(body) <= _ROOM
    return len(body) <= _ROOM and len(json.dumps(body.decode(), ensure_ascii=False).encode()) <= _ROOM


def base64_size(body: bytes) -> int:
    """How many bytes a body has in base64."""
    return -(-len(body) // 3) * 4


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3)."""
    choices = [choice.replace(" ", "").partition(";") for choice in accepted.lower().split(",")]
    weights = {coding: weight for coding, _, weight in choices}
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return _REFUSED.fullmatch(weight) is None


def _refusal(reason: str, more: str) -> PlainTextResponse:
    return PlainTextResponse(f"{_ADVICE.format(reason=reason, more=more)}\n", 422)
