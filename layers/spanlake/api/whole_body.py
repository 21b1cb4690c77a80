"""The body of a request as it was before it was compressed."""

import asyncio
from concurrent.futures import Executor
from functools import partial

from starlette.datastructures import Headers
from starlette.types import Receive

from spanlake.api.bodies import BodyTooLarge, decompress, inflater, read_body
from spanlake.config import IngestLimits
from spanlake.ingest.admission import Pass


async def whole_body(headers: Headers, receive: Receive, place: Pass, limits: IngestLimits, slow: Executor) -> bytes:
    """Read a body and decompress it, on a thread. Raises what read_body, inflater and decompress raise."""
    inflate = inflater(headers.get("content-encoding", ""))
    limit = limits.body_bytes
    if int(headers.get("content-length", "0")) > limit:
        raise BodyTooLarge(limit)
    body = await read_body(receive, place, limit=limit, seconds=limits.body_seconds)
    if inflate is None:
        return body
    work = partial(decompress, body, inflate, place, limit=limit)
    return await asyncio.get_running_loop().run_in_executor(slow, work)
