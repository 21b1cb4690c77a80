"""Sends requests with spans to a server by OTLP over HTTP, and retries where the server asks for it."""

import gzip
import re
import time
from collections.abc import Sequence

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanlake.cli.client.client import Client
from spanlake.cli.errors import MalformedAnswer, Refused, Unreachable
from spanlake.cli.printable import printable
from spanlake.ingest.pipeline import to_otlp
from spanlake.ingest.request import Receipt, Request
from spanlake.receivers import otlp
from spanlake.spans.otlp.errors import MalformedRequest

_PATH = "/v1/traces"
_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
_LATER = frozenset({429, 502, 503, 504})
_OF_THE_REQUEST = frozenset({400, 413, 422})
_PAUSES = (1, 2, 4, 8, 15, 30, 30, 30)
"""Pauses in seconds before a request is sent again."""
_COUNT = re.compile(r" \(\d+\)$")


def send(client: Client, requests: Sequence[Request]) -> list[Receipt | Exception]:
    """Store requests on a server; returns the outcome of each. Raises CommandError when the server accepts none."""
    return [_sent(client, each) if isinstance(each, Request) else each for each in to_otlp(requests)]


def _sent(client: Client, request: Request) -> Receipt | Exception:
    try:
        spans = sum(otlp.read([request.body]).spans_per_request)
    except MalformedRequest as error:
        return error
    try:
        response = _response(_posted(client, gzip.compress(request.body, 6, mtime=0)))
    except Refused as error:
        if error.status in _OF_THE_REQUEST:
            return MalformedRequest(str(error))
        raise
    rejected = response.partial_success.rejected_spans
    reasons = dict(request.rejected)
    if rejected:
        reasons[_reason(response.partial_success.error_message)] = rejected
    return Receipt(spans - rejected, reasons)


def _reason(message: str) -> str:
    """Extract the reason for rejected spans from a server's message, without spanlake's count of them."""
    words = message.partition(" not stored: ")[2] or message
    return printable(_COUNT.sub("", words)) or "the server rejects them"


def _posted(client: Client, body: bytes) -> bytes:
    for seconds in _PAUSES:
        try:
            return client.post(_PATH, body, _HEADERS)
        except Refused as error:
            if error.status not in _LATER:
                raise
        except Unreachable:
            pass
        time.sleep(seconds)
    return client.post(_PATH, body, _HEADERS)


def _response(body: bytes) -> ExportTraceServiceResponse:
    try:
        return ExportTraceServiceResponse.FromString(body)
    except DecodeError:
        raise MalformedAnswer("the answer is not one of OTLP: name the server's OTLP port with --url") from None
