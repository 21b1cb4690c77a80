"""The encodings of OTLP over HTTP: how answers and refusals are written in the one that a request came in."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response

from spanlake.api.errors import Problem
from spanlake.ingest.request import Receipt

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

# google.rpc.Code for each status that is answered.
_RPC_CODES = {400: 3, 404: 12, 405: 12, 413: 8, 415: 3, 429: 8, 503: 14}
_RPC_INTERNAL = 13


@dataclass(frozen=True, slots=True)
class Codec:
    """One encoding."""

    media_type: str
    protocol: str  # as metrics name it
    receipt: Callable[[Receipt], bytes]
    status: Callable[[int, str], bytes]  # google.rpc.Status of code and message

    def refusal(self, told: Problem) -> Response:
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
