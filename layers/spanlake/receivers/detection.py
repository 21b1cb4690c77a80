"""Recognizes unreadable bodies by their first bytes, for the error message."""

import re
import zlib
from codecs import BOM_UTF8

from spanlake.spans.otlp.errors import MalformedRequest

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SNAPPY, _LZ4 = b"\xff\x06\x00\x00sNaPpY", b"\x04\x22\x4d\x18"
_JSON = re.compile(rb"\s*(?:\[\s*[\[\]{]|\{\s*[}\"])")
_MARKUP = re.compile(rb"\s*<[!?a-zA-Z]")
_PROTOBUF = 0x0A
"""First byte of every OTLP request and of every Zipkin list with spans: field 1, length-delimited."""
_THRIFT = 0x0C
"""First byte of a Jaeger batch, and of a list of Zipkin's version 1, in binary Thrift."""
_LOOKED_AT = 1 << 16  # bytes
_FRAME = 5  # bytes before a gRPC message: compression flag and length


class MismatchedBody(MalformedRequest):
    """A body that plainly differs from its headers."""

    def __init__(self, reason: str) -> None:
        ValueError.__init__(self, reason)
        self.index = 0
        self.reason = reason


def explained(error: MalformedRequest, body: bytes, media_type: str) -> MalformedRequest:
    """Return the error for an unreadable body: one that names the actual content if it is recognized."""
    found = description(body, media_type)
    return error if found is None else MismatchedBody(found)


def is_json(body: bytes) -> bool:
    """Return True if a body begins like a JSON object or list, after white space or a byte order mark."""
    start = len(BOM_UTF8) if body.startswith(BOM_UTF8) else 0
    return _JSON.match(body, start, _LOOKED_AT) is not None


def description(body: bytes, media_type: str) -> str | None:
    """Describe a body that differs from its media type, with advice; None where nothing is recognized.

    Only for bodies that could not be read: it inspects few bytes, and may be wrong about others.
    """
    if not body:
        return None
    if coding := _coding(body):
        return f"the body is compressed with {coding}: send it with Content-Encoding: {coding}"
    if _is_grpc(body):
        return "the body is a gRPC message with its prefix of 5 bytes: send it to the gRPC port, or without the prefix"
    if _MARKUP.match(body, 0, _LOOKED_AT):
        return "the body is HTML or XML"
    name, right_type = _serialization(body)
    if name is None or media_type.endswith(right_type.rpartition("/")[2].removeprefix("x-")):
        return None
    return f"the body seems to be {name}: send it with Content-Type: {right_type}"


def _serialization(body: bytes) -> tuple[str | None, str]:
    if is_json(body):
        return "JSON", "application/json"
    if body[0] == _PROTOBUF and not body.isascii():
        return "protobuf", "application/x-protobuf"
    if body[0] == _THRIFT:
        return "Thrift", "application/x-thrift"
    return None, ""


def _coding(body: bytes) -> str | None:
    if body.startswith(_GZIP):
        return "gzip"
    if body.startswith(_ZSTD):
        return "zstd"
    if body.startswith(_LZ4):
        return "lz4"
    if body.startswith(_SNAPPY):
        return "x-snappy-framed"
    return "zlib" if _is_zlib(body) else None


def _is_zlib(body: bytes) -> bool:
    """Return True if a little of the body decompresses, since its first two bytes alone often match by chance."""
    if body[0] != 0x78:  # a window of 32 KiB, which every compressor takes
        return False
    try:
        return bool(zlib.decompressobj().decompress(body[:1024], 64))
    except zlib.error:
        return False


def _is_grpc(body: bytes) -> bool:
    return len(body) >= _FRAME and body[0] in (0, 1) and int.from_bytes(body[1:_FRAME]) == len(body) - _FRAME
