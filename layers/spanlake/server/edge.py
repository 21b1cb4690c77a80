"""``spanlake edge``: the gRPC and UDP listeners alone, with a port for probes, in one process."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from starlette.applications import Starlette

from spanlake.api.app import create_app
from spanlake.api.authentication import by_header
from spanlake.api.errors import INGEST_ERRORS
from spanlake.api.operations import metrics_routes, ready_route
from spanlake.auth.access import Authenticator
from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.server import ports
from spanlake.server.access import check_exposure, open_access, open_limits, udp_tenant
from spanlake.server.http import HttpServer
from spanlake.server.http_protocol import Misdirected
from spanlake.server.lifecycle import ARRIVAL_SHARE, SWITCH_SECONDS, Lifecycle, State, asked_to_stop
from spanlake.server.listeners import Listeners, open_listeners
from spanlake.server.ports import Address, Port, address, bind, of_scheme, ports_advice
from spanlake.server.small_memory import limit_arenas, return_unused
from spanlake.server.storage import IngestService, ingest_service, open_store
from spanlake.settings.memory import fitted, memory_bytes
from spanlake.settings.model import EdgeConfig
from spanlake.settings.watched import Watch
from spanlake.telemetry.emf import EmfReporter
from spanlake.telemetry.prometheus import Metrics

PROBES = "health and metrics"

_COMMIT_SHARE = 0.2  # of the drain time, for storing requests that have been read
_PROBE_SECONDS = 1.0  # for answers to probes at the end
_CONNECTION_SECONDS = 300.0  # below the 350 s after which AWS' network load balancers forget idle connections
_UNFINISHED = 1  # exit status when the drain time was too short

_log = logging.getLogger("spanlake")


def run(config: EdgeConfig) -> None:
    """Take requests until SIGTERM or SIGINT, then finish accepted requests.

    Raises InvalidSetting when an address is not available, and StoreError when the storage cannot be used.
    """
    memory = memory_bytes()
    limit_arenas(memory)
    sys.setswitchinterval(SWITCH_SECONDS)
    config = replace(config, server=fitted(config.server, memory))
    sockets = {where: bind(where) for where in edge_addresses(config)}
    check_exposure(config.server)

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Edge(config, sockets).run())


def edge_addresses(config: EdgeConfig) -> Iterator[Address]:
    """Yield the addresses of an edge, that of probes first; raises InvalidSetting."""
    server = config.server
    datagrams = ports.UDP if udp_tenant(server.access) else ()
    for port in (Port(config.health_port, "http", PROBES), *datagrams, *ports.GRPC):
        yield address(port, server.listen, server.port_offset)


class Edge:
    """An edge, from its start to its end."""

    def __init__(self, config: EdgeConfig, sockets: Mapping[Address, socket.socket]) -> None:
        self._config = config
        self._sockets = sockets
        self._lifecycle = Lifecycle()
        self._metrics = Metrics()
        self._access = open_access(config.server.access)

    async def run(self) -> None:
        """Take requests until asked to stop, then finish accepted requests; raises StoreError."""
        asked = asyncio.create_task(asked_to_stop(again=_end_at_once))
        trimming = asyncio.create_task(return_unused(memory_bytes()))
        probes = self._probes()
        await probes.start()
        try:
            await self._take_requests(asked)
        finally:
            trimming.cancel()
            asked.cancel()
            await probes.stop()
        _log.info("stopped")

    async def _take_requests(self, asked: "asyncio.Task[signal.Signals]") -> None:
        config = self._config.server
        store = await asyncio.to_thread(open_store, config)
        limits = open_limits(config, store.index)
        service = ingest_service(config, store, self._metrics, limits)
        listeners = open_listeners(
            config, service.ingest, self._access, self._sockets, connection_seconds=_CONNECTION_SECONDS
        )
        watch = Watch([*self._access.refreshed, limits])
        watch.start()
        service.commits.start()
        await listeners.start()
        self._metrics.observe_dropped(listeners.dropped)
        reporter = self._reporter()
        reporting = asyncio.create_task(reporter.run()) if reporter else None
        gc.freeze()  # imported modules stay loaded
        self._lifecycle.state = State.READY
        self._announce()
        await self._drain(await asked, listeners, service)
        if reporting and reporter:
            reporting.cancel()
            reporter.report()
        watch.close()
        store.index.close()

    async def _drain(self, asked: signal.Signals, listeners: Listeners, service: IngestService) -> None:
        """Give probes time to see the end, and finish accepted requests; ends the process if that takes too long."""
        self._lifecycle.state = State.DRAINING
        _log.info("shutting down", extra={"signal": asked.name})
        seconds = self._config.server.drain_seconds
        last = asyncio.get_running_loop().call_later(seconds, _give_up)
        if asked is signal.SIGTERM:  # nothing probes a process that ends by a key on the terminal
            await asyncio.sleep(self._config.unready_seconds)
            seconds -= self._config.unready_seconds
        seconds *= 1 - _COMMIT_SHARE
        service.ingest.deadline.end_in(seconds * ARRIVAL_SHARE)
        await listeners.stop(seconds)
        await asyncio.to_thread(service.commits.close)
        last.cancel()

    def _probes(self) -> HttpServer:
        advice = ports_advice(of_scheme(self._sockets, "grpc"))
        notices = MisdirectionLog()
        return HttpServer(
            probe_app(self._lifecycle, self._metrics, self._access.authenticator, notices),
            list(of_scheme(self._sockets, "http").values()),
            drain_seconds=_PROBE_SECONDS,
            misdirected=Misdirected(notices, advice),
            tls=self._access.tls.probes if self._access.tls else None,
        )

    def _reporter(self) -> EmfReporter | None:
        """Make the reporter to CloudWatch where a namespace is set."""
        if not (namespace := self._config.metrics_namespace):
            return None
        return EmfReporter(namespace, self._metrics, lambda line: print(line, flush=True))

    def _announce(self) -> None:
        for where in self._sockets:
            url = where.secure_url if self._access.tls else where.url
            _log.info("listening", extra={"serves": where.protocol.serves, "url": url})
        config = self._config.server
        data = str(config.data.resolve())
        _log.info("ready", extra={"objects": config.objects or data, "index": config.index or data})


def probe_app(
    lifecycle: Lifecycle, metrics: Metrics, authenticator: Authenticator, notices: MisdirectionLog
) -> Starlette:
    """Make the application with ``/ready``, ``/metrics`` and ``/usage_metrics``."""
    routes = [ready_route(lifecycle.unready_reason), *metrics_routes(metrics)]
    return create_app(routes, INGEST_ERRORS, (), by_header(authenticator), notices, f"this port is for {PROBES}")


def _end_at_once(asked: signal.Signals) -> None:
    os._exit(128 + asked)  # the first process of a container does not die of a signal


def _give_up() -> None:
    _log.error("process ended, drain time exceeded")
    os._exit(_UNFINISHED)
