"""Zipkin's v2 JSON: a list of spans, as zipkin-api's zipkin2-api.yaml describes it."""

from typing import Any

from spanlake.receivers.translation import Translated
from spanlake.receivers.zipkin import json_body, v2
from spanlake.receivers.zipkin.v2 import NOWHERE, Endpoint, ZipkinSpan, export, malformed

_ENCODING = "v2 JSON"
_TEXT = {str}


def spans(body: bytes) -> Translated:
    """Convert a list of spans to an ExportTraceServiceRequest, without the spans that cannot be read.

    A span cannot be read if it is not an object, or if its time or duration is not a number. Raises MalformedSpans when
    the body is not a list.
    """
    try:
        found, unreadable = json_body.spans(body, _Reader().span)
    except ValueError as error:
        raise malformed(_ENCODING, str(error)) from error
    return Translated.without(unreadable, export(found, tells_absent_start=True))


class _Reader:
    """A reader of spans, which leaves out malformed parts; equal addresses are read once."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}

    def span(self, span: dict[str, Any]) -> ZipkinSpan:
        get = span.get
        annotations, local, remote = get("annotations"), get("localEndpoint"), get("remoteEndpoint")
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
            _annotations(annotations) if annotations else (),
            _tags(get("tags")),
        )

    def _endpoint(self, endpoint: object) -> Endpoint:
        get = json_body.members(endpoint).get
        ipv6 = get("ipv6")
        address = (self._address(ipv6) if ipv6 else "") or self._address(get("ipv4"))
        return Endpoint(json_body.text(get("serviceName")), address, json_body.port(get("port")))

    def _address(self, text: object) -> str:
        if not text or not isinstance(text, str):
            return ""
        found = self._addresses.get(text)
        if found is None:
            found = self._addresses[text] = v2.from_text(text)
        return found


def _tags(tags: object) -> dict[str, str]:
    """Read tags by key; some clients send them as a list of objects."""
    found = tags if isinstance(tags, dict) else _listed(tags)
    if _TEXT.issuperset(map(type, found.values())):
        return found
    return {key: json_body.text(value) for key, value in found.items()}


def _listed(tags: object) -> dict[str, str]:
    items = [(each.get("key"), each.get("value")) for each in json_body.objects(tags)]
    return {json_body.text(key): json_body.text(value) for key, value in items if key}


def _annotations(annotations: object) -> list[tuple[int, str]]:
    """Read annotations; an annotation without a time is left out."""
    found = []
    for annotation in json_body.objects(annotations):
        try:
            time = json_body.integer(annotation.get("timestamp"))
        except ValueError:
            continue
        if time:
            found.append((time, json_body.text(annotation.get("value"))))
    return found
