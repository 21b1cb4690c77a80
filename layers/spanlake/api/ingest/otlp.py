"""OTLP over HTTP: ``POST /v1/traces`` in protobuf and JSON."""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from spanlake.api.authentication import tenant_to_write
from spanlake.api.errors import HttpError, UnsupportedMediaType, logged_http_error, shut_down_error
from spanlake.api.ingest.bodies import admitted_body
from spanlake.api.ingest.errors import ClientGone
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.receivers.detection import explained
from spanlake.spans.otlp.errors import MalformedRequest

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

# google.rpc.Code for each status that is answered.
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 12, 405: 12, 413: 8, 415: 3, 429: 8, 503: 14}
_RPC_INTERNAL = 13


@dataclass(frozen=True, slots=True)
class Codec:
    """One encoding."""

    media_type: str
    protocol: str  # as metrics name it
    receipt: Callable[[Receipt], bytes]
    status: Callable[[int, str], bytes]  # google.rpc.Status of code and message

    def refusal(self, told: HttpError) -> Response:
        """Write an answer whose body is a Status, as the OTLP specification asks of 4xx and 5xx."""
        status = self.status(_RPC_CODES.get(told.status, _RPC_INTERNAL), told.message)
        return Response(status, told.status, told.headers, self.media_type)


def media_type_of(headers: Headers) -> str:
    """Return the media type of a request in lower case, without parameters; empty when there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _json_receipt(receipt: Receipt) -> bytes:
    if not receipt.rejected:
        return b"{}"
    partial_success = {"rejectedSpans": str(receipt.rejected_spans), "errorMessage": receipt.explanation}
    return json.dumps({"partialSuccess": partial_success}).encode()


def _protobuf_status(code: int, message: str) -> bytes:
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

    status: bytes = Status(code=code, message=message).SerializeToString()
    return status


def _json_status(code: int, message: str) -> bytes:
    return json.dumps({"code": code, "message": message}).encode()


CODECS: Mapping[str, Codec] = {
    PROTOBUF: Codec(PROTOBUF, "http-protobuf", Receipt.to_otlp, _protobuf_status),
    JSON: Codec(JSON, "http-json", _json_receipt, _json_status),
}
"""By media type."""

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
            response = await self._answer(scope, headers, codec, receive)
        except ClientGone:
            return
        self.ingest.metrics.request(codec.protocol, str(response.status_code))
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, headers: Headers, codec: Codec, receive: Receive) -> Response:
        if scope["method"] != "POST":
            told = HttpError(HTTPStatus.METHOD_NOT_ALLOWED, f"{PATH} takes POST", {"Allow": "POST"})
            return codec.refusal(told)
        try:
            receipt = await self._store(tenant_to_write(scope), headers, receive)
        except ClientGone:
            raise
        except asyncio.CancelledError:  # the server ends and has no time left
            return codec.refusal(shut_down_error())
        except Exception as error:  # noqa: BLE001, the client hears of it, and the log of what is not in the table
            await self.ingest.held.hold_back(error)
            return codec.refusal(logged_http_error(error))
        return Response(codec.receipt(receipt), media_type=codec.media_type)

    async def _store(self, tenant: str, headers: Headers, receive: Receive) -> Receipt:
        media_type = media_type_of(headers)
        if media_type not in CODECS:
            raise UnsupportedMediaType(f"Content-Type {media_type[:80]!r} is not supported: use {PROTOBUF} or {JSON}")
        async with admitted_body(headers, receive, self.ingest, self.slow) as body:
            format_ = self.json if media_type == JSON else None
            try:
                return await self.ingest.stored(tenant, body, format_)
            except MalformedRequest as error:
                raise explained(error, body, media_type) from None
