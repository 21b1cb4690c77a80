"""The gRPC and UDP listeners of a process, which start and stop together."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spanlake.auth.access import Authenticator
from spanlake.edge import udp
from spanlake.edge.connections import ConnectionLimit
from spanlake.edge.methods import UploadMethod
from spanlake.edge.opencensus import OpenCensusGrpc
from spanlake.edge.proxy import GrpcProxy, ProxyServer
from spanlake.edge.server import GrpcServer
from spanlake.edge.services import OtherServices, jaeger_grpc, otlp_grpc
from spanlake.edge.udp import UdpReceiver
from spanlake.ingest.service import Ingest
from spanlake.server import ports
from spanlake.server.access import AccessControl, udp_tenant
from spanlake.server.ports import Address, Port, of_scheme, ports_advice
from spanlake.settings.model import Config
from spanlake.store.tenant import DEFAULT_TENANT

_DATAGRAMS = {ports.JAEGER_COMPACT: udp.COMPACT, ports.JAEGER_BINARY: udp.BINARY}
_SERVICES: Mapping[Port, Callable[[Ingest, Authenticator], UploadMethod | OpenCensusGrpc]] = {
    ports.OTLP_GRPC: otlp_grpc,
    ports.JAEGER_GRPC: jaeger_grpc,
    ports.OPENCENSUS_GRPC: OpenCensusGrpc,
}


@dataclass(frozen=True, slots=True)
class Receivers:
    """The destination and the permissions that the listeners of a process have in common."""

    ingest: Ingest
    authenticator: Authenticator
    udp_tenant: str | None  # of datagrams; None where there are no UDP sockets
    tls: ssl.SSLContext | None = None  # of the gRPC ports


class Listeners:
    """gRPC servers on these sockets, which listen already, and receivers for these UDP sockets."""

    def __init__(
        self,
        receivers: Receivers,
        grpc: Mapping[Address, socket.socket],
        datagrams: Mapping[Port, socket.socket],
        *,
        http: Sequence[Address] = (),
        places: ConnectionLimit | None = None,
        connection_seconds: float | None = None,
    ) -> None:
        """``http`` is the advice for clients that send HTTP to a gRPC port; ``places`` are shared with other ports.

        After ``connection_seconds`` gRPC clients are told to connect anew.
        """
        advice = ports_advice((*grpc, *http))
        limit = places or ConnectionLimit.of_process()
        self._servers = [
            _Listener(receivers, where, listener, advice, limit, connection_seconds) for where, listener in grpc.items()
        ]
        self._readers = [
            UdpReceiver(receivers.ingest, _DATAGRAMS[port], listener, receivers.udp_tenant or DEFAULT_TENANT)
            for port, listener in datagrams.items()
        ]

    async def start(self) -> None:
        """Take requests; raises OSError when a server cannot start."""
        for server in self._servers:
            await server.start()
        for reader in self._readers:
            reader.start()

    def dropped(self) -> Mapping[str, int]:
        """Return the number of datagrams that the kernel has dropped, by protocol."""
        return {reader.protocol: reader.dropped() for reader in self._readers}

    async def stop(self, seconds: float) -> None:
        """Take no more requests, and wait at most ``seconds`` for the calls in progress."""
        for reader in self._readers:
            reader.stop()
        await asyncio.gather(*(server.stop(seconds) for server in self._servers))


def open_listeners(
    config: Config,
    ingest: Ingest,
    access: AccessControl,
    sockets: Mapping[Address, socket.socket],
    *,
    places: ConnectionLimit | None = None,
    connection_seconds: float | None = None,
) -> Listeners:
    """Make the listeners of a process on those of its sockets that are for gRPC and UDP."""
    tls = access.tls.grpc if access.tls else None
    return Listeners(
        Receivers(ingest, access.authenticator, udp_tenant(config.access), tls),
        of_scheme(sockets, "grpc"),
        {where.protocol: listener for where, listener in of_scheme(sockets, "udp").items()},
        http=[where for where in sockets if where.protocol in (*ports.SPANS_OVER_HTTP, ports.QUERIES)],
        places=places,
        connection_seconds=connection_seconds,
    )


class _Listener:
    """A gRPC server, and the relay that inspects connections before it."""

    def __init__(
        self,
        receivers: Receivers,
        where: Address,
        listener: socket.socket,
        advice: str,
        places: ConnectionLimit,
        connection_seconds: float | None,
    ) -> None:
        ingest = receivers.ingest
        self._socket = listener
        self._front = ProxyServer(
            GrpcProxy(where.port, advice, ingest.notices, ingest.admission.arrive, places), receivers.tls
        )
        service = _SERVICES[where.protocol](ingest, receivers.authenticator)
        handlers = [service.handler(), OtherServices(ingest.notices, where.port, advice)]
        self._server = GrpcServer(
            handlers,
            self._front.address,
            max_message_bytes=ingest.limits.body_bytes,
            connection_seconds=connection_seconds,
        )

    async def start(self) -> None:
        """Take calls; raises OSError when the server cannot start."""
        await self._server.start()
        await self._front.start(self._socket)

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and wait at most ``seconds`` for the calls in progress."""
        self._front.stop_listening()
        await self._server.stop(seconds)
        self._front.close()
