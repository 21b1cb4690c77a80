"""A worker as the supervisor sees it: a process at the other end of a channel."""

import asyncio
import sys
import time
from contextlib import suppress
from socket import socketpair
from typing import Self

from spanlake.workers.channel import Channel, Message
from spanlake.workers.figures import Figures
from spanlake.workers.orders import Orders

_EXIT_SECONDS = 10.0  # from the last word of a worker to the end of its process
_ANSWER_SECONDS = 1.0


class WorkerProcess:
    """One worker, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.ready = False  # whether it has begun to take requests
        self.failure = ""  # what it says about why it could not start
        self.figures = Figures()  # what it had counted when it last told
        self.heard = self.started = time.monotonic()
        self._process = process
        self._channel = channel
        self._begun = asyncio.Event()
        self._told = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, orders: Orders) -> Self:
        """Start one; it is ready a little later."""
        ours, theirs = socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "spanlake.workers.worker", str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *orders.datagrams.values()),
            )
        with suppress(ConnectionError):  # which the end of the channel will tell too
            orders.give(ours)
        return cls(process, await Channel.over(ours))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def begun(self) -> None:
        """Return when it takes requests, or will never."""
        await self._begun.wait()

    async def ask(self) -> None:
        """Have it tell what it has counted, unless that takes long."""
        self._told.clear()
        await self._channel.send(figures=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._told.wait()

    async def drain(self, seconds: float) -> None:
        """Have it finish what it has accepted, and end."""
        await self._channel.send(drain=seconds)

    async def ended(self) -> int:
        """Wait for its end; the exit status."""
        await self._listening
        with suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_SECONDS):
                return await self._process.wait()
        self.kill()
        return await self._process.wait()

    def kill(self) -> None:
        """End it without a chance to do anything."""
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
