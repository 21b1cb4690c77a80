"""Traces in the JSON of Tempo's API, where ids are base64: ``batches`` of version 1, ``trace`` of version 2."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from spanlake.receivers import otlp
from spanlake.receivers.errors import MalformedSpans
from spanlake.receivers.translated import Translated
from spanlake.spans.ids import SPAN_ID, TRACE_ID

_FORMAT = "Tempo's JSON"
_LENGTHS = {"traceId": TRACE_ID, "spanId": SPAN_ID, "parentSpanId": SPAN_ID}
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]*", re.ASCII)


def read(body: bytes) -> Translated:
    """Turn a trace into an ExportTraceServiceRequest. Raises MalformedRequest.

    Ids may be hexadecimal too, as Grafana writes them into the files that it downloads.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedSpans(_FORMAT, f"it is not JSON: {error}") from error
    resource_spans = _resource_spans(document)
    for span in _spans(resource_spans):
        _make_hexadecimal(span)
    return otlp.read_json(json.dumps({"resourceSpans": resource_spans}).encode())


def _resource_spans(document: object) -> list[Any]:
    trace = document.get("trace", document) if isinstance(document, dict) else None
    found = trace.get("batches", trace.get("resourceSpans", [])) if isinstance(trace, dict) else None
    if not isinstance(found, list):
        raise MalformedSpans(_FORMAT, "it has neither batches nor a trace with resourceSpans")
    return found


def _spans(resource_spans: list[Any]) -> Iterator[dict[str, Any]]:
    """Spans and their links, as far as the document is one of traces; what is not, OTLP's reader refuses."""
    for resource in _objects(resource_spans):
        for scope in _objects(_scopes(resource)):
            for span in _objects(scope.get("spans")):
                yield span
                yield from _objects(span.get("links"))


def _scopes(resource: dict[str, Any]) -> object:
    """The scopes of a resource, under today's name; Tempo 1 has two older ones."""
    for old, scope in (("instrumentationLibrarySpans", "instrumentationLibrary"), ("ilSpans", "il")):
        if old in resource and "scopeSpans" not in resource:
            resource["scopeSpans"] = resource.pop(old)
            for each in _objects(resource["scopeSpans"]):
                each["scope"] = each.pop(scope, None)
    return resource.get("scopeSpans")


def _objects(found: object) -> Iterator[dict[str, Any]]:
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())


def _make_hexadecimal(ids: dict[str, Any]) -> None:
    for name, length in _LENGTHS.items():
        if isinstance(ids.get(name), str):
            ids[name] = _hexadecimal(ids[name], length)


def _hexadecimal(text: str, length: int) -> str:
    """An id of so many bytes in hexadecimal digits; what is no id stays as it is."""
    if len(text) == 2 * length and _HEXADECIMAL.fullmatch(text):
        return text
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return text
    return decoded.hex() if len(decoded) <= length else text
