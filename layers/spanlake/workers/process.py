"""A worker process, as the supervisor controls it through a channel."""

import asyncio
import sys
import time
from contextlib import suppress
from socket import socketpair
from typing import Self

from spanlake.workers.channel import Channel, Message
from spanlake.workers.figures import Figures
from spanlake.workers.orders import Orders

_EXIT_SECONDS = 10.0  # from a worker's last message to the end of its process
_ANSWER_SECONDS = 1.0


class WorkerProcess:
    """A worker process, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.ready = False  # True once it takes requests
        self.failure = ""  # its explanation of why it could not start
        self.figures = Figures()  # its metrics at its last report
        self.heard = self.started = time.monotonic()
        self._process = process
        self._channel = channel
        self._begun = asyncio.Event()
        self._told = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, orders: Orders) -> Self:
        """Start a worker; it is ready a little later."""
        ours, theirs = socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "spanlake.workers.worker", str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *orders.datagrams.values()),
            )
        with suppress(ConnectionError):  # the end of the channel reports it too
            orders.give(ours)
        return cls(process, await Channel.over(ours))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def begun(self) -> None:
        """Return when the worker takes requests, or will never."""
        await self._begun.wait()

    async def ask(self) -> None:
        """Request a report of its metrics, unless that takes long."""
        self._told.clear()
        await self._channel.send(figures=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._told.wait()

    async def drain(self, seconds: float) -> None:
        """Let the worker finish accepted requests, and stop."""
        await self._channel.send(drain=seconds)

    async def ended(self) -> int:
        """Wait for its end; returns the exit status."""
        await self._listening
        with suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                return await self._process.wait()
        self.kill()
        return await self._process.wait()

    def kill(self) -> None:
        """Kill the process at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _listen(self) -> None:
        async for message in self._channel.messages():
            self.heard = time.monotonic()
            self._hear(message)
        self._begun.set()
        self._told.set()
        self._channel.close()

    def _hear(self, message: Message) -> None:
        self.failure = message.get("failed", self.failure)
        if "ready" in message:
            self.ready = True
            self._begun.set()
        if "figures" in message:
            self.figures = Figures.from_json(message["figures"])
            self._told.set()
