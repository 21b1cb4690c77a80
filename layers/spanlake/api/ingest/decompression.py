"""Decompression of request bodies, in pieces, so that a limit of size holds before memory is taken.

The codings are those that the OpenTelemetry Collector's exporters offer (its ``confighttp``), beside ``x-gzip``.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Literal

import pyarrow as pa

from spanlake.spans.arrow import pieces

Decompress = Callable[[bytes, int], Iterator[bytes]]
"""Takes a body and the most bytes that are wanted; yields what the body holds in pieces of any size.

It stops, or raises OutputTooLarge, soon after there are more. Raises ValueError, OSError and zlib.error for a body that
is not what it should be.
"""

_STEP = 1 << 20  # bytes that are decompressed at a time, at most
_LEAST_STEP, _USUAL_RATIO = 4096, 16  # by which small bodies take less
_SNAPPY_CHUNK = 1 << 16
"""Bytes that a chunk of Snappy's framing format holds at most when decompressed."""
_SNAPPY_START = b"\xff\x06\x00\x00sNaPpY"
_CRC = 4  # bytes
_FEW_CHUNKS, _SMALLEST_CHUNK = 1024, 32
"""Bytes that chunks have on average, at the least, past the first: each takes its time, even an empty one."""
_COMPRESSED, _UNCOMPRESSED, _RESERVED = 0x00, 0x01, range(0x02, 0x80)


class OutputTooLarge(Exception):  # noqa: N818
    """The body says of itself that it holds more than is wanted."""


def _arrow(codec: Literal["gzip", "zstd", "lz4"], body: bytes, _: int) -> Iterator[bytes]:
    if not body:
        raise ValueError("the body is empty, which is not compressed data")
    with pa.CompressedInputStream(pa.BufferReader(body), codec) as stream:
        yield from pieces(stream, min(_STEP, _LEAST_STEP + _USUAL_RATIO * len(body)))


def _deflate(body: bytes, _: int) -> Iterator[bytes]:
    """Decompress the zlib format, which RFC 9110 calls deflate, and bare DEFLATE, which some clients send as that."""
    engine = zlib.decompressobj(zlib.MAX_WBITS if _is_zlib(body) else -zlib.MAX_WBITS)
    rest = body
    while rest and not engine.eof:
        yield engine.decompress(rest, _STEP)
        rest = engine.unconsumed_tail
    if not engine.eof or engine.unused_data:
        raise ValueError("the body is cut short, or goes on after its compressed data")


def _is_zlib(body: bytes) -> bool:
    """True where the body begins with the header of RFC 1950."""
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0


def _snappy(body: bytes, most: int) -> Iterator[bytes]:
    """Decompress either of Snappy's formats: the Collector wrote the framing format as ``snappy`` for years."""
    return _snappy_framed(body, most) if body.startswith(_SNAPPY_START) else _snappy_block(body, most)


def _snappy_block(body: bytes, most: int) -> Iterator[bytes]:
    """Decompress one block, which begins with its size when decompressed."""
    size = _varint(body)
    if size > most:
        raise OutputTooLarge
    yield pa.decompress(body, decompressed_size=size, codec="snappy", asbytes=True)


def _varint(body: bytes) -> int:
    value = 0
    for number, byte in enumerate(body[:5]):
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value
    raise ValueError("the body does not begin with a size, as blocks of Snappy do")


def _snappy_framed(body: bytes, _: int) -> Iterator[bytes]:
    """Decompress the chunks of Snappy's framing format.

    Their checksums are CRC-32C, which no library of ours computes. They are passed over.
    """
    if not body.startswith(_SNAPPY_START):
        raise ValueError("the body does not begin with Snappy's stream identifier")
    view, at, chunks = memoryview(body), 0, _FEW_CHUNKS + len(body) // _SMALLEST_CHUNK
    while at < len(view):
        if (chunks := chunks - 1) < 0:
            raise ValueError("most of its chunks are empty")
        end = at + 4 + int.from_bytes(view[at + 1 : at + 4], "little")
        if len(view) < at + 4 or end > len(view):
            raise ValueError("the body is cut short")
        yield _snappy_chunk(view[at], view[at + 4 : end])
        at = end


def _snappy_chunk(kind: int, chunk: memoryview) -> bytes:
    if kind == _COMPRESSED:
        return next(_snappy_block(bytes(chunk[_CRC:]), _SNAPPY_CHUNK))
    if kind == _UNCOMPRESSED:
        return bytes(chunk[_CRC:])
    if kind in _RESERVED:
        raise ValueError(f"the body has a chunk of the reserved type {kind:#04x}")
    return b""  # padding, a further stream identifier, or a type that is to be passed over


DECOMPRESSORS: Mapping[str, Decompress] = {
    "gzip": partial(_arrow, "gzip"),
    "x-gzip": partial(_arrow, "gzip"),
    "zstd": partial(_arrow, "zstd"),
    "deflate": _deflate,
    "zlib": _deflate,
    "snappy": _snappy,
    "x-snappy-framed": _snappy_framed,
    "lz4": partial(_arrow, "lz4"),
}
"""By Content-Encoding, in lower case."""
