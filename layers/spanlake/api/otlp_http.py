"""OTLP over HTTP: ``POST /v1/traces``, as the OTLP specification has it.

A bare ASGI application, because this path carries megabytes: the body goes from the socket to the decoder without
passing through anything that parses or copies it.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from spanlake.api.bodies import ClientGone
from spanlake.api.errors import Problem, UnsupportedMediaType, logged_problem
from spanlake.api.whole_body import whole_body
from spanlake.ingest.request import Receipt
from spanlake.ingest.service import Ingest
from spanlake.ingest.tenant import HEADER, tenant_named

PATH = "/v1/traces"

_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
# google.rpc.Code for each status that is answered here.
_RPC_CODES = {400: 3, 405: 12, 408: 4, 413: 8, 415: 3, 429: 8, 503: 14}
_RPC_INTERNAL = 13


@dataclass(frozen=True, slots=True)
class _Codec:
    """How one encoding of OTLP says things."""

    media_type: str
    protocol: str  # as metrics name it
    receipt: Callable[[Receipt], bytes]
    status: Callable[[int, str], bytes]  # google.rpc.Status of code and message


@dataclass(frozen=True, slots=True)
class OtlpHttp:
    """The ASGI application behind the path."""

    ingest: Ingest
    read_json: Callable[[bytes], bytes]  # an ExportTraceServiceRequest in JSON, to the same in protobuf
    slow: Executor  # where decompression and JSON are worked on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        codec = _codec(headers)
        try:
            response = await self._answer(scope["method"], headers, codec, receive)
        except ClientGone:
            return
        self.ingest.metrics.request(codec.protocol, str(response.status_code))
        await response(scope, receive, send)

    async def _answer(self, method: str, headers: Headers, codec: _Codec, receive: Receive) -> Response:
        if method != "POST":
            return _refusal(codec, Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{PATH} takes POST"), {"Allow": "POST"})
        try:
            receipt = await self._store(headers, receive)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001, the client hears of it, and the log of what is not in the table
            told = logged_problem(error)
            return _refusal(codec, told, told.headers)
        return Response(codec.receipt(receipt), media_type=codec.media_type)

    async def _store(self, headers: Headers, receive: Receive) -> Receipt:
        tenant = tenant_named(headers.get(HEADER))
        media_type = _media_type(headers)
        if media_type not in _CODECS:
            raise UnsupportedMediaType(f"Content-Type {media_type[:80]!r} is not supported: use {_PROTOBUF} or {_JSON}")
        with self.ingest.admission.enter() as place:
            body = await whole_body(headers, receive, place, self.ingest.limits, self.slow)
            if media_type == _JSON:
                body = await self._in_thread(self.read_json, body)
            return await self.ingest.stored(tenant, body)

    async def _in_thread(self, work: Callable[[bytes], bytes], body: bytes) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self.slow, work, body)


def _refusal(codec: _Codec, told: Problem, headers: Mapping[str, str]) -> Response:
    status = codec.status(_RPC_CODES.get(told.status, _RPC_INTERNAL), told.message)
    return Response(status, told.status, headers, codec.media_type)


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _codec(headers: Headers) -> _Codec:
    """What to answer in: the request's encoding, or JSON when that is unknown."""
    return _CODECS.get(_media_type(headers), _CODECS[_JSON])


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


_CODECS: Mapping[str, _Codec] = {
    _PROTOBUF: _Codec(_PROTOBUF, "http-protobuf", Receipt.to_otlp, _protobuf_status),
    _JSON: _Codec(_JSON, "http-json", _json_receipt, _json_status),
}
