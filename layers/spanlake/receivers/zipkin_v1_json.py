"""Zipkin's v1 JSON: a list of spans, as zipkin-api's zipkin-api.yaml describes it.

Clients also send what the Collector refuses: ``true`` as the value of ``sa`` and ``ca``, numbers, and short ids.
"""

import time
from typing import Any

from spanlake.receivers import json_body
from spanlake.receivers.zipkin import malformed
from spanlake.receivers.zipkin_v1 import (
    NOWHERE,
    Annotation,
    BinaryAnnotation,
    Endpoint,
    ZipkinV1Span,
    export,
)

_ENCODING = "v1 JSON"


def spans(body: bytes) -> bytes:
    """Turn a list of spans into an ExportTraceServiceRequest. Raises MalformedSpans."""
    try:
        found = json_body.spans(body, _span)
    except ValueError as error:
        raise malformed(_ENCODING, str(error)) from error
    return export(found, now_ns=time.time_ns())


def _span(span: dict[str, Any]) -> ZipkinV1Span:
    get = span.get
    return ZipkinV1Span(
        json_body.id_(get("traceId"), 16),
        json_body.id_(get("id"), 8),
        json_body.id_(get("parentId"), 8),
        json_body.text(get("name")),
        json_body.integer(get("timestamp")) or None,
        json_body.integer(get("duration")),
        [_annotation(each) for each in get("annotations") or ()],
        [_binary_annotation(each) for each in get("binaryAnnotations") or ()],
    )


def _annotation(annotation: dict[str, Any]) -> Annotation:
    get = annotation.get
    return Annotation(json_body.integer(get("timestamp")), json_body.text(get("value")), _endpoint(get("endpoint")))


def _binary_annotation(annotation: dict[str, Any]) -> BinaryAnnotation:
    value = annotation.get("value")
    return BinaryAnnotation(
        json_body.text(annotation.get("key")),
        value if isinstance(value, str | bool | int | float) else json_body.text(value),
        _endpoint(annotation.get("endpoint")),
    )


def _endpoint(endpoint: dict[str, Any] | None) -> Endpoint:
    if not endpoint:
        return NOWHERE
    get = endpoint.get
    name, ipv4, ipv6 = (json_body.text(get(field)) for field in ("serviceName", "ipv4", "ipv6"))
    return Endpoint(name, ipv4, ipv6, json_body.integer(get("port")))
