"""Starts a server process, and runs it from binding its ports to draining."""

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from spanlake.edge.connections import ConnectionLimit
from spanlake.ingest.service import Ingest
from spanlake.server import ports
from spanlake.server.access import AccessControl, check_exposure, open_access, open_limits, udp_tenant
from spanlake.server.compose import Process, compose
from spanlake.server.greeting import announce
from spanlake.server.http import HttpServer
from spanlake.server.http_protocol import ConnectionBounds, Misdirected
from spanlake.server.lifecycle import ARRIVAL_SHARE, SWITCH_SECONDS, Lifecycle, State, asked_to_stop
from spanlake.server.ports import Address, addresses, bind, of_scheme, ports_advice
from spanlake.server.small_memory import limit_arenas, return_unused
from spanlake.server.storage import Store, open_store, take_in
from spanlake.settings.memory import fitted, memory_bytes
from spanlake.settings.model import Config
from spanlake.settings.watched import Watch
from spanlake.store.tenant_limits import LimitsSource

if TYPE_CHECKING:
    from spanlake.server.listeners import Listeners
    from spanlake.server.maintenance import Maintenance

_log = logging.getLogger("spanlake")
_BODY_GRACE_SECONDS = 15.0  # after which a connection ends whose body is late, and was not answered with a status


async def serve(config: Config, sockets: Mapping[Address, socket.socket]) -> None:
    """Serve on these sockets until asked to stop, then finish accepted requests; raises StoreError.

    What can wait is imported while the HTTP ports answer already, or after the server is ready.
    """
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
    ingest = process.service.ingest
    misdirected = Misdirected(ingest.notices, ports_advice(of_scheme(sockets, "grpc")))
    bounds = ConnectionBounds(body_seconds=config.ingest.body_seconds + _BODY_GRACE_SECONDS)
    http = HttpServer(
        process.app,
        list(of_scheme(sockets, "http").values()),
        drain_seconds=config.drain_seconds,
        misdirected=misdirected,
        bounds=bounds,
        tls=tls.http if tls else None,
    )
    watch.start()
    await asyncio.to_thread(process.service.commits.start)
    await http.start()
    await asyncio.to_thread(import_module, "spanlake.server.listeners")
    listeners = _listeners(config, ingest, access, sockets, bounds.places)
    await listeners.start()
    process.metrics.observe_dropped(listeners.dropped)
    lifecycle.state = State.READY
    announce(config, list(sockets), tls=tls is not None)
    await asyncio.to_thread(import_module, "spanlake.server.maintenance")
    maintenance = _maintenance(config, store, process, limits)
    maintenance.start()
    gc.freeze()  # imported modules stay loaded: collecting them takes 30 ms in the midst of a query
    asked = await stop
    lifecycle.state = State.DRAINING
    trimming.cancel()
    _log.info("shutting down", extra={"signal": asked.name})
    ingest.deadline.end_in(config.drain_seconds * ARRIVAL_SHARE)
    await asyncio.gather(http.stop(), listeners.stop(config.drain_seconds))
    await asyncio.to_thread(process.service.commits.close)
    await asyncio.to_thread(maintenance.close)
    watch.close()
    store.index.close()
    _log.info("stopped")


def _listeners(
    config: Config,
    ingest: Ingest,
    access: AccessControl,
    sockets: Mapping[Address, socket.socket],
    places: ConnectionLimit,
) -> "Listeners":
    from spanlake.server.listeners import open_listeners

    return open_listeners(config, ingest, access, sockets, places=places)


def _maintenance(config: Config, store: Store, process: Process, limits: LimitsSource) -> "Maintenance":
    from spanlake.server.maintenance import open_maintenance

    return open_maintenance(config, store, process.metrics, limits)


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then finish accepted requests.

    Raises InvalidSetting when an address is not available, and StoreError when the data directory cannot be used.
    """
    memory = memory_bytes()
    limit_arenas(memory)
    sys.setswitchinterval(SWITCH_SECONDS)
    config = fitted(config, memory)
    datagrams = ports.UDP if udp_tenant(config.access) else ()
    wanted = addresses(config, (*ports.HTTP, *datagrams, *ports.GRPC))
    sockets = {where: bind(where) for where in wanted}
    check_exposure(config)

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config, sockets))
