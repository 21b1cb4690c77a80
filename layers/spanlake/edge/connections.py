"""Bounds on what connections take from a process: descriptors, and memory for answers that are not read."""

import asyncio
import resource
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spanlake.settings.units import MIB

_ADDRESS_SHARE = 0.8  # of all connections, those that one address may have
_LEAST_SPARE, _SPARE_SHARE = 24, 0.1  # descriptors that are left for files, of queries and of blocks being written
_UNREAD_BYTES = 128 * MIB  # of all answers that clients have not read yet; twice as much while all of them read
_PATIENCE_SECONDS = 20.0  # in which a client has to read ``_PROGRESS_BYTES`` of an answer
_PROGRESS_BYTES = 64 << 10
_HASTE_SECONDS = 2.0  # the same, when answers take more memory than they may
_LOOK_SECONDS = 1.0


class SteadyTransport:
    """A transport that takes what is written after the connection has broken, as asyncio's own does.

    uvloop's raises an error from the break until the protocol is told of it: each time a log line with a traceback.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send bytes, unless the connection has broken."""
        try:
            self._transport.write(data)
        except RuntimeError:
            if not self._transport.is_closing():
                raise


class ConnectionLimit:
    """Places for connections: as many as there are descriptors to spare, most of them for one client address.

    It belongs to one event loop.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._by_address: Counter[str] = Counter()

    @classmethod
    def of_process(cls) -> "ConnectionLimit":
        """Return the limit that this process's descriptors allow, after raising its limit as far as it may."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        files = hard if hard > 0 else 1 << 20
        return cls(max(files - _open_files() - max(_LEAST_SPARE, int(_SPARE_SHARE * files)), 8))

    def enter(self, address: str, descriptors: int = 1) -> bool:
        """Take a place; returns False when there is none for this client."""
        most_of_one = max(int(_ADDRESS_SHARE * self._most), 4)
        if self._taken + descriptors > self._most or self._by_address[address] + descriptors > most_of_one:
            return False
        self._taken += descriptors
        self._by_address[address] += descriptors
        return True

    def leave(self, address: str, descriptors: int = 1) -> None:
        """Return a place."""
        self._taken -= descriptors
        self._by_address[address] -= descriptors
        if not self._by_address[address]:
            del self._by_address[address]


def _open_files() -> int:
    """Count the descriptors in use; where the system does not list them, a usual number."""
    try:
        return len(list(Path("/dev/fd").iterdir()))
    except OSError:
        return 64


class Writer(Protocol):
    """The part of a transport that sends."""

    def get_write_buffer_size(self) -> int: ...

    def abort(self) -> None: ...


@dataclass(slots=True)
class _Seen:
    """The bytes that were waiting for a client at a time."""

    time: float
    size: int


class UnreadAnswers:
    """The connections with answers that their clients have not read. It belongs to one event loop.

    Connections whose clients read next to nothing are ended, sooner when all answers together take too much memory.
    """

    def __init__(self, most_bytes: int = _UNREAD_BYTES) -> None:
        self._most_bytes = most_bytes
        self._waiting: dict[Writer, _Seen] = {}
        self._look: asyncio.TimerHandle | None = None

    def add(self, transport: Writer) -> None:
        """Watch a connection whose client does not read as fast as it is sent to."""
        loop = asyncio.get_running_loop()
        self._waiting[transport] = _Seen(loop.time(), transport.get_write_buffer_size())
        if self._look is None:
            self._look = loop.call_later(_LOOK_SECONDS, self._look_through)
        if self._size() > self._most_bytes:
            self._end_slow(loop.time(), _HASTE_SECONDS)
        if self._size() > 2 * self._most_bytes and transport in self._waiting:
            self._end(transport)

    def remove(self, transport: Writer) -> None:
        """Watch a connection no longer."""
        self._waiting.pop(transport, None)

    def _size(self) -> int:
        return sum(transport.get_write_buffer_size() for transport in self._waiting)

    def _look_through(self) -> None:
        loop = asyncio.get_running_loop()
        is_tight = self._size() > self._most_bytes
        self._end_slow(loop.time(), _HASTE_SECONDS if is_tight else _PATIENCE_SECONDS)
        self._look = loop.call_later(_LOOK_SECONDS, self._look_through) if self._waiting else None

    def _end_slow(self, now: float, seconds: float) -> None:
        for transport, seen in list(self._waiting.items()):
            if now - seen.time < seconds:
                continue
            left = transport.get_write_buffer_size()
            if seen.size - left < _PROGRESS_BYTES:
                self._end(transport)
            elif now - seen.time >= _PATIENCE_SECONDS:
                self._waiting[transport] = _Seen(now, left)

    def _end(self, transport: Writer) -> None:
        self.remove(transport)
        transport.abort()
