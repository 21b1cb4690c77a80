"""Interrupts statements of DuckDB that run longer than anyone waits for them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_PULSE_SECONDS = 0.05


@dataclass(frozen=True, eq=False)
class Watched:
    """A running statement: whether it must end, and how to make it."""

    must_end: Callable[[], bool]
    interrupt: Callable[[], None]


class Watchdog:
    """Interrupts statements that must end, again and again until they do.

    DuckDB forgets an interruption that comes before the statement has begun. Share the watchdog between threads. Its
    own thread ends when nothing runs.
    """

    def __init__(self) -> None:
        self._running: set[Watched] = set()
        self._is_awake = False
        self._lock = threading.Lock()

    @contextmanager
    def over(self, statement: Watched) -> Iterator[None]:
        """Watch a statement while it runs in this block; after it none is interrupted any more."""
        with self._lock:
            if not self._is_awake:
                threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
                self._is_awake = True
            self._running.add(statement)
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(statement)

    def _watch(self) -> None:
        while True:
            time.sleep(_PULSE_SECONDS)
            with self._lock:
                self._is_awake = False  # so that another thread goes on if this one fails
                for statement in self._running:
                    if statement.must_end():
                        statement.interrupt()
                if not self._running:
                    return
                self._is_awake = True
