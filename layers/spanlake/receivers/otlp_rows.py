"""Writes spans of any protocol as an ExportTraceServiceRequest: spans are stored as OTLP.

The encoding is written by hand, field by field, and every distinct attribute once: a library's messages would take
several times as long. Content of a length-delimited field is passed to these functions as the bytes of the message or,
where stated, as those bytes behind their length.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import Struct

from spanlake.spans.otlp.encoded_columns import varint

Value = str | bool | int | float | bytes
Attribute = tuple[Value, bytes]
"""A value, and the encoded attribute behind its length."""
Tag = tuple[str, Attribute]
"""Key, and the Attribute with this key."""

_LENGTHS = [bytes([length]) for length in range(128)]
_UINT64 = (1 << 64) - 1
_INT64 = range(-(1 << 63), 1 << 63)
_TIME = Struct("<cQ").pack
_TIMES = Struct("<cQcQ").pack
_DOUBLE = Struct("<cd").pack
LATEST_NS = (1 << 63) - 1
"""Latest time that can be stored, in the year 2262."""


def clamped(time_ns: int) -> int:
    """Limit a time to the range that can be stored: from 1970 to ``LATEST_NS``."""
    return min(max(time_ns, 0), LATEST_NS)


def delimited(payload: bytes) -> bytes:
    """Prefix a payload with its length."""
    length = len(payload)
    return (_LENGTHS[length] if length < 128 else varint(length)) + payload


def attribute(key: str, value: Value) -> bytes:
    """Encode a KeyValue, behind its length. An integer of more than 64 bits becomes text."""
    if type(value) is str:
        name, text = key.encode(), value.encode()
        length = len(name) + len(text) + 6
        if length < 128:  # so are all lengths in it
            return b"%c\x0a%c%b\x12%c\x0a%c%b" % (length, len(name), name, len(text) + 2, len(text), text)
    return delimited(b"\x0a" + delimited(key.encode()) + b"\x12" + delimited(_any_value(value)))


def _any_value(value: Value) -> bytes:
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int) and value in _INT64:
        return b"\x18" + varint(value)
    if isinstance(value, float):
        return _DOUBLE(b"\x21", value)
    if isinstance(value, bytes):
        return b"\x3a" + delimited(value)
    return b"\x0a" + delimited(str(value).encode())


SHORT = 256
"""Size in bytes up to which attributes are remembered from one request to the next."""
REMEMBERED = 8192
"""Number of attributes that are remembered."""


class StringAttributes(dict[tuple[str, str], bytes]):
    """Attributes with string values, each distinct one encoded when first looked up."""

    def __missing__(self, item: tuple[str, str]) -> bytes:
        """Encode and remember the attribute."""
        encoded = self[item] = attribute(*item)
        return encoded


def resource(attributes: Sequence[bytes]) -> bytes:
    """Encode a Resource with these attributes, which are behind their lengths."""
    return _repeated(b"\x0a", attributes)


def scope(name: str, version: str) -> bytes:
    """Encode an InstrumentationScope."""
    return _text(b"\x0a", name) + _text(b"\x12", version)


def event(time_ns: int, name: str, attributes: Sequence[bytes] = (), dropped: int = 0) -> bytes:
    """Encode a span's event, behind its length; attributes are behind theirs. The time is clamped."""
    time = _TIME(b"\x09", clamped(time_ns))
    return delimited(time + _text(b"\x12", name) + _repeated(b"\x1a", attributes) + _count(b"\x20", dropped))


def link(
    trace_id: bytes, span_id: bytes, attributes: Sequence[bytes] = (), trace_state: str = "", dropped: int = 0
) -> bytes:
    """Encode a span's link, behind its length; attributes are behind theirs."""
    ids = b"\x0a" + delimited(trace_id) + b"\x12" + delimited(span_id)
    rest = _text(b"\x1a", trace_state) + _repeated(b"\x22", attributes) + _count(b"\x28", dropped)
    return delimited(ids + rest)


@dataclass(slots=True)
class Span:
    """The fields of OTLP's Span; attributes, events and links are encoded, behind their lengths."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: int
    start_ns: int
    """Start; both times are clamped."""
    end_ns: int
    attributes: Sequence[bytes]
    events: Sequence[bytes] = ()
    links: Sequence[bytes] = ()
    status: bytes = b""
    """Status as ``status`` encodes it."""
    trace_state: str = ""
    dropped: tuple[int, int, int] = (0, 0, 0)
    """Numbers of attributes, events and links that were left out."""

    def encode(self) -> bytes:
        """Encode the message."""
        parent = b"\x22\x08" + self.parent_span_id if self.parent_span_id else b""
        return b"\x0a%c%b\x12%c%b%b\x2a%b\x30%b%b%b%b%b" % (
            len(self.trace_id),
            self.trace_id,
            len(self.span_id),
            self.span_id,
            parent,
            delimited(self.name.encode()),
            varint(self.kind),
            _TIMES(b"\x39", self.start_ns, b"\x41", self.end_ns),
            b"\x4a" + b"\x4a".join(self.attributes) if self.attributes else b"",
            self.status,
            self._rest() if self.events or self.links or self.trace_state or any(self.dropped) else b"",
        )

    def _rest(self) -> bytes:
        attributes, events, links = self.dropped
        return b"".join(
            (
                _repeated(b"\x5a", self.events),
                _repeated(b"\x6a", self.links),
                _text(b"\x1a", self.trace_state),
                _count(b"\x50", attributes),
                _count(b"\x60", events),
                _count(b"\x70", links),
            )
        )


def status(code: int, message: str) -> bytes:
    """Encode a span's Status, including the tag of the field."""
    return b"\x7a" + delimited(_text(b"\x12", message) + _count(b"\x18", code))


class Export:
    """A request that grows as spans are added to their resources and scopes."""

    def __init__(self) -> None:
        self._resources: dict[bytes, dict[bytes, list[bytes]]] = {}

    def add(self, resource: bytes, scope: bytes, span: bytes) -> None:
        """Add a span; all three are encoded messages."""
        self.extend(resource, scope, b"\x12" + delimited(span))

    def extend(self, resource: bytes, scope: bytes, spans: bytes) -> None:
        """Add spans that are encoded as fields of ScopeSpans."""
        scopes = self._resources.get(resource)
        if scopes is None:
            scopes = self._resources[resource] = {}
        found = scopes.get(scope)
        if found is None:
            found = scopes[scope] = []
        found.append(spans)

    def to_bytes(self) -> bytes:
        """Return the ExportTraceServiceRequest."""
        return b"".join(
            b"\x0a"
            + delimited(b"\x0a" + delimited(resource) + b"".join(map(_scope_spans, *zip(*scopes.items(), strict=True))))
            for resource, scopes in self._resources.items()
        )


def _scope_spans(scope: bytes, spans: list[bytes]) -> bytes:
    return b"\x12" + delimited(b"".join((b"\x0a", delimited(scope), *spans)))


def _repeated(tag: bytes, messages: Iterable[bytes]) -> bytes:
    """Encode fields with one tag, whose contents are behind their lengths."""
    return tag + tag.join(messages) if messages else b""


def _text(tag: bytes, text: str) -> bytes:
    return tag + delimited(text.encode()) if text else b""


def _count(tag: bytes, number: int) -> bytes:
    return tag + varint(number) if number else b""
