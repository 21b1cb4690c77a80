"""Recognizes the format of a file of spans, and splits it into requests of a bounded size."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from spanlake.receivers.files.compression import ZSTD, Stream, decompressed
from spanlake.receivers.files.json_elements import Element, elements
from spanlake.receivers.translation import MalformedFile

MAX_RECORD_BYTES = 64 << 20
"""Size limit for a message, resource or trace, each of which is held in memory as a whole."""

_JOINED_BYTES = 1 << 20
"""Size in bytes up to which small resources and traces are joined."""
_LENGTH_BYTES = 4
_HEAD_BYTES = 256
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*+(?:\{\s*+(?:"[A-Za-z]|\})|\[\s*+[{\]])')
"""Start of a JSON document, longer than a bracket: behind a line break that may be the length of a message."""
_RESOURCE_SPANS = b"\x0a"  # the tag of TracesData's only field
_MOST_VARINT_BYTES = 10
_KNOWN = (
    "known are OTLP in protobuf and JSON, Jaeger's JSON and Tempo's JSON, as they are or compressed with gzip or zstd"
)


class Kind(StrEnum):
    """The format of a record."""

    OTLP = "OTLP protobuf"
    OTLP_JSON = "OTLP JSON"
    TEMPO_JSON = "Tempo JSON"
    JAEGER_JSON = "Jaeger JSON"
    ZIPKIN_JSON = "Zipkin JSON"


class Record(NamedTuple):
    """A request to store spans, in a format and as bytes."""

    kind: Kind
    body: bytes


def records(stream: Stream, most_bytes: int = MAX_RECORD_BYTES) -> Iterator[Record]:
    """Yield the records of a file; each is read on demand.

    A file is OTLP protobuf as the Collector's file exporter writes it (messages behind their lengths, each of which may
    be compressed on its own) or a single TracesData; or JSON: OTLP with a document on each line or a document of many
    lines, Jaeger's, Tempo's, or a list of Zipkin spans. Raises MalformedFile.
    """
    source = _Source(stream, most_bytes)
    head = source.peek(_HEAD_BYTES)
    if not head:
        return iter(())
    if _JSON.match(head):
        return _joined(_classified(elements(source.read_text, most_bytes)))
    if head.startswith(_RESOURCE_SPANS):
        return _joined(_resources(source))
    return _messages(source)


class _Part(NamedTuple):
    """An element of a request; or a whole request, for documents that may be damaged."""

    kind: Kind
    body: bytes
    is_request: bool = False


class _Source:
    """A stream with lookahead."""

    def __init__(self, stream: Stream, most_bytes: int) -> None:
        self.most_bytes = most_bytes  # of one message
        self._stream = stream
        self._ahead = b""
        self.position = 0

    def peek(self, size: int) -> bytes:
        while len(self._ahead) < size and (more := self._stream.read(1 << 16)):
            self._ahead += more
        return self._ahead[:size]

    def read_text(self, size: int) -> bytes:
        """Read at most ``size`` bytes of text, without a byte order mark."""
        if not self.position and self.peek(3) == b"\xef\xbb\xbf":
            self.take(3)
        return self._some(size)

    def take(self, size: int) -> bytes:
        """Read ``size`` bytes; fewer only at the end."""
        pieces, missing = [], size
        while missing and (piece := self._some(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _some(self, size: int) -> bytes:
        if self._ahead:
            taken, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            taken = self._stream.read(size)
        self.position += len(taken)
        return taken

    def message(self, size: int) -> bytes:
        """Read a message of ``size`` bytes. Raises MalformedFile when it is too large or cut short."""
        start = self.position
        if size > self.most_bytes:
            raise MalformedFile(
                f"at byte {start}: unknown format, or a message of {size} bytes (limit: {self.most_bytes}); {_KNOWN}"
            )
        message = self.take(size)
        if len(message) < size:
            raise MalformedFile(f"at byte {start}: the file ends within a message of {size} bytes: it is cut short")
        return message


def _messages(source: _Source) -> Iterator[Record]:
    """Yield messages behind their lengths: 4 bytes, big-endian."""
    while length := source.take(_LENGTH_BYTES):
        if len(length) < _LENGTH_BYTES:
            raise MalformedFile(f"at byte {source.position}: the file ends within a length: it is cut short")
        message = source.message(int.from_bytes(length))
        if message.startswith(ZSTD):
            message = decompressed(message, source.most_bytes)
        yield Record(Kind.OTLP_JSON if message.startswith(b"{") else Kind.OTLP, message)


def _resources(source: _Source) -> Iterator[_Part]:
    """Yield the fields of a single TracesData, each as a TracesData of its own."""
    while tag := source.take(1):
        if tag != _RESOURCE_SPANS:
            raise MalformedFile(f"at byte {source.position - 1}: this is not OTLP protobuf; {_KNOWN}")
        length = _varint(source)
        yield _Part(Kind.OTLP, tag + length + source.message(_decoded(length)))


def _varint(source: _Source) -> bytes:
    encoded = source.take(1)
    while encoded and encoded[-1] & 0x80 and len(encoded) < _MOST_VARINT_BYTES:
        encoded += source.take(1) or b"\0"
    return encoded or b"\0"


def _decoded(varint: bytes) -> int:
    return sum((byte & 0x7F) << 7 * number for number, byte in enumerate(varint))


def _classified(found: Iterator[Element]) -> Iterator[_Part]:
    for element in found:
        yield _Part(_kind(element), element.text, is_request=element.is_whole and bool(element.path))


def _kind(element: Element) -> Kind:
    if element.path == ("data",):
        return Kind.JAEGER_JSON
    if element.path == ("resourceSpans",):
        return Kind.OTLP_JSON
    if element.path:
        return Kind.TEMPO_JSON
    if b'"spans"' in element.text and b'"processes"' in element.text:
        return Kind.JAEGER_JSON
    if not element.is_whole and b'"traceId"' in element.text:
        return Kind.ZIPKIN_JSON
    raise MalformedFile(f"a JSON document that begins with {element.text[:60]!r} holds no spans; {_KNOWN}")


_AROUND = {
    Kind.OTLP: (b"", b"", b""),
    Kind.OTLP_JSON: (b'{"resourceSpans":[', b",", b"]}"),
    Kind.TEMPO_JSON: (b'{"batches":[', b",", b"]}"),
    Kind.JAEGER_JSON: (b'{"data":[', b",", b"]}"),
    Kind.ZIPKIN_JSON: (b"[", b",", b"]"),
}


def _joined(found: Iterator[_Part]) -> Iterator[Record]:
    """Join elements of one kind to requests."""
    kind, bodies, size = Kind.OTLP, list[bytes](), 0
    for part in found:
        if bodies and (part.is_request or part.kind is not kind or size + len(part.body) > _JOINED_BYTES):
            yield _request(kind, bodies)
            bodies, size = [], 0
        if part.is_request:
            yield Record(part.kind, part.body)
            continue
        kind = part.kind
        bodies.append(part.body)
        size += len(part.body)
    if bodies:
        yield _request(kind, bodies)


def _request(kind: Kind, bodies: list[bytes]) -> Record:
    before, between, after = _AROUND[kind]
    return Record(kind, before + between.join(bodies) + after)
