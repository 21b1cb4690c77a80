"""A method of a gRPC service that stores its message, left as bytes, and answers when it is stored."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import grpc
import grpc.aio

from spanlake.edge.errors import MissingMessage, Refusal, refusal
from spanlake.ingest.metrics import IngestMetrics
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.ingest.tenant import HEADER, tenant_named
from spanlake.receivers.recognition import explained
from spanlake.spans.decode import MalformedRequest

Context = grpc.aio.ServicerContext[bytes, bytes]

_PROTOBUF = "application/x-protobuf"  # what messages should be
_READERS = 8  # messages that are received at once, each up to the largest size

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Method:
    """What tells one method from another."""

    service: str
    name: str
    protocol: str  # as metrics name it
    format: Format | None  # of the message; None for OTLP
    answer: Callable[[Receipt], bytes]  # may raise what is told to the client


class StoringMethod:
    """The method for a grpc.aio server.

    It is served as a method that takes a stream. On the wire a single message is the same, but this way the
    message is fetched when there is room for it, while flow control holds it back at the sender; for a unary method,
    grpc collects the messages of all calls first, whatever their number and size.
    """

    def __init__(self, ingest: Ingest, method: Method) -> None:
        self._ingest = ingest
        self._method = method
        self._readers = asyncio.Semaphore(_READERS)

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """What to add to the server."""
        called = grpc.stream_unary_rpc_method_handler(self._called)
        return grpc.method_handlers_generic_handler(self._method.service, {self._method.name: called})

    async def _called(self, _: AsyncIterator[bytes], context: Context) -> bytes:
        with counted(self._ingest.metrics, self._method.protocol) as ending:
            outcome = await self._outcome(context)
            if isinstance(outcome, Refusal):
                await _refuse(context, outcome, ending)
            ending.code = grpc.StatusCode.OK
            return outcome

    async def _outcome(self, context: Context) -> bytes | Refusal:
        """What to answer, as a value: an error that is being handled when the call is aborted would live on in what
        abort raises, and keep the message in memory until the next garbage collection.
        """
        try:
            return self._method.answer(await self._store(context))
        except Exception as error:  # noqa: BLE001, the client hears of it, and the log of what is not in the table
            told = refusal(error)
            if told.code is grpc.StatusCode.INTERNAL:
                _log.exception("a request failed")
            return told

    async def _store(self, context: Context) -> Receipt:
        tenant = tenant_of(context)
        with self._ingest.admission.enter() as place:
            body = await self._message(context)
            place.grow(len(body))
            try:
                return await self._ingest.stored(tenant, body, self._method.format)
            except MalformedRequest as error:
                raise explained(error, body, _PROTOBUF) from None

    async def _message(self, context: Context) -> bytes:
        async with self._readers, self._ingest.deadline.within(self._ingest.limits.body_seconds):
            message = await context.read()
        if not isinstance(message, bytes):
            raise MissingMessage("the call ended without a message")
        return message


@dataclass(slots=True)
class Ending:
    """How a call has ended, once that is known.

    CANCELLED is one that was over before it was answered: its sender went away, or the message was larger than allowed,
    which grpc tells the sender itself, and nobody here.
    """

    code: grpc.StatusCode = grpc.StatusCode.CANCELLED


@contextmanager
def counted(metrics: IngestMetrics, protocol: str) -> Iterator[Ending]:
    """Count a request by how its call ended."""
    ending = Ending()
    try:
        yield ending
    finally:
        metrics.request(protocol, ending.code.name)


async def _refuse(context: Context, refusal_: Refusal, ending: Ending) -> NoReturn:
    """End a call with a status. What abort raises is grpc's own, and goes back to it as it is."""
    try:
        await context.abort(refusal_.code, refusal_.message, refusal_.trailers)
    except grpc.aio.AbortError:  # it could still be told
        ending.code = refusal_.code
        raise


def tenant_of(context: Context) -> str:
    """The tenant that the call's metadata name; raises InvalidTenant."""
    for key, value in context.invocation_metadata() or ():
        if key == HEADER:
            return tenant_named(value if isinstance(value, str) else value.decode("latin-1"))
    return tenant_named(None)
