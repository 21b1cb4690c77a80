"""Limits on requests and bytes in flight, so that many clients together cannot exhaust the memory."""

from threading import Lock
from types import TracebackType
from typing import Self

from spanlake.ingest.request import Overloaded


class Admission:
    """A budget of requests and bytes that all receivers share; safe to use from any thread."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._requests = 0
        self._bytes = 0

    @property
    def bytes_in_flight(self) -> int:
        """The bytes that all passes hold."""
        return self._bytes

    def admit(self) -> "Reservation":
        """Admit a request, which holds its place until the pass is closed; raises Overloaded."""
        with self._lock:
            if self._requests >= self._max_requests:
                raise Overloaded(f"{self._requests} requests are in flight already")
            self._requests += 1
        return Reservation(self)

    def take(self, size: int) -> None:
        """Claim bytes; raises Overloaded, and claims none, when fewer are left."""
        with self._lock:
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


class Reservation:
    """A reservation for one request and its bytes, until it is closed, as by the end of a ``with`` block."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size = 0

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
        self._admission.give_back(self._size, requests=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
