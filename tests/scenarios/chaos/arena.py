"""The server as clients see it: one that dies and comes back, elsewhere, with what it had stored."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Event, Thread

from tests.server_process import SpanlakeServer


@dataclass(frozen=True)
class Life:
    """Server process from its start to its death."""

    number: int
    server: SpanlakeServer


class Arena:
    """Holds the server that lives just now, and the threads of the clients."""

    def __init__(self) -> None:
        self.closing = Event()
        self.failures: list[str] = []  # of clients that ended by mistake
        self._changed = Condition()
        self._life: Life | None = None
        self._threads: list[Thread] = []

    def enter(self, life: Life) -> None:
        """Let clients go to a new server."""
        with self._changed:
            self._life = life
            self._changed.notify_all()

    def leave(self) -> None:
        """Let clients wait."""
        with self._changed:
            self._life = None

    def life(self) -> Life:
        """The server to go to, once there is one; raises Over when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._life is not None or self.closing.is_set())
            if self._life is None:
                raise Over
            return self._life

    def spawn(self, client: Callable[[], None]) -> None:
        """Run a client on a thread until the arena closes."""

        def work() -> None:
            try:
                while not self.closing.is_set():
                    client()
            except Over:
                pass
            except Exception:  # noqa: BLE001, a client that has ended finds nothing
                self.failures.append(traceback.format_exc())

        self._threads.append(Thread(target=work, daemon=True))
        self._threads[-1].start()

    def close(self) -> None:
        """End the clients, each after what it is doing."""
        self.closing.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()


class Over(Exception):  # noqa: N818
    """The arena is closing."""
