"""Starts a server process, and runs it from binding its ports to draining."""

import asyncio
import gc
import logging
import socket
from collections.abc import Iterable, Mapping, Sequence

from spanlake.server import ports
from spanlake.server.access import check_exposure, open_access, open_limits, udp_tenant
from spanlake.server.compose import compose
from spanlake.server.http import HttpServer
from spanlake.server.http_protocol import ConnectionBounds, Misdirected
from spanlake.server.lifecycle import ARRIVAL_SHARE, Lifecycle, State, asked_to_stop
from spanlake.server.listeners import Listeners, Receivers
from spanlake.server.ports import SPANS_OVER_HTTP, Address, addresses, bind, ports_advice
from spanlake.server.small_memory import limit_arenas, return_unused
from spanlake.server.storage import open_store, take_in
from spanlake.settings.memory import fitted, memory_bytes
from spanlake.settings.model import Config
from spanlake.settings.watched import Watch

_log = logging.getLogger("spanlake")
_BODY_GRACE_SECONDS = 15.0  # after which a connection ends whose body is late, and was not answered with a status


async def serve(config: Config, sockets: Mapping[Address, socket.socket], grpc_addresses: Sequence[Address]) -> None:
    """Serve on these sockets and addresses until asked to stop, then finish accepted requests; raises StoreError."""
    lifecycle = Lifecycle()
    stop = asyncio.create_task(asked_to_stop())
    trimming = asyncio.create_task(return_unused(memory_bytes()))
    store = await asyncio.to_thread(open_store, config)
    await asyncio.to_thread(take_in, config, store)
    access = open_access(config.access)
    tls = access.tls
    limits = open_limits(config, store.index)
    watch = Watch([*access.refreshed, limits])
    process = compose(config, store, lifecycle, access, limits)
    streams = [listener for listener in sockets.values() if listener.type == socket.SOCK_STREAM]
    ingest = process.intake.ingest
    misdirected = Misdirected(ingest.notices, ports_advice(grpc_addresses))
    bounds = ConnectionBounds(body_seconds=config.ingest.body_seconds + _BODY_GRACE_SECONDS)
    http = HttpServer(
        process.app,
        streams,
        drain_seconds=config.drain_seconds,
        misdirected=misdirected,
        bounds=bounds,
        tls=tls.http if tls else None,
    )
    datagrams = {where.face: listener for where, listener in sockets.items() if listener.type == socket.SOCK_DGRAM}
    taking_spans = [where for where in sockets if where.face in SPANS_OVER_HTTP]
    receivers = Receivers(ingest, access.authenticator, udp_tenant(config.access), tls.grpc if tls else None)
    listeners = Listeners(receivers, grpc_addresses, datagrams, http=taking_spans, places=bounds.places)
    watch.start()
    process.intake.commits.start()
    await http.start()
    await listeners.start()
    process.metrics.observe_dropped(listeners.dropped)
    process.upkeep.start()
    gc.freeze()  # imported modules stay loaded: collecting them takes 30 ms in the midst of a query
    lifecycle.state = State.READY
    _say_where([*sockets, *grpc_addresses], tls=tls is not None)
    _log.info("ready", extra={"data": str(config.data.resolve())})
    asked = await stop
    lifecycle.state = State.DRAINING
    trimming.cancel()
    _log.info("shutting down", extra={"signal": asked.name})
    ingest.deadline.end_in(config.drain_seconds * ARRIVAL_SHARE)
    await asyncio.gather(http.stop(), listeners.stop(config.drain_seconds))
    await asyncio.to_thread(process.intake.commits.close)
    await asyncio.to_thread(process.upkeep.close)
    watch.close()
    store.index.close()
    _log.info("stopped")


def _say_where(addresses: Iterable[Address], *, tls: bool) -> None:
    for where in addresses:
        _log.info("listening", extra={"serves": where.face.serves, "url": where.secure_url if tls else where.url})


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then finish accepted requests.

    Raises InvalidSetting when an address is not available, and StoreError when the data directory cannot be used.
    """
    memory = memory_bytes()
    limit_arenas(memory)
    config = fitted(config, memory)
    datagrams = ports.UDP if udp_tenant(config.access) else ()
    http, grpc, udp = (addresses(config, kind) for kind in (ports.HTTP, ports.GRPC, datagrams))
    sockets = [bind(where) for where in (*http, *udp)]
    for where in grpc:
        bind(where).close()  # grpc binds the port itself, but does not report the error
    check_exposure(config)

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config, dict(zip((*http, *udp), sockets, strict=True)), grpc))
