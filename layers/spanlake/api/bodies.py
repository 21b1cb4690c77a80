"""Request bodies of unknown senders: read and decompressed in steps, so that a limit holds before memory is taken."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from typing import Literal

import pyarrow as pa
from starlette.types import Receive

from spanlake.ingest.admission import Pass

_STEP = 1 << 20  # bytes that are decompressed at a time

Inflate = Callable[[bytes], Iterator[bytes]]


class BodyError(Exception):
    """Base of what can be wrong with a body before its content is looked at."""


class MalformedBody(BodyError):
    """The body is not what its headers say."""


class BodyTooLarge(BodyError):
    """The body, or what it inflates to, is larger than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the body is larger than {limit} bytes, or becomes so when it is decompressed: send fewer spans at a time"
        )


class BodyTimeout(BodyError):
    """The client took too long to send its body."""


class UnsupportedEncoding(BodyError):
    """The Content-Encoding is not one that is understood."""


class ClientGone(BodyError):
    """The client closed the connection before its body was complete, so nobody waits for an answer."""


async def read_body(receive: Receive, place: Pass, *, limit: int, seconds: float) -> bytes:
    """Read a whole body, as sent, of at most ``limit`` bytes.

    Raises BodyTooLarge, BodyTimeout, ClientGone, and Overloaded when the place can not grow to hold it.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _collect(receive, place, limit)
    except TimeoutError:
        raise BodyTimeout(f"the body did not arrive within {seconds:g} seconds") from None


async def _collect(receive: Receive, place: Pass, limit: int) -> bytes:
    body = BytesIO()  # unlike a list of chunks, it has the whole without a copy
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        if body.tell() + len(chunk) > limit:
            raise BodyTooLarge(limit)
        place.grow(len(chunk))
        body.write(chunk)
        if not message.get("more_body", False):
            return body.getvalue()


def inflater(encoding: str) -> Inflate | None:
    """What undoes this Content-Encoding, or None when there is nothing to undo; raises UnsupportedEncoding."""
    coding = encoding.strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding not in _INFLATERS:
        raise UnsupportedEncoding(f"Content-Encoding {encoding[:40]!r} is not supported: use gzip, deflate or zstd")
    return _INFLATERS[coding]


def decompress(body: bytes, inflate: Inflate, place: Pass, *, limit: int) -> bytes:
    """Decompress a body to at most ``limit`` bytes; slow, so it belongs in a thread.

    Raises MalformedBody, BodyTooLarge, and Overloaded when the place can not grow to hold the result.
    """
    inflated = BytesIO()
    try:
        for piece in inflate(body):
            if inflated.tell() + len(piece) > limit:
                raise BodyTooLarge(limit)
            place.grow(len(piece))
            inflated.write(piece)
    except (OSError, zlib.error) as error:
        raise MalformedBody(f"the body does not decompress: {error}") from None
    place.shrink(len(body))
    return inflated.getvalue()


def _arrow(codec: Literal["gzip", "zstd"], body: bytes) -> Iterator[bytes]:
    if not body:
        raise MalformedBody("the body is empty, which is not compressed data")
    with pa.CompressedInputStream(pa.BufferReader(body), codec) as stream:
        while piece := stream.read(_STEP):
            yield piece


def _deflate(body: bytes) -> Iterator[bytes]:
    """Both of what is called deflate: the zlib format of RFC 9110, and bare DEFLATE, which some clients send."""
    engine = zlib.decompressobj(zlib.MAX_WBITS if _is_zlib(body) else -zlib.MAX_WBITS)
    rest = body
    while rest and not engine.eof:
        yield engine.decompress(rest, _STEP)
        rest = engine.unconsumed_tail
    if not engine.eof or engine.unused_data:
        raise MalformedBody("the body is cut short, or goes on after its compressed data")


def _is_zlib(body: bytes) -> bool:
    """Whether it begins with the header of RFC 1950."""
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0


_INFLATERS: Mapping[str, Inflate] = {
    "gzip": partial(_arrow, "gzip"),
    "x-gzip": partial(_arrow, "gzip"),
    "deflate": _deflate,
    "zstd": partial(_arrow, "zstd"),
}
