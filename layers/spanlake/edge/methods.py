"""A gRPC method that stores its message, left as bytes, and answers when it is stored."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import grpc
import grpc.aio

from spanlake.auth.access import AUTHORIZATION, HEADER, OPEN, Authenticator, Role
from spanlake.edge.errors import GrpcError, MissingMessage, grpc_error
from spanlake.edge.messages import WaitingCalls, decompressed
from spanlake.ingest.errors import Overloaded
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.receivers.detection import explained
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.telemetry.interface import IngestMetrics

Context = grpc.aio.ServicerContext[bytes, bytes]

_PROTOBUF = "application/x-protobuf"  # media type that messages should have

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Method:
    """The properties in which methods differ."""

    service: str
    name: str
    protocol: str  # label of metrics
    format: Format | None  # of the message; None for OTLP
    answer: Callable[[Receipt], bytes]  # its exceptions become the client's status


class UploadMethod:
    """A gRPC method for a grpc.aio server.

    It is served as a method that takes a stream. On the wire a single message is the same, but in this way the wait for
    the message is ours, with its limits of time and number. A call that waits for its message takes nothing from
    others. What has come of the message is counted by the relay (see ``inflow``).
    """

    def __init__(self, ingest: Ingest, method: Method, authenticator: Authenticator = OPEN) -> None:
        self._ingest = ingest
        self._authenticator = authenticator
        self._method = method
        self._waiting = WaitingCalls()

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Return the handler to add to the server."""
        called = grpc.stream_unary_rpc_method_handler(self._called)
        return grpc.method_handlers_generic_handler(self._method.service, {self._method.name: called})

    async def _called(self, _: AsyncIterator[bytes], context: Context) -> bytes:
        with counted(self._ingest.metrics, self._method.protocol) as ending:
            outcome = await self._outcome(context)
            if isinstance(outcome, GrpcError):
                await _refuse(context, outcome, ending)
            ending.code = grpc.StatusCode.OK
            return outcome

    async def _outcome(self, context: Context) -> bytes | GrpcError:
        """Return the answer or the error's status, as values.

        An exception still handled during abort would be kept alive by abort's own exception, with the message, until
        the next garbage collection.
        """
        try:
            return self._method.answer(await self._store(context))
        except Exception as error:  # noqa: BLE001, the client gets a status, the log any error that is not in the table
            await self._ingest.held.hold_back(error)
            told = grpc_error(error)
            if told.code is grpc.StatusCode.INTERNAL:
                _log.exception("request failed")
            return told

    async def _store(self, context: Context) -> Receipt:
        tenant = tenant_of(context, self._authenticator)
        message = await self._message(context)
        with self._ingest.admission.admit() as place:
            place.reserve(len(message))
            body = await decompressed(message, place, self._ingest.limits.body_bytes)
            del message
            try:
                return await self._ingest.stored(tenant, body, self._method.format)
            except MalformedRequest as error:
                raise explained(error, body, _PROTOBUF) from None

    async def _message(self, context: Context) -> bytes:
        try:
            async with self._waiting.waiting(), self._ingest.deadline.within(self._ingest.limits.body_seconds):
                message = await context.read()
        except TimeoutError:
            raise Overloaded("too many calls wait for their message") from None
        if not isinstance(message, bytes):
            raise MissingMessage("the call ended without a message")
        return message


@dataclass(slots=True)
class CallOutcome:
    """Status code of a call that has ended.

    CANCELLED is the code of a call that ended before it was answered: its sender disconnected, or the message was too
    large, which grpc reports to the sender itself, and not to this process.
    """

    code: grpc.StatusCode = grpc.StatusCode.CANCELLED


@contextmanager
def counted(metrics: IngestMetrics, protocol: str) -> Iterator[CallOutcome]:
    """Count a request by the status with which its call ends."""
    ending = CallOutcome()
    try:
        yield ending
    finally:
        metrics.request(protocol, ending.code.name)


async def _refuse(context: Context, refusal_: GrpcError, ending: CallOutcome) -> NoReturn:
    """End a call with a status. abort raises an exception of grpc's own, which goes back to grpc unchanged."""
    try:
        await context.abort(refusal_.code, refusal_.message, refusal_.trailers)
    except grpc.aio.AbortError:  # the client got the status
        ending.code = refusal_.code
        raise


def tenant_of(context: Context, authenticator: Authenticator) -> str:
    """Return the tenant that a call may write to, by its metadata; raises AccessError and InvalidTenant."""
    values: dict[str, list[str]] = {HEADER: [], AUTHORIZATION: []}
    for key, value in context.invocation_metadata() or ():
        if key in values:
            values[key].append(value if isinstance(value, str) else value.decode("latin-1"))
    access = authenticator.access(values[AUTHORIZATION])
    access.require((Role.WRITE,))
    return access.one(values[HEADER])
