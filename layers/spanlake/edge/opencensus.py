"""OpenCensus over gRPC: the streams Export and Config of the agent's trace service."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine

import grpc
import grpc.aio

from spanlake.auth.access import OPEN, AccessError, Authenticator
from spanlake.edge.errors import GrpcError, grpc_error
from spanlake.edge.messages import MOST_WAITING, WaitingCalls, decompressed
from spanlake.edge.methods import Context, tenant_of
from spanlake.ingest.errors import Overloaded
from spanlake.ingest.request import Format
from spanlake.ingest.service import Ingest
from spanlake.receivers.opencensus import translate
from spanlake.store.errors import InvalidTenant

SERVICE = "opencensus.proto.agent.trace.v1.TraceService"
PROTOCOL = "opencensus"  # label of metrics

_CUT_SECONDS = 0.05
_FORMAT = Format(PROTOCOL, translate.export_requests)

_log = logging.getLogger(__name__)


class OpenCensusGrpc:
    """The trace service for a grpc.aio server.

    A stream's requests are stored in sequence, so that flow control slows down a sender that is too fast. A request
    that cannot be stored ends the stream with a status; the requests before it are stored. When a sender disconnects,
    the requests that were read are stored all the same: the protocol has no acknowledgements, so that nobody would
    resend them.
    """

    def __init__(self, ingest: Ingest, authenticator: Authenticator = OPEN, most_waiting: int = MOST_WAITING) -> None:
        self._ingest = ingest
        self._authenticator = authenticator
        self._storing: set[asyncio.Task[GrpcError | None]] = set()
        self._idle = WaitingCalls(most_waiting)
        self._idle_configs = WaitingCalls(most_waiting)

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Return the handler to add to the server."""
        methods = {
            "Export": grpc.stream_stream_rpc_method_handler(self._export),
            "Config": grpc.stream_stream_rpc_method_handler(self._config),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def _export(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Store requests until the stream ends. The protocol has no answers."""
        if refused := self._no_permission(context):
            self._ingest.metrics.request(PROTOCOL, refused.code.name)
            await context.abort(refused.code, refused.message, refused.trailers)
        stream = translate.Stream()
        try:
            async for body in _messages(requests, self._idle):
                if refused := await self._outlasting(self._store(stream, body, context)):
                    break
        except Overloaded as error:
            refused = grpc_error(error)
            self._ingest.metrics.request(PROTOCOL, refused.code.name)
        if refused:
            await context.abort(refused.code, refused.message, refused.trailers)
        await self._count_if_cut()
        return
        yield b""

    async def _count_if_cut(self) -> None:
        """Count a stream that did not end by itself, see ``CallOutcome``: grpc cancels its task soon after its end."""
        try:
            await asyncio.sleep(_CUT_SECONDS)
        except asyncio.CancelledError:
            self._ingest.metrics.request(PROTOCOL, grpc.StatusCode.CANCELLED.name)
            raise

    async def _outlasting(self, storing: Coroutine[None, None, GrpcError | None]) -> GrpcError | None:
        """Return the result of storing, which runs to its end even if the stream is cancelled."""
        task = asyncio.create_task(storing)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        return await asyncio.shield(task)

    async def _store(self, stream: translate.Stream, body: bytes, context: Context) -> GrpcError | None:
        refused = await self._refusal(stream, body, context)
        self._ingest.metrics.request(PROTOCOL, (refused.code if refused else grpc.StatusCode.OK).name)
        return refused

    async def _refusal(self, stream: translate.Stream, body: bytes, context: Context) -> GrpcError | None:
        """Return the status for a request that cannot be stored, as a value: see UploadMethod."""
        try:
            tenant = tenant_of(context, self._authenticator)
            with self._ingest.admission.admit() as place:
                place.reserve(len(body))
                request = stream.complete(await decompressed(body, place, self._ingest.limits.body_bytes))
                await self._ingest.stored(tenant, request, _FORMAT)
        except Exception as error:  # noqa: BLE001, the client gets a status, the log any error that is not in the table
            await self._ingest.held.hold_back(error)
            told = grpc_error(error)
            if told.code is grpc.StatusCode.INTERNAL:
                _log.exception("request failed")
            return told
        return None

    async def _config(self, configs: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Keep the stream open on which a library reports its configuration; it is not sent another configuration."""
        if refused := self._no_permission(context):
            await context.abort(refused.code, refused.message, refused.trailers)
        try:
            async for _config in _messages(configs, self._idle_configs):
                continue
        except Overloaded as error:
            refused = grpc_error(error)
        if refused:
            await context.abort(refused.code, refused.message, refused.trailers)
        return
        yield b""

    def _no_permission(self, context: Context) -> GrpcError | None:
        try:
            tenant_of(context, self._authenticator)
        except (AccessError, InvalidTenant) as error:
            return grpc_error(error)
        return None


async def _messages(stream: AsyncIterator[bytes], idle: WaitingCalls) -> AsyncIterator[bytes]:
    """Yield the messages of a stream; raises Overloaded where it has waited longest of too many."""
    while True:
        try:
            async with idle.waiting():
                message = await anext(stream, None)
        except TimeoutError:
            raise Overloaded("too many streams wait for their next message") from None
        if message is None:
            return
        yield message
