"""Translation of Jaeger's spans to OTLP, in any encoding, as the OpenTelemetry Collector translates them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spanlake.receivers.otlp_rows import (
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
)
from spanlake.spans.otlp.encoded_columns import varint

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
"""Tag of an attribute in a span."""
WITH_A_MEANING = _ABOUT_STATUS | {"span.kind", "otel.status_description", "http.status_message"}
"""Tags that are evaluated together: the meaning of each depends on others."""
SPECIAL = WITH_A_MEANING | {"otel.scope.name", "otel.scope.version", "w3c.tracestate"}
"""Tags in WITH_A_MEANING, and the tags by which the Collector writes OTLP's fields that Jaeger lacks."""
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_REFERENCE_TYPES = {CHILD_OF: "child_of"}
_RENAMED = {
    "hostname": ("host.name", ""),
    "jaeger.version": ("opencensus.exporterversion", "Jaeger-"),
}


@dataclass(frozen=True, slots=True)
class SpanTags:
    """The parts of a span that follow from Jaeger's tags with a meaning."""

    fields: bytes
    """Encoded fields of the span."""
    scope: bytes

    @classmethod
    def read(cls, tags: dict[str, Attribute]) -> "SpanTags":
        """Read tags that may have a meaning, and take them out of ``tags``; the others become attributes."""
        in_scope = _scope(tags) if "otel.scope.name" in tags else b""
        state = tags.pop("w3c.tracestate", ("", b""))[0]
        trace_state = b"\x1a" + delimited(state.encode()) if isinstance(state, str) else b""
        return cls(trace_state + told_by(tags), in_scope)


def _scope(tags: dict[str, Attribute]) -> bytes:
    """Read the scope from its tags, and take these out of ``tags``."""
    name, version = (tags.pop(f"otel.scope.{part}", ("", b""))[0] for part in ("name", "version"))
    return scope(name if isinstance(name, str) else "", version if isinstance(version, str) else "")


def tag(key: str, value: Value) -> Tag:
    """Make a tag with this value."""
    return key, (value, attribute(key, value))


def process(service_name: str, tags: Iterable[Tag]) -> bytes:
    """Encode the resource of a process: of tags with one key the last counts, and any beats the service name."""
    attributes = dict(tags)
    if service_name:
        attributes = dict([tag("service.name", service_name)]) | attributes
    for old, (new, prefix) in _RENAMED.items():
        if old in attributes and new not in attributes:
            value = attributes.pop(old)[0]
            attributes.update([tag(new, f"{prefix}{_text(value)}" if prefix else value)])
    return resource([encoded for _, encoded in attributes.values()])


def log(time_ns: int, fields: Iterable[Tag]) -> bytes:
    """Encode the event of a log, behind its length; the field ``event`` is its name."""
    attributes = dict(fields)
    named = attributes.pop("event", None)
    name = "" if named is None else _text(named[0])
    return event(time_ns, name, [encoded for _, encoded in attributes.values()])


def told_by(tags: dict[str, Attribute]) -> bytes:
    """Encode a span's tags as fields of the span: kind, status, and all others as attributes."""
    kind, encoded_status = _kind_and_status(tags)
    return b"\x30" + varint(kind) + encoded_status + b"".join(ATTRIBUTE + encoded for _, encoded in tags.values())


def parent_and_links(trace_id: bytes, parent_id: bytes, references: Sequence[Reference]) -> bytes:
    """Encode references as fields of a span: the parent, given by ``parent_id`` if that is known already, and links."""
    if not references:
        return b"\x22\x08" + parent_id if parent_id else b""
    parent = parent_id or _parent(trace_id, references)
    return (b"\x22" + delimited(parent) if parent else b"") + b"".join(
        b"\x6a" + each for each in _links(parent, references)
    )


def _kind_and_status(tags: dict[str, Attribute]) -> tuple[int, bytes]:
    """Read kind and encoded status from a span's tags, and take out the tags that have no other meaning."""
    kind = tags.pop("span.kind", None)
    number = 0 if kind is None else _KINDS.get(_text(kind[0]), 0)
    return number, b"" if _ABOUT_STATUS.isdisjoint(tags) else _status(tags, number)


def _parent(trace_id: bytes, references: Sequence[Reference]) -> bytes:
    """Return the span of the first reference to the same trace; CHILD_OF takes precedence over FOLLOWS_FROM."""
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
    """Return the links: all references except the parent's, and except those that lack an id."""
    return [
        link(trace_id, span_id, [attribute("opentracing.ref_type", _REFERENCE_TYPES.get(kind, "follows_from"))])
        for kind, trace_id, span_id in references
        if trace_id and span_id and (kind != CHILD_OF or span_id != parent_span_id)
    ]


def _status(tags: dict[str, Attribute], kind: int) -> bytes:
    """Encode the status from tags, and take out the tags that have no other meaning."""
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
    """Return True for a failed request; a 4xx is the client's error, not the server's."""
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
