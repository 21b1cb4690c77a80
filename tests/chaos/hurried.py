"""`spanlake` in a hurry: ``python -m tests.chaos.hurried serve ...``.

What upkeep does by the minute and by the hour it does by the second here, and merges are of four blocks, so that a
short life has some of everything. With the variable of DEATH the process is killed, as by SIGKILL at an unlucky moment,
at a point of its work: ``SqliteIndex.replace after 3`` says after which call of what.
"""

import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Any

from spanlake.cli import main
from spanlake.serve import compose
from spanlake.serve.upkeep import UpkeepPolicy
from spanlake.store import local, sqlite
from spanlake.store.upkeep import garbage, policy

DEATH = "SPANLAKE_TESTS_DEATH"

_OWNERS: dict[str, Any] = {
    "local": local,
    "sqlite": sqlite,
    "LocalObjects": local.LocalObjects,
    "SqliteIndex": sqlite.SqliteIndex,
}
# Moments at which a process can die at each of them, and up to the how manieth call.
POINTS: dict[str, tuple[tuple[str, ...], int]] = {
    "local._write": (("before", "halfway", "after"), 60),  # a new object's content, under a temporary name
    "LocalObjects.put": (("after",), 60),
    "LocalObjects.delete": (("before", "after"), 12),
    "sqlite._put_blocks": (("after",), 60),  # within a transaction
    "SqliteIndex.add": (("after",), 60),
    "SqliteIndex.replace": (("before", "after"), 8),
    "SqliteIndex.hide": (("before", "after"), 3),
    "SqliteIndex.forget": (("before", "after"), 3),
    "SqliteIndex.expire": (("before", "after"), 2),
    "SqliteIndex.retired": (("after",), 3),
    "SqliteIndex.entries": (("after",), 6),  # garbage is being collected
}
GRACE_SECONDS = 5
UNTOUCHED = timedelta(seconds=5)
REGRET = timedelta(seconds=3)


def hurry() -> None:
    """Shorten what upkeep waits for."""
    compose.UpkeepPolicy = _hurried_policy  # type: ignore[assignment,attr-defined]
    policy.FAN_IN = 4
    garbage._UNTOUCHED = UNTOUCHED
    garbage._REGRET = REGRET


def _hurried_policy(*arguments: Any, **more: Any) -> UpkeepPolicy:
    return replace(
        UpkeepPolicy(*arguments, **more),
        look_seconds=0.2,
        plan_seconds=1.0,
        grace_seconds=GRACE_SECONDS,
        removal_seconds=0.5,
        garbage_seconds=1.0,
    )


def doom(death: str) -> None:
    """Have the process killed at that point."""
    point, moment, count = death.split()
    owner, _, name = point.partition(".")
    setattr(_OWNERS[owner], name, _deadly(getattr(_OWNERS[owner], name), moment, int(count)))


def _deadly(function: Callable[..., Any], moment: str, count: int) -> Callable[..., Any]:
    calls = itertools.count(1)

    @wraps(function)
    def last(*arguments: Any, **more: Any) -> Any:
        if next(calls) != count:
            return function(*arguments, **more)
        if moment == "halfway":
            descriptor, data = arguments
            os.write(descriptor, data[: len(data) // 2])
        if moment == "after":
            function(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    return last


if __name__ == "__main__":
    hurry()
    if DEATH in os.environ:
        doom(os.environ[DEATH])
    main()
