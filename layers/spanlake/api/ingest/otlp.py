"""OTLP over HTTP: ``POST /v1/traces``, as the OTLP specification has it.

A bare ASGI application, because this path carries megabytes: the body goes from the socket to the decoder without
passing through anything that parses or copies it.
"""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from spanlake.api.errors import Problem, UnsupportedMediaType, logged_problem, shut_down_problem
from spanlake.api.ingest.bodies import ClientGone
from spanlake.api.ingest.otlp_codec import CODECS, JSON, PROTOBUF, Codec, media_type_of
from spanlake.api.ingest.whole_body import whole_body
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.ingest.tenant import HEADER, tenant_named
from spanlake.receivers.detection import explained
from spanlake.spans.otlp.decode import MalformedRequest

PATH = "/v1/traces"


@dataclass(frozen=True, slots=True)
class OtlpHttp:
    """The ASGI application behind the path."""

    ingest: Ingest
    json: Format  # of ExportTraceServiceRequests in JSON
    slow: Executor  # where bodies are decompressed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        codec = CODECS.get(media_type_of(headers), CODECS[JSON])
        try:
            response = await self._answer(scope["method"], headers, codec, receive)
        except ClientGone:
            return
        self.ingest.metrics.request(codec.protocol, str(response.status_code))
        await response(scope, receive, send)

    async def _answer(self, method: str, headers: Headers, codec: Codec, receive: Receive) -> Response:
        if method != "POST":
            told = Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{PATH} takes POST", {"Allow": "POST"})
            return codec.refusal(told)
        try:
            receipt = await self._store(headers, receive)
        except ClientGone:
            raise
        except asyncio.CancelledError:  # the server ends and has no time left
            return codec.refusal(shut_down_problem())
        except Exception as error:  # noqa: BLE001, the client hears of it, and the log of what is not in the table
            return codec.refusal(logged_problem(error))
        return Response(codec.receipt(receipt), media_type=codec.media_type)

    async def _store(self, headers: Headers, receive: Receive) -> Receipt:
        tenant = tenant_named(headers.get(HEADER))
        media_type = media_type_of(headers)
        if media_type not in CODECS:
            raise UnsupportedMediaType(f"Content-Type {media_type[:80]!r} is not supported: use {PROTOBUF} or {JSON}")
        with self.ingest.admission.enter() as place:
            body = await whole_body(headers, receive, place, self.ingest, self.slow)
            format_ = self.json if media_type == JSON else None
            try:
                return await self.ingest.stored(tenant, body, format_)
            except MalformedRequest as error:
                raise explained(error, body, media_type) from None
