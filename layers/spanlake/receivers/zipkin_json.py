"""Zipkin's v2 JSON: a list of spans, as zipkin-api's zipkin2-api.yaml describes it."""

from typing import Any

from spanlake.receivers import json_body, zipkin_address
from spanlake.receivers.zipkin import NOWHERE, Endpoint, ZipkinSpan, export, malformed

_ENCODING = "v2 JSON"


def spans(body: bytes) -> bytes:
    """Turn a list of spans into an ExportTraceServiceRequest. Raises MalformedSpans."""
    try:
        found = json_body.spans(body, _Reader().span)
    except ValueError as error:
        raise malformed(_ENCODING, str(error)) from error
    return export(found, tells_absent_start=True)


class _Reader:
    """Reads spans; equal addresses are read once."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}

    def span(self, span: dict[str, Any]) -> ZipkinSpan:
        tags, annotations, get = span.get("tags") or {}, span.get("annotations"), span.get
        local, remote = get("localEndpoint"), get("remoteEndpoint")
        if not all(map(_is_text, tags.values())):
            tags = {key: json_body.text(value) for key, value in tags.items()}
        return ZipkinSpan(
            json_body.id_(get("traceId"), 16),
            json_body.id_(get("id"), 8),
            json_body.id_(get("parentId"), 8),
            json_body.text(get("kind")),
            json_body.text(get("name")),
            json_body.integer(get("timestamp")),
            json_body.integer(get("duration")),
            self._endpoint(local) if local else NOWHERE,
            self._endpoint(remote) if remote else NOWHERE,
            [self._annotation(annotation) for annotation in annotations] if annotations else (),
            tags,
        )

    def _endpoint(self, endpoint: dict[str, Any]) -> Endpoint:
        get = endpoint.get
        address = json_body.text(get("ipv6") or get("ipv4"))
        return Endpoint(json_body.text(get("serviceName")), self._address(address), json_body.integer(get("port")))

    def _address(self, text: str) -> str:
        if text and text not in self._addresses:
            self._addresses[text] = zipkin_address.from_text(text)
        return self._addresses[text] if text else ""

    def _annotation(self, annotation: dict[str, Any]) -> tuple[int, str]:
        time = json_body.integer(annotation.get("timestamp"))
        if not time:
            raise ValueError("an annotation has no timestamp")
        return time, json_body.text(annotation.get("value"))


def _is_text(value: object) -> bool:
    return type(value) is str
