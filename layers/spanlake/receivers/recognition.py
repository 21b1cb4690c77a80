"""Recognition of bodies that could not be read, by their first bytes, for the message of the refusal."""

import re
import zlib
from codecs import BOM_UTF8

from spanlake.spans.decode import MalformedRequest

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SNAPPY, _LZ4 = b"\xff\x06\x00\x00sNaPpY", b"\x04\x22\x4d\x18"
_JSON = re.compile(rb"\s*(?:\[\s*[\[\]{]|\{\s*[}\"])")
_MARKUP = re.compile(rb"\s*<[!?a-zA-Z]")
_PROTOBUF = 0x0A
"""The first byte of every OTLP request and every list of Zipkin's that has spans: field 1, of a length that follows."""
_THRIFT = 0x0C
"""The first byte of a batch of Jaeger's, and of a list of Zipkin's version 1, in binary Thrift."""
_LOOKED_AT = 1 << 16  # bytes
_FRAME = 5  # bytes before a message of gRPC: whether it is compressed, and its length


class MismatchedBody(MalformedRequest):
    """A body that is plainly something else than its headers say."""

    def __init__(self, reason: str) -> None:
        ValueError.__init__(self, reason)
        self.index = 0
        self.reason = reason


def explained(error: MalformedRequest, body: bytes, media_type: str) -> MalformedRequest:
    """Return the error with which to refuse a body that could not be read: one that says what it is, if it is told."""
    found = description(body, media_type)
    return error if found is None else MismatchedBody(found)


def is_json(body: bytes) -> bool:
    """True where a body begins as an object or a list in JSON does, after white space or a byte order mark."""
    start = len(BOM_UTF8) if body.startswith(BOM_UTF8) else 0
    return _JSON.match(body, start, _LOOKED_AT) is not None


def description(body: bytes, media_type: str) -> str | None:
    """Names a body that differs from its media type, with advice; None where nothing is recognized.

    To be asked for bodies that could not be read: it looks at little of them, and may be wrong about others.
    """
    if not body:
        return None
    if coding := _coding(body):
        return f"the body is compressed with {coding}: send it with Content-Encoding: {coding}"
    if _is_grpc(body):
        return "the body is a gRPC message with its prefix of 5 bytes: send it to the port for gRPC, or without them"
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
    """True where a little of the body decompresses, since its two first bytes alone are often right by chance."""
    if body[0] != 0x78:  # a window of 32 KiB, which every compressor takes
        return False
    try:
        return bool(zlib.decompressobj().decompress(body[:1024], 64))
    except zlib.error:
        return False


def _is_grpc(body: bytes) -> bool:
    return len(body) >= _FRAME and body[0] in (0, 1) and int.from_bytes(body[1:_FRAME]) == len(body) - _FRAME
