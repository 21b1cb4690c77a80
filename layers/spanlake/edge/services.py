"""The gRPC services of OTLP and Jaeger, and refusals for all others."""

from collections.abc import AsyncIterator

import grpc
import grpc.aio

from spanlake.auth.access import OPEN, Authenticator
from spanlake.edge.methods import Context, Method, UploadMethod
from spanlake.ingest.misdirected import MisdirectionLog, Notice, signal_of_service, signal_refusal
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.receivers.jaeger import protobuf

JAEGER_SERVICE = "jaeger.api_v2.CollectorService"
JAEGER_PROTOCOL = "jaeger-grpc"  # label of metrics

_FORMAT = Format(JAEGER_PROTOCOL, protobuf.post_spans)


def jaeger_grpc(ingest: Ingest, authenticator: Authenticator = OPEN) -> UploadMethod:
    """Make the collector service for a grpc.aio server."""

    def answer(receipt: Receipt) -> bytes:
        """Return PostSpansResponse, which cannot report rejected spans; raises NothingStored when all were rejected."""
        receipt.require_some()
        return b""

    return UploadMethod(ingest, Method(JAEGER_SERVICE, "PostSpans", JAEGER_PROTOCOL, _FORMAT, answer), authenticator)


OTLP_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
OTLP_PROTOCOL = "grpc"  # label of metrics


def otlp_grpc(ingest: Ingest, authenticator: Authenticator = OPEN) -> UploadMethod:
    """Make the trace service for a grpc.aio server."""
    return UploadMethod(ingest, Method(OTLP_SERVICE, "Export", OTLP_PROTOCOL, None, Receipt.to_otlp), authenticator)


class OtherServices(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """A handler that refuses calls of services that the handlers before it do not have, where it has advice to give.

    The status is UNIMPLEMENTED, which OTLP's clients do not retry.
    """

    def __init__(self, notices: MisdirectionLog, port: int, advice: str) -> None:
        """``advice`` lists the service on each port."""
        self._notices = notices
        self._port = port
        self._advice = advice

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Return a method that refuses every call; None for an unknown service."""
        service = str(details.method).strip("/").partition("/")[0]
        if signal := signal_of_service(service):
            return self._refusing(Notice.of_signal(signal), signal_refusal(signal))
        if ".trace." in service or service.startswith("jaeger."):
            return self._refusing(Notice.NO_SUCH_SERVICE, self._advice)
        return None

    def _refusing(self, event: Notice, message: str) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def refuse(_: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            self._notices.note(self._port, event, reason=message)
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, message)
            yield b""

        return grpc.stream_stream_rpc_method_handler(refuse)
