"""Limits on requests and bytes in flight, so that many clients together cannot exhaust the memory.

A body that is still arriving has no place among the requests in flight: it holds the bytes that have come. When there
is no room for more, bodies that arrive too slowly are given up for those that arrive.
"""

from collections.abc import Callable
from heapq import nsmallest
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Self

from spanlake.ingest.errors import Overloaded

_WINDOW_SECONDS = 1.0  # over which the speed of an arriving body is measured
_SLOW = 256 << 10  # bytes a second; slower bodies are given up where there is no room for others
_SEARCH_SECONDS = 0.05  # between searches for slow bodies


class Admission:
    """A budget of requests and bytes that all receivers share; safe to use from any thread."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._requests = 0
        self._bytes = 0
        self._arriving: set[Arrival] = set()
        self._searched = 0.0

    @property
    def bytes_in_flight(self) -> int:
        """The bytes that all passes hold."""
        return self._bytes

    def admit(self) -> "Reservation":
        """Admit a request, which holds its place until the pass is closed; raises Overloaded."""
        place = Reservation(self)
        place.admit()
        return place

    def arrive(self, give_up: Callable[[], object]) -> "Arrival":
        """Make the reservation of a body that arrives.

        ``give_up`` is called once, from any thread, when the body arrives so slowly that its bytes went to others.
        """
        arrival = Arrival(self, give_up)
        with self._lock:
            self._arriving.add(arrival)
        return arrival

    def enter(self) -> None:
        """Claim a place; raises Overloaded."""
        with self._lock:
            if self._requests >= self._max_requests:
                raise Overloaded(f"{self._requests} requests are in flight already")
            self._requests += 1

    def take(self, size: int) -> None:
        """Claim bytes; raises Overloaded, and claims none, when fewer are left."""
        with self._lock:
            if self._bytes + size > self._max_bytes:
                self._give_up_slow(self._bytes + size - self._max_bytes)
            if self._bytes + size > self._max_bytes:
                raise Overloaded(
                    f"{self._bytes} bytes of requests are in flight already, {self._max_bytes} are allowed"
                )
            self._bytes += size

    def give_back(self, size: int, *, requests: int = 0) -> None:
        """Return claimed bytes and requests."""
        with self._lock:
            self._bytes -= size
            self._requests -= requests

    def arrived(self, arrival: "Arrival") -> bool:
        """Take a body from those that arrive; returns False if it was given up before."""
        with self._lock:
            is_held = arrival in self._arriving
            self._arriving.discard(arrival)
            return is_held

    def _give_up_slow(self, size: int) -> None:
        """Give up the slowest bodies that hold this many bytes together, if there are such."""
        now = monotonic()
        if now - self._searched < _SEARCH_SECONDS:
            return
        self._searched = now
        slow = [each for each in self._arriving if each.held and each.speed(now) < _SLOW]
        if sum(each.held for each in slow) < size:
            return
        for each in nsmallest(len(slow), slow, key=lambda arrival: arrival.speed(now)):
            self._arriving.discard(each)
            self._bytes -= each.held
            size -= each.held
            each.lose()
            if size <= 0:
                return


class Reservation:
    """A reservation for one request and its bytes, until it is closed, as by the end of a ``with`` block."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size = 0
        self._places = 0

    def admit(self) -> None:
        """Claim a place for the request; raises Overloaded."""
        self._admission.enter()
        self._places += 1

    def reserve(self, size: int) -> None:
        """Claim more bytes before they are allocated; raises Overloaded."""
        self._admission.take(size)
        self._size += size

    def shrink(self, size: int) -> None:
        """Return bytes that are no longer held."""
        self._admission.give_back(size)
        self._size -= size

    def close(self) -> None:
        """Return everything, once."""
        self._admission.give_back(self._size, requests=self._places)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Arrival(Reservation):
    """A reservation for a body that arrives; it has no place until ``complete``."""

    def __init__(self, admission: Admission, give_up: Callable[[], object]) -> None:
        super().__init__(admission)
        self._give_up = give_up
        self._since = monotonic()
        self._before = 0  # bytes that had come when the window began
        self._last_speed = float("inf")
        self._came = 0
        self.is_lost = False
        """True when the body was given up: its bytes are returned already."""

    @property
    def held(self) -> int:
        """The bytes that are reserved."""
        return self._size

    def reserve(self, size: int) -> None:
        """Claim bytes that have come; raises Overloaded, also when the body was given up."""
        self._refuse_lost()
        super().reserve(size)
        self._refuse_lost()
        self._came += size
        now = monotonic()
        if now - self._since >= _WINDOW_SECONDS:
            self._last_speed = self._speed(now)
            self._since, self._before = now, self._came

    def speed(self, now: float) -> float:
        """Return the bytes a second of the last second or longer; infinite within the first."""
        return self._speed(now) if now - self._since >= _WINDOW_SECONDS else self._last_speed

    def lose(self) -> None:
        """Give the body up; its bytes are returned by the caller."""
        self.is_lost = True
        self._size = 0
        self._give_up()

    def complete(self) -> None:
        """Claim a place for the whole body, which is not given up from now on; raises Overloaded."""
        if not self._admission.arrived(self):
            self._refuse_lost()
        self.admit()

    def close(self) -> None:
        """Return everything, once."""
        self._admission.arrived(self)
        super().close()

    def _speed(self, now: float) -> float:
        return (self._came - self._before) / (now - self._since)

    def _refuse_lost(self) -> None:
        if self.is_lost:
            raise Overloaded("the request arrived too slowly while others needed its memory")
