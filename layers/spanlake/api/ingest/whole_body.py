"""The body of a request as it was before it was compressed."""

import asyncio
from concurrent.futures import Executor
from functools import partial

from starlette.datastructures import Headers
from starlette.types import Receive

from spanlake.api.ingest.bodies import BodyTooLarge, MalformedBody, decompress, decompressor, read_body
from spanlake.ingest.admission import Pass
from spanlake.ingest.service import Ingest


async def whole_body(headers: Headers, receive: Receive, place: Pass, ingest: Ingest, slow: Executor) -> bytes:
    """Read a body and decompress it, on a thread.

    Raises what read_body, decompressor and decompress raise, ArrivalTimeout and Draining.
    """
    coding = headers.get("content-encoding", "")
    undo = decompressor(coding)
    limit = ingest.limits.body_bytes
    if int(headers.get("content-length", "0")) > limit:
        raise BodyTooLarge(limit)
    async with ingest.deadline.within(ingest.limits.body_seconds):
        body = await read_body(receive, place, limit=limit)
    if undo is None:
        return body
    work = partial(decompress, body, undo, place, limit=limit)
    try:
        return await asyncio.get_running_loop().run_in_executor(slow, work)
    except MalformedBody as error:
        raise MalformedBody(f"{error} (Content-Encoding: {coding.strip().lower()})") from None
