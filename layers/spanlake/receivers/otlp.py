"""OTLP: requests as protobuf, which is what the decoder takes, and as JSON."""

import json
from collections.abc import Sequence
from typing import NoReturn

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanlake.spans import otlp_json
from spanlake.spans.decode import Decoded, MalformedRequest, decode

_FEW_OBJECTS = 1024
_SMALLEST_OBJECT = 12
"""Bytes that objects have on average, at the least: parsed, even an empty one takes over sixty."""


def read(bodies: Sequence[bytes]) -> Decoded:
    """Decode ExportTraceServiceRequests in protobuf, all in one pass. Raises MalformedRequest."""
    return decode(bodies)


def read_json(body: bytes) -> bytes:
    """Turn an ExportTraceServiceRequest in OTLP/JSON into protobuf, for ``read``. Raises MalformedRequest."""
    if body.count(b"{") > _FEW_OBJECTS + len(body) // _SMALLEST_OBJECT:
        raise MalformedRequest("most of its objects are empty")
    request = ExportTraceServiceRequest()
    try:
        otlp_json.parse(request, _parsed(body))
    except ValueError as error:
        raise MalformedRequest(str(error)) from error
    return request.SerializeToString()


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("values nest too deep") from error
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON; write it as a string")
