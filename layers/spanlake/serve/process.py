"""The life of a server process, from opening the storage to closing it."""

import asyncio
import gc
import logging
import socket
from collections.abc import Iterable, Mapping

from spanlake.config import Config
from spanlake.edge.otlp_grpc import OtlpGrpc
from spanlake.edge.server import GrpcServer
from spanlake.serve.compose import compose, open_store
from spanlake.serve.faces import Address
from spanlake.serve.http import HttpServer
from spanlake.serve.lifecycle import Lifecycle, State, asked_to_stop

_log = logging.getLogger("spanlake")


async def serve(config: Config, http_sockets: Mapping[Address, socket.socket], grpc_address: Address) -> None:
    """Serve on these addresses until asked to stop, then finish what was accepted; raises StoreError."""
    lifecycle = Lifecycle()
    stop = asyncio.create_task(asked_to_stop())
    store = await asyncio.to_thread(open_store, config)
    process = compose(config, store, lifecycle)
    http = HttpServer(process.app, list(http_sockets.values()), drain_seconds=config.drain_seconds)
    grpc = GrpcServer(
        [OtlpGrpc(process.ingest).handler()], grpc_address.authority, max_message_bytes=config.ingest.body_bytes
    )
    process.commits.start()
    await http.start()
    await grpc.start()
    process.upkeep.start()
    gc.freeze()  # what was loaded stays: looking for garbage in it takes 30 ms, now and then in the midst of a query
    lifecycle.state = State.READY
    _say_where([*http_sockets, grpc_address])
    _log.info("ready", extra={"data": str(config.data.resolve())})
    asked = await stop
    lifecycle.state = State.DRAINING
    _log.info("shutting down", extra={"signal": asked.name})
    await asyncio.gather(http.stop(), grpc.stop(config.drain_seconds))
    await asyncio.to_thread(process.commits.close)
    await asyncio.to_thread(process.upkeep.close)
    store.index.close()
    _log.info("stopped")


def _say_where(addresses: Iterable[Address]) -> None:
    for where in addresses:
        _log.info("listening", extra={"serves": where.face.serves, "url": where.url})
