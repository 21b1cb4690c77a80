"""Supervisor of the workers: starts them, answers probes for them, stops them."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence

from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.server.access import AccessControl
from spanlake.server.http import HttpServer
from spanlake.server.http_protocol import Misdirected
from spanlake.server.lifecycle import Lifecycle, State, asked_to_stop
from spanlake.server.ports import Address, ports_advice
from spanlake.settings.model import EdgeConfig
from spanlake.settings.watched import Watch
from spanlake.workers.emf import EmfReporter
from spanlake.workers.figures import Figures
from spanlake.workers.health import health_app
from spanlake.workers.orders import Orders
from spanlake.workers.ports import Ports
from spanlake.workers.seat import Patience, Seat

_COMMIT_SHARE = 0.2  # of the drain time, for storing requests that have been read
_PROBE_SECONDS = 1.0  # for answers to probes at the end

_log = logging.getLogger("spanlake")


class Supervisor:
    """An edge, from its start to its end."""

    def __init__(
        self,
        config: EdgeConfig,
        ports: Ports,
        where: Address,
        listener: socket.socket,
        patience: Patience,
        access: AccessControl,
    ) -> None:
        self._config = config
        self._addresses: Sequence[Address] = (*ports.grpc, *ports.udp, where)
        self._seats = [Seat(_orders(config, ports, number), patience) for number in range(config.workers)]
        self._lifecycle = Lifecycle()
        self._access = access
        app = health_app(self.unready_reason, self.figures, access.authenticator)
        misdirected = Misdirected(MisdirectionLog(), ports_advice(ports.grpc))
        tls = access.tls.probes if access.tls else None
        self._http = HttpServer(app, [listener], drain_seconds=_PROBE_SECONDS, misdirected=misdirected, tls=tls)

    def unready_reason(self) -> str | None:
        """Return the reason why no requests are taken now, None when they are."""
        if self._lifecycle.unready_reason() is None and not any(seat.is_ready for seat in self._seats):
            return "no worker takes requests"
        return self._lifecycle.unready_reason()

    async def figures(self) -> Figures:
        """Return the metrics of all workers, and their numbers."""
        total = Figures()
        for figures in await asyncio.gather(*(seat.figures() for seat in self._seats)):
            total.add(figures)
        ready = sum(seat.is_ready for seat in self._seats)
        total.note("spanlake_edge_workers", "Configured workers.", "gauge", len(self._seats))
        total.note("spanlake_edge_workers_ready", "Workers that take requests.", "gauge", ready)
        replaced = sum(seat.replaced for seat in self._seats)
        total.note("spanlake_edge_workers_replaced", "Workers that ended and were replaced.", "counter", replaced)
        return total

    async def run(self) -> None:
        """Run the workers until asked to stop, then finish accepted requests; raises GivenUp."""
        asked = asyncio.create_task(asked_to_stop(again=self._end_at_once))
        await self._http.start()
        Watch(self._access.refreshed).start()
        announced = asyncio.create_task(self._announce())
        reporting = asyncio.create_task(self._report())
        keepers = [asyncio.create_task(seat.keep()) for seat in self._seats]
        try:
            await asyncio.wait([asked, *keepers], return_when=asyncio.FIRST_COMPLETED)
            announced.cancel()
            self._lifecycle.state = State.DRAINING
            await self._finish(asked.result() if asked.done() else None, keepers)
            await asyncio.gather(*keepers)
        finally:
            asked.cancel()
            reporting.cancel()
            for seat in self._seats:
                seat.kill()
            await self._http.stop()
        _log.info("stopped")

    async def _report(self) -> None:
        """Report to CloudWatch where a namespace is set."""
        if not (namespace := self._config.metrics_namespace):
            return
        reporter = EmfReporter(namespace, self.figures, lambda line: print(line, flush=True))
        await reporter.run()

    async def _announce(self) -> None:
        begun = [asyncio.create_task(seat.begun()) for seat in self._seats]
        await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        self._lifecycle.state = State.READY
        for where in self._addresses:
            url = where.secure_url if self._access.tls else where.url
            _log.info("listening", extra={"serves": where.face.serves, "url": url})
        worker = self._config.worker
        places = {"objects": worker.objects, "index": worker.index}
        data = str(worker.data.resolve())
        stored = {kind: url or data for kind, url in places.items()}
        _log.info("ready", extra={"workers": self._config.workers, **stored})

    async def _finish(self, asked: signal.Signals | None, keepers: Sequence["asyncio.Task[None]"]) -> None:
        """Announce the end, give probes time to see it, and drain the workers."""
        deadline = time.monotonic() + self._config.worker.drain_seconds
        for seat in self._seats:
            seat.close()
        if asked is not None:
            _log.info("shutting down", extra={"signal": asked.name})
        if asked is signal.SIGTERM:  # nothing probes a process that ends by a key on the terminal
            await asyncio.wait(keepers, timeout=self._config.unready_seconds)
        seconds = deadline - time.monotonic()
        for seat in self._seats:
            await seat.drain(seconds * (1 - _COMMIT_SHARE))
        _, unfinished = await asyncio.wait(keepers, timeout=seconds)
        if unfinished:
            _log.error("workers killed, drain time exceeded", extra={"workers": len(unfinished)})
        for seat in self._seats:
            seat.kill()

    def _end_at_once(self, asked: signal.Signals) -> None:
        for seat in self._seats:
            seat.kill()
        os._exit(128 + asked)  # the first process of a container does not die of a signal


def _orders(config: EdgeConfig, ports: Ports, number: int) -> Orders:
    datagrams = {face: listener.fileno() for face, listener in ports.datagrams[number].items()}
    return Orders(number + 1, config.worker, ports.grpc, datagrams)
