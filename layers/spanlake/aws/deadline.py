"""Time that an invocation has left."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

from typing import Any

_LONG_MS = 240_000  # also for waiting whether what was collected has to be put back
_SPARE_MS = 15_000  # for what is done after the last look


class OutOfTime(Exception):
    """The function is about to be stopped, and what it does has to be done by a later invocation."""


class Deadline:
    """The end of the invocation that is under way."""

    def __init__(self) -> None:
        self._context: Any = None

    def follow(self, context: Any) -> None:
        """Mind the end of this invocation, by its context, from now on."""
        self._context = context

    def has_time(self) -> bool:
        """True where there is time for a long piece of work; what is not done then has to be left."""
        return self._context is None or self._context.get_remaining_time_in_millis() >= _LONG_MS

    def check(self) -> None:
        """Raise OutOfTime when little is left; outside of an invocation there is time."""
        if self._context is not None and self._context.get_remaining_time_in_millis() < _SPARE_MS:
            raise OutOfTime("the function's time is over before its work is: what is left is done the next time")
