"""Spans in the body of a POST, in a protocol that answers with a status and no more than a line of text."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from spanlake.api.bodies import ClientGone
from spanlake.api.errors import logged_problem
from spanlake.api.whole_body import whole_body
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.ingest.tenant import HEADER, tenant_named


@dataclass(frozen=True, slots=True)
class SpanPosts:
    """The ASGI application behind a path."""

    ingest: Ingest
    slow: Executor  # where bodies are decompressed
    protocol: str  # as metrics name it
    format_of: Callable[[str], Format]  # by media type, in lower case; raises UnsupportedMediaType

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._answer(scope["method"], Headers(scope=scope), receive)
        except ClientGone:
            return
        self.ingest.metrics.request(self.protocol, str(response.status_code))
        await response(scope, receive, send)

    async def _answer(self, method: str, headers: Headers, receive: Receive) -> PlainTextResponse:
        if method != "POST":
            return PlainTextResponse("spans are sent with POST\n", HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "POST"})
        try:
            receipt = await self._store(headers, receive)
            receipt.require_some()
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001, the client hears of it, and the log of what is not in the table
            told = logged_problem(error)
            return PlainTextResponse(f"{told.message}\n", told.status, told.headers)
        said = f"{receipt.explanation}\n" if receipt.rejected else ""
        return PlainTextResponse(said, HTTPStatus.ACCEPTED)

    async def _store(self, headers: Headers, receive: Receive) -> Receipt:
        tenant = tenant_named(headers.get(HEADER))
        format_ = self.format_of(headers.get("content-type", "").partition(";")[0].strip().lower())
        with self.ingest.admission.enter() as place:
            body = await whole_body(headers, receive, place, self.ingest.limits, self.slow)
            return await self.ingest.stored(tenant, body, format_)
