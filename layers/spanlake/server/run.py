"""Starts a server process, and runs it from binding its ports to draining."""

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

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
    parts = _Parts.of(config, sockets, store, lifecycle)
    listeners = await _listen(config, sockets, parts)
    lifecycle.state = State.READY
    announce(config, list(sockets), tls=parts.access.tls is not None)
    await asyncio.to_thread(import_module, "spanlake.server.maintenance")
    maintenance = _maintenance(config, store, parts)
    maintenance.start()
    gc.freeze()  # imported modules stay loaded: collecting them takes 30 ms in the midst of a query
    asked = await stop
    lifecycle.state = State.DRAINING
    trimming.cancel()
    _log.info("shutting down", extra={"signal": asked.name})
    await _drain(config, parts, listeners)
    await asyncio.to_thread(maintenance.close)
    parts.watch.close()
    store.index.close()
    _log.info("stopped")


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a server, besides those that are imported late."""

    access: AccessControl
    limits: LimitsSource
    watch: Watch
    process: Process
    bounds: ConnectionBounds
    http: HttpServer

    @classmethod
    def of(
        cls, config: Config, sockets: Mapping[Address, socket.socket], store: Store, lifecycle: Lifecycle
    ) -> "_Parts":
        access = open_access(config.access)
        limits = open_limits(config, store.index)
        process = compose(config, store, lifecycle, access, limits)
        bounds = ConnectionBounds(body_seconds=config.ingest.body_seconds + _BODY_GRACE_SECONDS)
        http = HttpServer(
            process.app,
            list(of_scheme(sockets, "http").values()),
            drain_seconds=config.drain_seconds,
            misdirected=Misdirected(process.service.ingest.notices, ports_advice(of_scheme(sockets, "grpc"))),
            bounds=bounds,
            tls=access.tls.http if access.tls else None,
        )
        return cls(access, limits, Watch([*access.refreshed, limits]), process, bounds, http)


async def _listen(config: Config, sockets: Mapping[Address, socket.socket], parts: _Parts) -> "Listeners":
    """Start to answer: on the HTTP ports first, then on those of gRPC and UDP."""
    parts.watch.start()
    await asyncio.to_thread(parts.process.service.commits.start)
    await parts.http.start()
    await asyncio.to_thread(import_module, "spanlake.server.listeners")
    listeners = _listeners(config, sockets, parts)
    await listeners.start()
    parts.process.metrics.observe_dropped(listeners.dropped)
    return listeners


async def _drain(config: Config, parts: _Parts, listeners: "Listeners") -> None:
    """Finish accepted requests, and store what they hold."""
    service = parts.process.service
    service.ingest.deadline.end_in(config.drain_seconds * ARRIVAL_SHARE)
    await asyncio.gather(parts.http.stop(), listeners.stop(config.drain_seconds))
    await asyncio.to_thread(service.commits.close)


def _listeners(config: Config, sockets: Mapping[Address, socket.socket], parts: _Parts) -> "Listeners":
    from spanlake.server.listeners import open_listeners

    ingest = parts.process.service.ingest
    return open_listeners(config, ingest, parts.access, sockets, places=parts.bounds.places)


def _maintenance(config: Config, store: Store, parts: _Parts) -> "Maintenance":
    from spanlake.server.maintenance import open_maintenance

    return open_maintenance(config, store, parts.process.metrics, parts.limits)


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
