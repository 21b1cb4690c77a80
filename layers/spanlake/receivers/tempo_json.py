"""Traces in the JSON of Tempo's API, where ids are base64: ``batches`` of version 1, ``trace`` of version 2."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from spanlake.receivers import json_parser
from spanlake.receivers.translation import MalformedSpans, Translated
from spanlake.receivers.zipkin import json_body
from spanlake.spans.otlp.json_decode import read_request
from spanlake.spans.schema import SPAN_ID, TRACE_ID

_FORMAT = "Tempo's JSON"
_LENGTHS = {"traceId": TRACE_ID, "spanId": SPAN_ID, "parentSpanId": SPAN_ID}
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]*", re.ASCII)


def read(body: bytes) -> Translated:
    """Convert a trace to an ExportTraceServiceRequest, with the rules for OTLP/JSON. Raises MalformedSpans.

    Ids may be hexadecimal too, as in the files that Grafana downloads.
    """
    try:
        resource_spans = _resource_spans(json_parser.parse(body))
        for span in _spans(resource_spans):
            _make_hexadecimal(span)
        request = read_request({"resourceSpans": resource_spans})
    except ValueError as error:
        raise MalformedSpans(_FORMAT, str(error)) from error
    return Translated(request.message.SerializeToString(), request.rejected)


def _resource_spans(document: object) -> list[Any]:
    trace = document.get("trace", document) if isinstance(document, dict) else None
    found = trace.get("batches", trace.get("resourceSpans", [])) if isinstance(trace, dict) else None
    if not isinstance(found, list):
        raise ValueError("it has neither batches nor a trace with resourceSpans")
    return found


def _spans(resource_spans: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield spans and their links; Tempo 1 has another name for scopes."""
    for resource in json_body.objects(resource_spans):
        for name in ("scopeSpans", "instrumentationLibrarySpans"):
            for scope in json_body.objects(resource.get(name)):
                for span in json_body.objects(scope.get("spans")):
                    yield span
                    yield from json_body.objects(span.get("links"))


def _make_hexadecimal(ids: dict[str, Any]) -> None:
    for name, length in _LENGTHS.items():
        if isinstance(ids.get(name), str):
            ids[name] = _hexadecimal(ids[name], length)


def _hexadecimal(text: str, length: int) -> str:
    """Convert an id of ``length`` bytes to hexadecimal digits; anything else stays unchanged."""
    if len(text) == 2 * length and _HEXADECIMAL.fullmatch(text):
        return text
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return text
    return decoded.hex() if len(decoded) <= length else text
