"""Answers to calls of services that a gRPC port does not have: what is stored here, and where to send it."""

from collections.abc import AsyncIterator

import grpc
import grpc.aio

from spanlake.edge.methods import Context
from spanlake.ingest.misdirected import Notices, signal_of_service, signal_refusal


class OtherServices(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """A handler that refuses calls of services that the handlers before it do not have, where it has advice to give.

    The status is UNIMPLEMENTED, which OTLP's clients do not retry.
    """

    def __init__(self, notices: Notices, port: int, advice: str) -> None:
        """``advice`` lists the service on each port."""
        self._notices = notices
        self._port = port
        self._advice = advice

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Return a method that refuses every call; None for an unknown service."""
        service = str(details.method).strip("/").partition("/")[0]
        if signal := signal_of_service(service):
            return self._refusing(f"{signal} refused, only traces are stored", signal_refusal(signal))
        if ".trace." in service or service.startswith("jaeger."):
            return self._refusing("call refused, no such service on this port", self._advice)
        return None

    def _refusing(self, event: str, message: str) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def refuse(_: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            self._notices.note(self._port, event, reason=message)
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, message)
            yield b""

        return grpc.stream_stream_rpc_method_handler(refuse)
