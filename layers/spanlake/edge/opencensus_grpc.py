"""OpenCensus over gRPC: the streams Export and Config of the agent's trace service."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine

import grpc
import grpc.aio

from spanlake.edge.errors import Refusal, refusal
from spanlake.edge.unary import Context, tenant_of
from spanlake.ingest.request import Format
from spanlake.ingest.service import Ingest
from spanlake.receivers import opencensus

SERVICE = "opencensus.proto.agent.trace.v1.TraceService"
PROTOCOL = "opencensus"  # as metrics name it

_CUT_SECONDS = 0.05
_FORMAT = Format(PROTOCOL, opencensus.export_requests)

_log = logging.getLogger(__name__)


class OpenCensusGrpc:
    """The trace service for a grpc.aio server.

    A stream's requests are stored one after the other, so that flow control holds back a sender who is too fast; what
    can not be stored ends the stream with a status, and what was sent before it is stored. When a sender goes away,
    what has been read is stored all the same: the protocol answers nothing, so nobody would send it again.
    """

    def __init__(self, ingest: Ingest, port: int) -> None:
        self._ingest = ingest
        self._port = port
        self._storing: set[asyncio.Task[Refusal | None]] = set()

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """What to add to the server."""
        methods = {
            "Export": grpc.stream_stream_rpc_method_handler(self._export),
            "Config": grpc.stream_stream_rpc_method_handler(self._config),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def _export(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Take requests as long as they come. The protocol answers nothing."""
        stream = opencensus.Stream()
        async for body in requests:
            if refused := await self._outlasting(self._store(stream, body, context)):
                await context.abort(refused.code, refused.message, refused.trailers)
        await self._count_if_cut()
        return
        yield b""

    async def _count_if_cut(self) -> None:
        """Count a stream that did not end by itself, see ``Ending``: grpc cancels its task soon after its end."""
        try:
            await asyncio.sleep(_CUT_SECONDS)
        except asyncio.CancelledError:
            self._ingest.metrics.request(PROTOCOL, grpc.StatusCode.CANCELLED.name)
            raise

    async def _outlasting(self, storing: Coroutine[None, None, Refusal | None]) -> Refusal | None:
        """What comes of storing, which goes on to its end when the stream is cancelled."""
        task = asyncio.create_task(storing)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        return await asyncio.shield(task)

    async def _store(self, stream: opencensus.Stream, body: bytes, context: Context) -> Refusal | None:
        refused = await self._refusal(stream, body, context)
        self._ingest.metrics.request(PROTOCOL, (refused.code if refused else grpc.StatusCode.OK).name)
        return refused

    async def _refusal(self, stream: opencensus.Stream, body: bytes, context: Context) -> Refusal | None:
        """What to tell the client when a request can not be stored, as a value: see StoringMethod."""
        try:
            tenant = tenant_of(context)
            with self._ingest.admission.enter() as place:
                place.grow(len(body))
                request = stream.complete(body)
                receipt = await self._ingest.stored(tenant, request, _FORMAT)
        except Exception as error:  # noqa: BLE001, the client hears of it, and the log of what is not in the table
            told = refusal(error)
            if told.code is grpc.StatusCode.INTERNAL:
                _log.exception("a request failed")
            return told
        self._ingest.notices.note_rejected(self._port, receipt.explanation)
        return None

    async def _config(self, configs: AsyncIterator[bytes], _: Context) -> AsyncIterator[bytes]:
        """Keep the stream open, by which a library says what its configuration is; it is not told another one."""
        async for _config in configs:
            continue
        return
        yield b""
