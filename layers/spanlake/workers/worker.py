"""A worker of ``spanlake edge``: ``python -m spanlake.workers.worker DESCRIPTOR``, started by the supervisor only.

It ends when the supervisor orders it, or has died. It ignores signals, including those that a terminal or a service
manager sends to all processes at once: the supervisor handles them.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import suppress

from spanlake.server.access import open_access, open_limits, udp_tenant
from spanlake.server.lifecycle import ARRIVAL_SHARE
from spanlake.server.listeners import Listeners, Receivers
from spanlake.server.ports import Address, bind
from spanlake.server.storage import Store, ingest_service, open_store
from spanlake.settings.units import InvalidSetting
from spanlake.settings.watched import Watch
from spanlake.store.errors import StoreError
from spanlake.telemetry.logs import set_up_logs
from spanlake.telemetry.prometheus import Metrics
from spanlake.workers.channel import Channel
from spanlake.workers.figures import Figures
from spanlake.workers.orders import Orders

_log = logging.getLogger("spanlake")


def main() -> None:
    """Run a worker with the orders received over the socket whose descriptor is the argument."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    connected = socket.socket(fileno=int(sys.argv[1]))
    with suppress(EOFError):
        orders = Orders.take(connected)
        set_up_logs(orders.config.logs.level, orders.config.logs.format, worker=orders.number)

        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(orders, connected))


async def _work(orders: Orders, connected: socket.socket) -> None:
    channel = await Channel.over(connected)
    try:
        store = await asyncio.to_thread(open_store, orders.config)
        await _take_requests(orders, store, channel)
    except (StoreError, InvalidSetting, OSError) as error:
        await channel.send(failed=str(error))
    channel.close()


async def _take_requests(orders: Orders, store: Store, channel: Channel) -> None:
    metrics = Metrics()
    limits = open_limits(orders.config, store.index)
    taken = ingest_service(orders.config, store, metrics, limits)
    datagrams = {face: socket.socket(fileno=descriptor) for face, descriptor in orders.datagrams.items()}
    access = open_access(orders.config.access)
    tls = access.tls.grpc if access.tls else None
    receivers = Receivers(taken.ingest, access.authenticator, udp_tenant(orders.config.access), tls)
    listeners = Listeners(receivers, _bound(orders), datagrams, shared=True)
    supervisor = _Supervisor(channel, metrics, orders.config.drain_seconds)
    taken.commits.start()
    Watch([*access.refreshed, limits]).start()
    await listeners.start()
    metrics.observe_dropped(listeners.dropped)
    gc.freeze()  # imported modules stay loaded
    listening = asyncio.create_task(supervisor.listen())
    await channel.send(ready=True)
    seconds = await supervisor.asked_to_drain
    taken.ingest.deadline.end_in(seconds * ARRIVAL_SHARE)
    await listeners.stop(seconds)
    await asyncio.to_thread(taken.commits.close)
    listening.cancel()
    await channel.send(figures=Figures.of(metrics).to_json())
    store.index.close()


def _bound(orders: Orders) -> dict[Address, socket.socket]:
    """Bind the addresses for gRPC; raises OSError."""
    try:
        return {where: bind(where, shared=True) for where in orders.grpc}
    except InvalidSetting as error:
        raise OSError(str(error)) from None


class _Supervisor:
    """A client of the supervisor: answers its messages, and knows when it orders the end."""

    def __init__(self, channel: Channel, metrics: Metrics, drain_seconds: float) -> None:
        self._channel = channel
        self._metrics = metrics
        self._drain_seconds = drain_seconds
        self.asked_to_drain: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        """Drain time in seconds."""

    async def listen(self) -> None:
        """Handle messages of the supervisor until it has ended."""
        async for message in self._channel.messages():
            if "drain" in message:
                self._drain(message["drain"])
            else:
                await self._channel.send(figures=Figures.of(self._metrics).to_json())
        if self.asked_to_drain.done():  # it did not wait for the end, so the worker should end at once
            os._exit(1)
        _log.error("supervisor died")
        self._drain(self._drain_seconds)

    def _drain(self, seconds: float) -> None:
        if not self.asked_to_drain.done():
            self.asked_to_drain.set_result(seconds)


if __name__ == "__main__":
    main()
