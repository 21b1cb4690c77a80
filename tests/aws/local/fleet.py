"""A function's processes: as many as there are events at once, each kept for the events to come."""

import asyncio
from pathlib import Path

from tests.aws.local.instance import Function, Instance


class Fleet:
    """The processes of one function.

    Where Lambda would refuse an event because of too many at once, this one lets it wait, as the machine is small.
    """

    def __init__(self, function: Function, logs: Path, most: int) -> None:
        self.function = function
        self.log_path = logs / f"{function.name}.log"
        self.invocations = 0
        """Number of events."""
        self._slots = asyncio.Semaphore(most)
        self._idle: list[Instance] = []
        self._busy: set[Instance] = set()

    async def invoke(self, event: bytes) -> bytes:
        """The answer to an event; raises FunctionError."""
        self.invocations += 1
        async with self._slots:
            instance = await self._instance()
            self._busy.add(instance)
            try:
                return await instance.invoke(event)
            finally:
                self._busy.discard(instance)
                self._idle.append(instance)

    async def _instance(self) -> Instance:
        while self._idle:
            instance = self._idle.pop()  # the one that was used last
            if instance.is_running:
                return instance
            await instance.stop()
        return await Instance.start(self.function, self.log_path)

    def pids(self) -> list[int]:
        """The ids of the processes that run."""
        return [instance.pid for instance in (*self._idle, *self._busy) if instance.is_running]

    def kill_busy(self) -> int:
        """Kill the processes that have an event; says how many."""
        busy = [instance for instance in self._busy if instance.is_running]
        for instance in busy:
            instance.kill()
        return len(busy)

    async def stop(self) -> None:
        """End all processes."""
        await asyncio.gather(*(instance.stop() for instance in (*self._idle, *self._busy)))
