"""Keeps one worker running: a worker that ends is replaced."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from spanlake.workers.figures import Figures
from spanlake.workers.orders import Orders
from spanlake.workers.process import WorkerProcess

_log = logging.getLogger("spanlake")


class GivenUp(Exception):  # noqa: N818
    """A worker cannot be started; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits for restarting or giving up a worker. Times in seconds."""

    first_pause: float = 0.5  # before a worker that has ended is replaced; doubled if its successor ends soon
    longest_pause: float = 30.0
    settled: float = 60.0  # a worker that lived longer has not ended soon
    starts: int = 5  # failures in a row before giving up
    pulse: float = 5.0  # between requests for metrics
    doubtful: float = 15.0  # without a report for which a worker counts as not ready
    silent: float = 60.0  # without a report after which a worker is killed


class Seat:
    """Keeps a worker with these orders running."""

    def __init__(self, orders: Orders, patience: Patience) -> None:
        self.replaced = 0  # number of replaced workers
        self._orders = orders
        self._patience = patience
        self._worker: WorkerProcess | None = None
        self._former = Figures()  # lasting metrics of former workers
        self._closing = asyncio.Event()
        self._begun = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """True where a worker takes requests."""
        worker = self._worker
        if worker is None or not worker.ready:
            return False
        return time.monotonic() - worker.heard < self._patience.doubtful

    async def begun(self) -> None:
        """Return when the first worker takes requests."""
        await self._begun.wait()

    async def figures(self) -> Figures:
        """Return the metrics of this worker and all its predecessors."""
        total = Figures()
        if worker := self._worker:
            await worker.ask()
        if worker := self._worker:  # it may have ended
            total.add(worker.figures)
        total.add(self._former)
        return total

    async def keep(self) -> None:
        """Keep a worker running until closed; raises GivenUp."""
        failures = pauses = 0
        while not self._closing.is_set():
            worker = self._worker = await WorkerProcess.start(self._orders)
            status = await self._watch(worker)
            self._former.add(worker.figures, lasting=True)
            self._worker = None
            if self._closing.is_set():
                return
            failures = 0 if worker.ready else failures + 1
            pauses = 0 if time.monotonic() - worker.started > self._patience.settled else pauses + 1
            self._judge(worker, failures)
            await self._pause(worker, status, pauses)
            self.replaced += 1

    def close(self) -> None:
        """Replace no worker from now on."""
        self._closing.set()

    async def drain(self, seconds: float) -> None:
        """Let the worker finish accepted requests within this time, and stop."""
        if self._worker:
            await self._worker.drain(seconds)

    def kill(self) -> None:
        """Kill the worker at once."""
        if self._worker:
            self._worker.kill()

    async def _watch(self, worker: WorkerProcess) -> int:
        """Wait for a worker's end, or kill it when it does not report; returns the exit status."""
        pulse = asyncio.create_task(self._feel(worker))
        try:
            await worker.begun()
            if worker.ready:
                self._begun.set()
                _log.info("worker ready", extra={"number": self._orders.number, "pid": worker.pid})
            return await worker.ended()
        except asyncio.CancelledError:
            worker.kill()  # a stopped process would outlive its parent and hold its pipes open
            raise
        finally:
            pulse.cancel()

    async def _feel(self, worker: WorkerProcess) -> None:
        while time.monotonic() - worker.heard < self._patience.silent:
            await asyncio.sleep(self._patience.pulse)
            await worker.ask()
        _log.error("worker killed, no report", extra=self._named(worker))
        worker.kill()

    def _judge(self, worker: WorkerProcess, failures: int) -> None:
        if worker.failure and not self._begun.is_set():
            raise GivenUp(worker.failure)
        if failures >= self._patience.starts:
            reason = worker.failure or "it ended before it took requests"
            raise GivenUp(f"worker {self._orders.number} failed to start {failures} times in a row: {reason}")

    async def _pause(self, worker: WorkerProcess, status: int, pauses: int) -> None:
        seconds = min(self._patience.longest_pause, self._patience.first_pause * 2 ** max(0, pauses - 1))
        more = {"status": status, "reason": worker.failure, "again_in_seconds": seconds}
        _log.error("worker ended, replacement started", extra=self._named(worker) | more)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _named(self, worker: WorkerProcess) -> dict[str, object]:
        return {"number": self._orders.number, "pid": worker.pid}
