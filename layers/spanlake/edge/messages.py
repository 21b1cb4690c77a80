"""Messages of calls: the wait for them, and their decompression within limits."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spanlake.edge.errors import MessageTooLarge
from spanlake.ingest.admission import Reservation
from spanlake.spans.otlp.errors import MalformedRequest

MOST_WAITING = 1024  # calls whose message is not there; beyond, the longest waiting call is given up
_STEP = 1 << 20  # bytes that are decompressed at a time; the first of them in the event loop
_GZIP = b"\x1f\x8b"
_ANY_HEADER = zlib.MAX_WBITS | 32  # gzip, or zlib, which gRPC calls deflate


class WaitingCalls:
    """The calls of a server whose message has not arrived, the longest waiting first."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: dict[asyncio.Timeout, None] = {}

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Wait for a message in this block; raises TimeoutError when too many others wait, and this call longest."""
        async with asyncio.timeout(None) as given_up:
            self._waiting[given_up] = None
            if len(self._waiting) > self._most:
                oldest = next(iter(self._waiting))
                del self._waiting[oldest]
                oldest.reschedule(asyncio.get_running_loop().time())
            try:
                yield
            finally:
                self._waiting.pop(given_up, None)


def is_compressed(message: bytes) -> bool:
    """Return True for gzip and zlib: no message of the services begins with the same bytes."""
    return message.startswith(_GZIP) or (
        len(message) > 1 and message[0] & 0x0F == zlib.DEFLATED and int.from_bytes(message[:2]) % 31 == 0
    )


async def decompressed(message: bytes, place: Reservation, limit: int) -> bytes:
    """Return a message, decompressed if it is compressed; its size is reserved already, and what it becomes is.

    Raises MalformedRequest, MessageTooLarge and Overloaded.
    """
    if not is_compressed(message):
        return message
    engine = zlib.decompressobj(_ANY_HEADER)
    pieces = [_piece(engine, message, place)]
    size = len(pieces[0])
    while engine.unconsumed_tail:
        pieces.append(await asyncio.to_thread(_piece, engine, engine.unconsumed_tail, place))
        size += len(pieces[-1])
        if size > limit:
            raise MessageTooLarge(f"the message is larger than {limit} bytes: send fewer spans at a time")
    if not engine.eof:
        raise MalformedRequest("its compressed data is cut short")
    place.shrink(len(message))
    return b"".join(pieces)


def _piece(engine: "zlib._Decompress", data: bytes, place: Reservation) -> bytes:
    try:
        piece = engine.decompress(data, _STEP)
    except zlib.error as error:
        raise MalformedRequest(f"its compressed data cannot be read: {error}") from None
    place.reserve(len(piece))
    return piece
