"""The life of a server process, from opening the storage to closing it."""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from spanlake.config import Config
from spanlake.edge import udp
from spanlake.edge.jaeger_grpc import jaeger_grpc
from spanlake.edge.opencensus_grpc import OpenCensusGrpc
from spanlake.edge.otlp_grpc import otlp_grpc
from spanlake.edge.server import GrpcServer
from spanlake.edge.udp import UdpReceiver
from spanlake.edge.unary import StoringMethod
from spanlake.ingest.service import Ingest
from spanlake.serve import faces
from spanlake.serve.compose import compose, open_store
from spanlake.serve.faces import Address, Face
from spanlake.serve.http import HttpServer
from spanlake.serve.lifecycle import Lifecycle, State, asked_to_stop

_log = logging.getLogger("spanlake")


async def serve(config: Config, sockets: Mapping[Address, socket.socket], grpc_addresses: Sequence[Address]) -> None:
    """Serve on these sockets and addresses until asked to stop, then finish what was accepted; raises StoreError."""
    lifecycle = Lifecycle()
    stop = asyncio.create_task(asked_to_stop())
    store = await asyncio.to_thread(open_store, config)
    process = compose(config, store, lifecycle)
    streams = [listener for listener in sockets.values() if listener.type == socket.SOCK_STREAM]
    http = HttpServer(process.app, streams, drain_seconds=config.drain_seconds)
    grpc = [_grpc_server(process.ingest, where, config.ingest.body_bytes) for where in grpc_addresses]
    agents = [
        UdpReceiver(process.ingest, _DATAGRAMS[where.face], listener)
        for where, listener in sockets.items()
        if where.face in _DATAGRAMS
    ]
    process.commits.start()
    await http.start()
    for server in grpc:
        await server.start()
    for receiver in agents:
        receiver.start()
    process.upkeep.start()
    gc.freeze()  # what was loaded stays: looking for garbage in it takes 30 ms, now and then in the midst of a query
    lifecycle.state = State.READY
    _say_where([*sockets, *grpc_addresses])
    _log.info("ready", extra={"data": str(config.data.resolve())})
    asked = await stop
    lifecycle.state = State.DRAINING
    _log.info("shutting down", extra={"signal": asked.name})
    for receiver in agents:
        receiver.stop()
    await asyncio.gather(http.stop(), *(server.stop(config.drain_seconds) for server in grpc))
    await asyncio.to_thread(process.commits.close)
    await asyncio.to_thread(process.upkeep.close)
    store.index.close()
    _log.info("stopped")


_DATAGRAMS = {faces.JAEGER_COMPACT: udp.COMPACT, faces.JAEGER_BINARY: udp.BINARY}
_SERVICES: Mapping[Face, Callable[[Ingest], StoringMethod | OpenCensusGrpc]] = {
    faces.OTLP_GRPC: otlp_grpc,
    faces.JAEGER_GRPC: jaeger_grpc,
    faces.OPENCENSUS_GRPC: OpenCensusGrpc,
}


def _grpc_server(ingest: Ingest, where: Address, max_message_bytes: int) -> GrpcServer:
    service = _SERVICES[where.face](ingest)
    return GrpcServer([service.handler()], where.authority, max_message_bytes=max_message_bytes)


def _say_where(addresses: Iterable[Address]) -> None:
    for where in addresses:
        _log.info("listening", extra={"serves": where.face.serves, "url": where.url})
