"""Tells requests that come to a quiet server from those of a busy one.

A block for each request costs a quiet server nothing that anybody notices, and its files are in place when it has
answered. A busy server saves that work.
"""

import time
from collections.abc import Callable
from threading import Lock

_QUIET_SECONDS = 1.0
_FIRST = 8  # requests after a quiet spell


class QuietSpells:
    """Watches when requests come. Use it from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._last: float | None = None
        self._left = 0

    def come(self) -> bool:
        """Note that a request has come; true for the first few since a second without any."""
        with self._lock:
            now = self._clock()
            if self._last is None or now - self._last >= _QUIET_SECONDS:
                self._left = _FIRST
            self._last = now
            if not self._left:
                return False
            self._left -= 1
            return True
