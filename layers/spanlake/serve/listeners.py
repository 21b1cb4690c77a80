"""The gRPC and UDP faces of a process, which begin and end together."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence

from spanlake.edge import udp
from spanlake.edge.jaeger_grpc import jaeger_grpc
from spanlake.edge.misdirected import OtherServices
from spanlake.edge.opencensus_grpc import OpenCensusGrpc
from spanlake.edge.otlp_grpc import otlp_grpc
from spanlake.edge.server import GrpcServer
from spanlake.edge.udp import UdpReceiver
from spanlake.edge.unary import StoringMethod
from spanlake.ingest.service import Ingest
from spanlake.serve import faces
from spanlake.serve.faces import Address, Face, ports_advice

_DATAGRAMS = {faces.JAEGER_COMPACT: udp.COMPACT, faces.JAEGER_BINARY: udp.BINARY}
_SERVICES: Mapping[Face, Callable[[Ingest, int], StoringMethod | OpenCensusGrpc]] = {
    faces.OTLP_GRPC: lambda ingest, _: otlp_grpc(ingest),
    faces.JAEGER_GRPC: jaeger_grpc,
    faces.OPENCENSUS_GRPC: OpenCensusGrpc,
}


class Listeners:
    """gRPC servers on these addresses, and readers of these sockets for datagrams.

    Shared, other processes of the same user may listen on the same addresses, and each gets a part of the connections.
    """

    def __init__(
        self,
        ingest: Ingest,
        grpc: Sequence[Address],
        datagrams: Mapping[Face, socket.socket],
        *,
        shared: bool = False,
    ) -> None:
        advice = ports_advice(grpc)
        self._servers = [_server(ingest, where, advice, shared=shared) for where in grpc]
        self._readers = [UdpReceiver(ingest, _DATAGRAMS[face], listener) for face, listener in datagrams.items()]

    async def start(self) -> None:
        """Take requests; raises OSError when an address can not be had."""
        for server in self._servers:
            await server.start()
        for reader in self._readers:
            reader.start()

    def dropped(self) -> Mapping[str, int]:
        """Datagrams that the kernel has dropped, by protocol."""
        return {reader.protocol: reader.dropped() for reader in self._readers}

    async def stop(self, seconds: float) -> None:
        """Take nothing more, and wait at most this long for the calls under way."""
        for reader in self._readers:
            reader.stop()
        await asyncio.gather(*(server.stop(seconds) for server in self._servers))


def _server(ingest: Ingest, where: Address, advice: str, *, shared: bool) -> GrpcServer:
    service = _SERVICES[where.face](ingest, where.port)
    others = OtherServices(ingest.notices, where.port, advice)
    handlers = [service.handler(), others]
    return GrpcServer(handlers, where.authority, max_message_bytes=ingest.limits.body_bytes, shared=shared)
