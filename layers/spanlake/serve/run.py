"""The life of a server process, from its settings to its end."""

import asyncio
import logging
import socket

import uvloop

from spanlake.config import Config
from spanlake.edge.otlp_grpc import OtlpGrpc
from spanlake.edge.server import GrpcServer
from spanlake.serve import faces
from spanlake.serve.compose import compose, open_store
from spanlake.serve.faces import Address, address, bind
from spanlake.serve.http import HttpServer
from spanlake.serve.lifecycle import Lifecycle, State, asked_to_stop

_log = logging.getLogger("spanlake")


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted.

    Raises InvalidSetting when it cannot listen where it should, and StoreError when the data directory is no use.
    """
    http = [address(face, config.listen, config.port_offset) for face in faces.HTTP]
    grpc = address(faces.OTLP_GRPC, config.listen, config.port_offset)
    sockets = [bind(where) for where in http]
    bind(grpc).close()  # grpc binds itself, but does not tell what is wrong
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(config, sockets, [*http, grpc], grpc.authority))


async def _run(config: Config, sockets: list[socket.socket], addresses: list[Address], grpc_authority: str) -> None:
    lifecycle = Lifecycle()
    stop = asyncio.create_task(asked_to_stop())
    store = await asyncio.to_thread(open_store, config.data)
    process = compose(config, store, lifecycle)
    process.commits.start()
    http = HttpServer(process.app, sockets, drain_seconds=config.drain_seconds)
    grpc = GrpcServer([OtlpGrpc(process.ingest).handler()], grpc_authority, max_message_bytes=config.ingest.body_bytes)
    await http.start()
    await grpc.start()
    lifecycle.state = State.READY
    for where in addresses:
        _log.info("listening", extra={"serves": where.face.serves, "url": where.url})
    _log.info("ready", extra={"data": str(config.data.resolve())})
    received = await stop
    lifecycle.state = State.DRAINING
    _log.info("shutting down", extra={"signal": received.name})
    await asyncio.gather(http.stop(), grpc.stop(config.drain_seconds))
    await asyncio.to_thread(process.commits.close)
    store.index.close()
    _log.info("stopped")
