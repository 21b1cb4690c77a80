"""Compresses answers with gzip for clients that accept it."""

import re
import zlib
from typing import Any

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALLEST = 2048
"""Bytes of an answer below which it is sent as it is."""

_LEVEL = 5  # past which traces hardly become smaller
_IN_THREAD = 64 << 10  # bytes that take longer to compress, about 1 ms, than to hand to a thread
_GZIP = 16 + zlib.MAX_WBITS
_REFUSED = re.compile(r"q=0(\.0{0,3})?")
_NO_BODY = frozenset((204, 304))


def takes_gzip(accepted: str) -> bool:
    """True where an Accept-Encoding header allows gzip (RFC 9110, 12.5.3)."""
    choices = [choice.replace(" ", "").partition(";") for choice in accepted.lower().split(",")]
    weights = {coding: weight for coding, _, weight in choices}
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return _REFUSED.fullmatch(weight) is None


class CompressedAnswers:
    """Compresses the answers of an application: at once where they are whole, piece by piece where they are streamed.

    Vary names Accept-Encoding wherever the answer could have been another one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            send = _Sender(scope, send).send
        await self._app(scope, receive, send)


class _Sender:
    """Sends the messages of one answer; the first waits for the first piece of the body, which shows how long it is."""

    def __init__(self, scope: Scope, to: Send) -> None:
        self._scope = scope
        self._to = to
        self._start: Message | None = None
        self._coder: Any = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is not None:
            start, self._start = self._start, None
            await self._begin(start, message)
        elif self._coder is not None:
            await self._to(await self._coded(message))
        else:
            await self._to(message)

    async def _begin(self, start: Message, first: Message) -> None:
        body, more = first.get("body", b""), first.get("more_body", False)
        if (more or len(body) >= SMALLEST) and _can_be_coded(start):
            headers = MutableHeaders(raw=list(start["headers"]))
            headers.add_vary_header("Accept-Encoding")
            if takes_gzip(Headers(scope=self._scope).get("accept-encoding", "")):
                self._coder = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
                first = await self._coded(first)
                _mark(headers, None if more else len(first["body"]))
            start = {**start, "headers": headers.raw}
        await self._to(start)
        await self._to(first)

    async def _coded(self, message: Message) -> Message:
        body, more = message.get("body", b""), message.get("more_body", False)
        if len(body) > _IN_THREAD:
            return {**message, "body": await anyio.to_thread.run_sync(self._code, body, more)}
        return {**message, "body": self._code(body, more)}

    def _code(self, body: bytes, more: bool) -> bytes:
        """Compresses a piece so that all of it can be read at once."""
        coded: bytes = self._coder.compress(body)
        rest: bytes = self._coder.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)
        return coded + rest


def _can_be_coded(start: Message) -> bool:
    return start["status"] not in _NO_BODY and "content-encoding" not in Headers(raw=start["headers"])


def _mark(headers: MutableHeaders, length: int | None) -> None:
    """Say that the body is compressed, and how long it is where that is known."""
    headers["Content-Encoding"] = "gzip"
    if length is None:
        del headers["Content-Length"]
    elif "content-length" in headers:
        headers["Content-Length"] = str(length)
