"""What Jaeger's spans mean in OTLP, whatever encoding they come in, as the OpenTelemetry Collector translates them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spanlake.receivers.export import (
    Attribute,
    Tag,
    Value,
    attribute,
    delimited,
    event,
    link,
    resource,
    scope,
    status,
    varint,
)

Reference = tuple[int, bytes, bytes]
"""Type, trace id and span id."""

CHILD_OF, FOLLOWS_FROM = 0, 1

_ZERO = bytes(8)

_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_SERVER, _CLIENT = _KINDS["server"], _KINDS["client"]
_OK, _ERROR = 1, 2
_STATUSES = {"OK": _OK, "ERROR": _ERROR}
_ABOUT_STATUS = frozenset({"error", "otel.status_code", "http.status_code"})
ATTRIBUTE = b"\x4a"
"""The tag of an attribute in a span."""
WITH_A_MEANING = _ABOUT_STATUS | {"span.kind", "otel.status_description", "http.status_message"}
"""Tags that are looked at together: what one of them says depends on others."""
SPECIAL = WITH_A_MEANING | {"otel.scope.name", "otel.scope.version", "w3c.tracestate"}
"""The same, with tags that the Collector writes for what OTLP has and Jaeger lacks."""
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_REFERENCE_TYPES = {CHILD_OF: "child_of"}
_RENAMED = {
    "hostname": ("host.name", ""),
    "jaeger.version": ("opencensus.exporterversion", "Jaeger-"),
}


@dataclass(frozen=True, slots=True)
class SpanTags:
    """The parts of a span that Jaeger's tags with a meaning give."""

    fields: bytes
    """Of the span, encoded."""
    scope: bytes

    @classmethod
    def read(cls, tags: dict[str, Attribute]) -> "SpanTags":
        """Read tags that may have a meaning; the others become attributes. Takes the former out of ``tags``."""
        in_scope = _scope(tags) if "otel.scope.name" in tags else b""
        state = tags.pop("w3c.tracestate", ("", b""))[0]
        trace_state = b"\x1a" + delimited(state.encode()) if isinstance(state, str) else b""
        return cls(trace_state + told_by(tags), in_scope)


def _scope(tags: dict[str, Attribute]) -> bytes:
    """The scope that tags name, which are attributes no longer."""
    name, version = (tags.pop(f"otel.scope.{part}", ("", b""))[0] for part in ("name", "version"))
    return scope(name if isinstance(name, str) else "", version if isinstance(version, str) else "")


def tag(key: str, value: Value) -> Tag:
    """A tag of this value."""
    return key, (value, attribute(key, value))


def process(service_name: str, tags: Iterable[Tag]) -> bytes:
    """The resource of a process: of tags with the same key the last counts, and any beats the service name."""
    attributes = dict(tags)
    if service_name:
        attributes = dict([tag("service.name", service_name)]) | attributes
    for old, (new, prefix) in _RENAMED.items():
        if old in attributes and new not in attributes:
            value = attributes.pop(old)[0]
            attributes.update([tag(new, f"{prefix}{_text(value)}" if prefix else value)])
    return resource([encoded for _, encoded in attributes.values()])


def log(time_ns: int, fields: Iterable[Tag]) -> bytes:
    """The event of a log, behind its length; the field ``event`` is its name."""
    attributes = dict(fields)
    named = attributes.pop("event", None)
    name = "" if named is None else _text(named[0])
    return event(time_ns, name, [encoded for _, encoded in attributes.values()])


def told_by(tags: dict[str, Attribute]) -> bytes:
    """What a span's tags say, as its fields: kind, status, and whatever else they are."""
    kind, encoded_status = _kind_and_status(tags)
    return b"\x30" + varint(kind) + encoded_status + b"".join(ATTRIBUTE + encoded for _, encoded in tags.values())


def parent_and_links(trace_id: bytes, parent_id: bytes, references: Sequence[Reference]) -> bytes:
    """What references say, as a span's fields, beside the parent that is known already."""
    if not references:
        return b"\x22\x08" + parent_id if parent_id else b""
    parent = parent_id or _parent(trace_id, references)
    return (b"\x22" + delimited(parent) if parent else b"") + b"".join(
        b"\x6a" + each for each in _links(parent, references)
    )


def _kind_and_status(tags: dict[str, Attribute]) -> tuple[int, bytes]:
    """What a span's tags say of its kind, and of its status, encoded; tags that say nothing else go."""
    kind = tags.pop("span.kind", None)
    number = 0 if kind is None else _KINDS.get(_text(kind[0]), 0)
    return number, b"" if _ABOUT_STATUS.isdisjoint(tags) else _status(tags, number)


def _parent(trace_id: bytes, references: Sequence[Reference]) -> bytes:
    """The span of the first reference to the same trace, where one to a parent goes first."""
    followed = b""
    for kind, other, span_id in references:
        if other == trace_id and kind == CHILD_OF:
            return _or_none(span_id)
        if other == trace_id and kind == FOLLOWS_FROM:
            followed = followed or span_id
    return _or_none(followed)


def _or_none(span_id: bytes) -> bytes:
    return b"" if span_id == _ZERO else span_id


def _links(parent_span_id: bytes, references: Iterable[Reference]) -> list[bytes]:
    """All references but that to the parent, and those that lack an id."""
    return [
        link(trace_id, span_id, [attribute("opentracing.ref_type", _REFERENCE_TYPES.get(kind, "follows_from"))])
        for kind, trace_id, span_id in references
        if trace_id and span_id and (kind != CHILD_OF or span_id != parent_span_id)
    ]


def _status(tags: dict[str, Attribute], kind: int) -> bytes:
    """The status that tags tell of; those that tell of nothing else go."""
    if "error" in tags and tags["error"][0] is True:
        del tags["error"]
        tags.pop("otel.status_code", None)
        return status(_ERROR, _taken(tags, "otel.status_description") or _said(tags, "http.status_message"))
    if "otel.status_code" in tags:
        code = _STATUSES.get(_taken(tags, "otel.status_code").upper(), 0)
        return status(code, _taken(tags, "otel.status_description"))
    if "http.status_code" in tags and _is_http_error(tags["http.status_code"][0], kind):
        return status(_ERROR, _said(tags, "http.status_message"))
    return b""


def _is_http_error(value: Value, kind: int) -> bool:
    """Whether a request failed; a 4xx is the client's fault and no error of the server."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    if 400 <= value < 500 and kind == _SERVER:
        return False
    return not 100 <= value < 400


def _taken(tags: dict[str, Attribute], key: str) -> str:
    return _text(tags.pop(key)[0]) if key in tags else ""


def _said(tags: dict[str, Attribute], key: str) -> str:
    return _text(tags[key][0]) if key in tags else ""


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
