"""Request bodies, read and decompressed within limits."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from functools import partial
from io import BytesIO

from starlette.datastructures import Headers
from starlette.types import Receive

from spanlake.api.ingest.decompression import DECOMPRESSORS, Decompress, OutputTooLarge
from spanlake.api.ingest.errors import BodyTooLarge, ClientGone, MalformedBody, UnsupportedEncoding
from spanlake.ingest.admission import Arrival, Reservation
from spanlake.ingest.errors import Overloaded
from spanlake.ingest.service import Ingest


async def read_body(receive: Receive, place: Reservation, *, limit: int) -> bytes:
    """Read a whole body, as sent, of at most ``limit`` bytes.

    Raises BodyTooLarge, ClientGone, and Overloaded when the place can not grow to hold it.
    """
    body = BytesIO()  # unlike a list of chunks, it has the whole without a copy
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        if body.tell() + len(chunk) > limit:
            raise BodyTooLarge(limit)
        place.reserve(len(chunk))
        body.write(chunk)
        if not message.get("more_body", False):
            return body.getvalue()


def decompressor(encoding: str) -> Decompress | None:
    """Return what undoes this Content-Encoding, None when there is nothing to undo; raises UnsupportedEncoding."""
    coding = encoding.strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding not in DECOMPRESSORS:
        known = ", ".join(sorted(DECOMPRESSORS))
        raise UnsupportedEncoding(f"Content-Encoding {encoding[:40]!r} is not supported: use one of {known}")
    return DECOMPRESSORS[coding]


def decompress(body: bytes, work: Decompress, place: Reservation, *, limit: int) -> bytes:
    """Decompress a body to at most ``limit`` bytes; slow, so it belongs in a thread.

    Raises MalformedBody, BodyTooLarge, and Overloaded when the place can not grow to hold the result.
    """
    inflated = BytesIO()
    try:
        for piece in work(body, limit):
            if inflated.tell() + len(piece) > limit:
                raise BodyTooLarge(limit)
            place.reserve(len(piece))
            inflated.write(piece)
    except OutputTooLarge:
        raise BodyTooLarge(limit) from None
    except (OSError, ValueError, zlib.error) as error:
        raise MalformedBody(f"the body does not decompress: {error}") from None
    place.shrink(len(body))
    return inflated.getvalue()


@asynccontextmanager
async def admitted_body(headers: Headers, receive: Receive, ingest: Ingest, slow: Executor) -> AsyncIterator[bytes]:
    """Read a body and decompress it, on a thread; the body holds its place and its bytes until the block ends.

    A body that is still arriving holds only the bytes that came. Raises what read_body, decompressor and decompress
    raise, Overloaded, ArrivalTimeout and Draining.
    """
    coding = headers.get("content-encoding", "")
    undo = decompressor(coding)
    limit = ingest.limits.body_bytes
    if int(headers.get("content-length", "0")) > limit:
        raise BodyTooLarge(limit)
    given_up = asyncio.timeout(None)
    with ingest.admission.arrive(partial(_give_up, asyncio.get_running_loop(), given_up)) as place:
        body = await _arrived(receive, place, ingest, given_up)
        if undo is not None:
            body = await _decompressed(body, undo, place, slow, ingest, coding)
        yield body


async def _arrived(receive: Receive, place: Arrival, ingest: Ingest, given_up: asyncio.Timeout) -> bytes:
    try:
        async with given_up, ingest.deadline.within(ingest.limits.body_seconds):
            body = await read_body(receive, place, limit=ingest.limits.body_bytes)
    except TimeoutError:
        raise Overloaded("the request arrived too slowly while others needed its memory") from None
    place.complete()
    return body


async def _decompressed(
    body: bytes, undo: Decompress, place: Arrival, slow: Executor, ingest: Ingest, coding: str
) -> bytes:
    work = partial(decompress, body, undo, place, limit=ingest.limits.body_bytes)
    try:
        return await asyncio.get_running_loop().run_in_executor(slow, work)
    except MalformedBody as error:
        raise MalformedBody(f"{error} (Content-Encoding: {coding.strip().lower()})") from None


def _give_up(loop: asyncio.AbstractEventLoop, reading: asyncio.Timeout) -> None:
    """End the reading of a body; called from any thread."""

    def expire() -> None:
        with suppress(RuntimeError):  # it has ended already
            reading.reschedule(loop.time())

    loop.call_soon_threadsafe(expire)
