"""Zipkin's v1 JSON: a list of spans, as zipkin-api's zipkin-api.yaml describes it.

Clients also send values that the Collector refuses: ``true`` as the value of ``sa`` and ``ca``, numbers, and short ids.
"""

import time
from typing import Any

from spanlake.receivers.otlp_rows import Value
from spanlake.receivers.translation import Translated
from spanlake.receivers.zipkin import json_body, v2
from spanlake.receivers.zipkin.v1 import NOWHERE, Annotation, BinaryAnnotation, Endpoint, ZipkinV1Span, export
from spanlake.receivers.zipkin.v2 import malformed

_ENCODING = "v1 JSON"


def spans(body: bytes) -> Translated:
    """Convert a list of spans to an ExportTraceServiceRequest, without the spans that cannot be read.

    A span cannot be read if it is not an object, or if its time or duration is not a number. Raises MalformedSpans when
    the body is not a list.
    """
    try:
        found, unreadable = json_body.spans(body, _span)
    except ValueError as error:
        raise malformed(_ENCODING, str(error)) from error
    return Translated.without(unreadable, export(found, now_ns=time.time_ns()))


def _span(span: dict[str, Any]) -> ZipkinV1Span:
    get = span.get
    return ZipkinV1Span(
        json_body.id_(get("traceId"), 16),
        json_body.id_(get("id"), 8),
        json_body.id_(get("parentId"), 8),
        json_body.text(get("name")),
        json_body.integer(get("timestamp")) or None,
        json_body.integer(get("duration")),
        [_annotation(each) for each in json_body.objects(get("annotations"))],
        [_binary_annotation(each) for each in json_body.objects(get("binaryAnnotations"))],
    )


def _annotation(annotation: dict[str, Any]) -> Annotation:
    get = annotation.get
    return Annotation(_time(get("timestamp")), json_body.text(get("value")), _endpoint(get("endpoint")))


def _time(value: object) -> int:
    """Read microseconds; 0 for a missing or malformed time."""
    try:
        return json_body.integer(value)
    except ValueError:
        return 0


def _binary_annotation(annotation: dict[str, Any]) -> BinaryAnnotation:
    key, value = json_body.text(annotation.get("key")), _value(annotation.get("value"))
    return BinaryAnnotation(key, value, _endpoint(annotation.get("endpoint")))


def _value(value: object) -> Value:
    return value if isinstance(value, str | bool | int | float) else json_body.text(value)


def _endpoint(endpoint: object) -> Endpoint:
    if not endpoint:
        return NOWHERE
    get = json_body.members(endpoint).get
    name, ipv4, ipv6 = (json_body.text(get(field)) for field in ("serviceName", "ipv4", "ipv6"))
    return Endpoint(name, _address(ipv4), _address(ipv6), json_body.port(get("port")))


def _address(text: str) -> str:
    """Return the text of an address unchanged; empty for any other text."""
    return text if text and v2.from_text(text) else ""
