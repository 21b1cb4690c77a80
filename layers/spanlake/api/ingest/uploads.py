"""Spans in the body of a POST, in a protocol that answers with a status and no more than a line of text."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from spanlake.api.authentication import tenant_to_write
from spanlake.api.errors import HttpError, logged_http_error, shut_down_error
from spanlake.api.ingest.bodies import admitted_body
from spanlake.api.ingest.errors import ClientGone
from spanlake.api.ingest.otlp import media_type_of
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.receivers.detection import explained
from spanlake.spans.otlp.errors import MalformedRequest


@dataclass(frozen=True, slots=True)
class SpanPosts:
    """The ASGI application behind a path."""

    ingest: Ingest
    slow: Executor  # where bodies are decompressed
    protocol: str  # as metrics name it
    format_of: Callable[[str, bytes], Format]  # of a media type, in lower case, and a body; raises UnsupportedMediaType

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._answer(scope, Headers(scope=scope), receive)
        except ClientGone:
            return
        self.ingest.metrics.request(self.protocol, str(response.status_code))
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive) -> PlainTextResponse:
        if scope["method"] != "POST":
            return _refusal(HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "spans are sent with POST", {"Allow": "POST"}))
        try:
            receipt = await self._store(tenant_to_write(scope), headers, receive)
            receipt.require_some()
        except ClientGone:
            raise
        except asyncio.CancelledError:  # the server ends and has no time left
            return _refusal(shut_down_error())
        except Exception as error:  # noqa: BLE001, the client hears of it, and the log of what is not in the table
            await self.ingest.held.hold_back(error)
            return _refusal(logged_http_error(error))
        said = f"{receipt.explanation}\n" if receipt.rejected else ""
        return PlainTextResponse(said, HTTPStatus.ACCEPTED)

    async def _store(self, tenant: str, headers: Headers, receive: Receive) -> Receipt:
        media_type = media_type_of(headers)
        async with admitted_body(headers, receive, self.ingest, self.slow) as sent:
            body = sent.removeprefix(BOM_UTF8)  # which none of the binary formats begins with
            format_ = self.format_of(media_type, body)
            try:
                return await self.ingest.stored(tenant, body, format_)
            except MalformedRequest as error:
                raise explained(error, body, media_type) from None


def _refusal(told: HttpError) -> PlainTextResponse:
    return PlainTextResponse(f"{told.message}\n", told.status, told.headers)
