"""OTLP over gRPC: the Export method of the trace service, with its messages left as bytes."""

import asyncio
import logging
from collections.abc import AsyncIterator

import grpc
import grpc.aio

from spanlake.edge.errors import MissingMessage, Refusal, refusal
from spanlake.ingest.request import Receipt
from spanlake.ingest.service import Ingest
from spanlake.ingest.tenant import HEADER, tenant_named

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
PROTOCOL = "grpc"  # as metrics name it

Context = grpc.aio.ServicerContext[bytes, bytes]

_READERS = 8  # messages that are received at once, each up to the largest size

_log = logging.getLogger(__name__)


class OtlpGrpc:
    """The trace service for a grpc.aio server.

    Export is served as a method that takes a stream. On the wire a single message is the same, but this way the
    message is fetched when there is room for it, while flow control holds it back at the sender; for a unary method,
    grpc collects the messages of all calls first, whatever their number and size.
    """

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._readers = asyncio.Semaphore(_READERS)

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """What to add to the server."""
        export = grpc.stream_unary_rpc_method_handler(self._export)
        return grpc.method_handlers_generic_handler(SERVICE, {"Export": export})

    async def _export(self, _: AsyncIterator[bytes], context: Context) -> bytes:
        outcome = await self._outcome(context)
        if isinstance(outcome, Refusal):
            self._ingest.metrics.request(PROTOCOL, outcome.code.name)
            await context.abort(outcome.code, outcome.message, outcome.trailers)
        self._ingest.metrics.request(PROTOCOL, grpc.StatusCode.OK.name)
        return outcome.to_otlp()

    async def _outcome(self, context: Context) -> Receipt | Refusal:
        """What to answer, as a value: an error that is being handled when the call is aborted would live on in what
        abort raises, and keep the message in memory until the next garbage collection.
        """
        try:
            return await self._store(context)
        except Exception as error:  # noqa: BLE001, the client hears of it, and the log of what is not in the table
            told = refusal(error)
            if told.code is grpc.StatusCode.INTERNAL:
                _log.exception("a request failed")
            return told

    async def _store(self, context: Context) -> Receipt:
        tenant = tenant_named(_header(context))
        with self._ingest.admission.enter() as place:
            body = await self._message(context)
            place.grow(len(body))
            return await asyncio.wrap_future(self._ingest.submit(tenant, body))

    async def _message(self, context: Context) -> bytes:
        seconds = self._ingest.limits.body_seconds
        async with self._readers:
            try:
                async with asyncio.timeout(seconds):
                    message = await context.read()
            except TimeoutError:
                raise MissingMessage(f"the message did not arrive within {seconds:g} seconds") from None
        if not isinstance(message, bytes):
            raise MissingMessage("the call ended without a message")
        return message


def _header(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == HEADER:
            return value if isinstance(value, str) else value.decode("latin-1")
    return None
