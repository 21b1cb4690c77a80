"""Time limits for requests that are still arriving: one for each request, and one for all at shutdown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spanlake.ingest.errors import ArrivalTimeout, Draining


class ArrivalDeadline:
    """The time by which requests must have arrived. It belongs to one event loop."""

    def __init__(self) -> None:
        self._arriving: set[asyncio.Timeout] = set()
        self._end: float | None = None  # by the loop's clock

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Limit the body of the ``async with`` to this time, or less when the process shuts down earlier.

        Raises ArrivalTimeout and Draining.
        """
        until = asyncio.get_running_loop().time() + seconds
        timeout = asyncio.timeout_at(until if self._end is None else min(until, self._end))
        try:
            async with timeout:
                self._arriving.add(timeout)
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            if self._end is not None:
                raise Draining("the request had not arrived when the server shut down: send it again") from None
            raise ArrivalTimeout(f"the request did not arrive within {seconds:g} seconds: send it again") from None
        finally:
            self._arriving.discard(timeout)

    def end_in(self, seconds: float) -> None:
        """Require every request, present or future, to arrive within this time from now."""
        self._end = asyncio.get_running_loop().time() + seconds
        for timeout in self._arriving:
            when = timeout.when()
            if not timeout.expired() and (when is None or when > self._end):
                timeout.reschedule(self._end)
