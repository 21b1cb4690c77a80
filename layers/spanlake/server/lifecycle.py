"""State of the process: its readiness for probes, and the signals that stop it."""

import asyncio
import signal
from collections.abc import Callable
from enum import StrEnum

SWITCH_SECONDS = 0.0005
"""Time for which a thread that computes keeps the interpreter from others that wait for it. A request needs it several
times over, after each read, write or sync; with the usual 5 ms it waits so long each time while others compute."""
ARRIVAL_SHARE = 0.8
"""Share of the drain time within which requests have to arrive, so that time is left to store them."""


class State(StrEnum):
    """Stages of a server's life; the values are the answers of /ready."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "shutting down"


class Lifecycle:
    """The state of one server."""

    def __init__(self) -> None:
        self.state = State.STARTING

    def unready_reason(self) -> str | None:
        """Return the reason why no requests are taken now, None when they are."""
        return None if self.state is State.READY else self.state.value


async def asked_to_stop(again: Callable[[signal.Signals], None] | None = None) -> signal.Signals:
    """Wait for SIGTERM or SIGINT; a second signal ends the process at once, or calls ``again`` if that is given."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[signal.Signals] = loop.create_future()

    def ask(received: signal.Signals) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)
            if again is None:
                signal.signal(name, signal.SIG_DFL)
            else:
                loop.add_signal_handler(name, again, name)
        asked.set_result(received)

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ask, name)
    return await asked
