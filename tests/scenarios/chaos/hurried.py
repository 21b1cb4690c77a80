"""`spanlake` in a hurry: ``python -m tests.scenarios.chaos.hurried serve ...``.

What maintenance does by the minute and by the hour it does by the second here, and merges are of four blocks, so that a
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
from importlib import import_module
from typing import Any

from spanlake.cli.main import main
from spanlake.ingest.log_recovery import log_destination
from spanlake.ingest.log_segments import LogPolicy
from spanlake.ingest.service import LogDestination
from spanlake.server import maintenance, storage
from spanlake.server.maintenance import MaintenancePolicy
from spanlake.store.maintenance.compaction_plan import PlanPolicy
from spanlake.store.maintenance.garbage import GarbagePolicy

DEATH = "SPANLAKE_TESTS_DEATH"

_MODULES = {
    "local": "spanlake.store.objects.local",
    "sqlite": "spanlake.store.index.sqlite",
    "write_ahead_log": "spanlake.store.write_ahead_log",
    "Segment": "spanlake.store.write_ahead_log",
    "RequestLog": "spanlake.ingest.request_log",
    "LocalObjects": "spanlake.store.objects.local",
    "SqliteIndex": "spanlake.store.index.sqlite",
    "S3Objects": "spanlake.store.objects.s3",
    "DynamoIndex": "spanlake.store.index.dynamodb.index",
}
# By backend: moments at which a process can die at each of them, and up to the how manieth call.
Points = dict[str, tuple[tuple[str, ...], int]]


def _of_index(name: str) -> Points:
    return {
        f"{name}.add": (("after",), 60),
        f"{name}.replace": (("before", "after"), 8),
        f"{name}.mark_deleted": (("before", "after"), 3),
        f"{name}.purge": (("before", "after"), 3),
        f"{name}.expire": (("before", "after"), 2),
        f"{name}.replaced_before": (("after",), 3),
        f"{name}.entries": (("after",), 6),  # garbage is being collected
    }


POINTS: dict[str, Points] = {
    "local": {
        "write_ahead_log._write": (("before", "halfway", "after"), 60),  # headers of files, and records
        "Segment.append": (("after",), 60),
        "Segment.remove": (("before", "after"), 20),
        "RequestLog._hand_over": (("before", "after"), 20),
        "local._write": (("before", "halfway", "after"), 60),  # a new object's content, under a temporary name
        "LocalObjects.put": (("after",), 60),
        "LocalObjects.delete": (("before", "after"), 12),
        "sqlite._put_blocks": (("after",), 60),  # within a transaction
        **_of_index("SqliteIndex"),
    },
    "cloud": {
        "S3Objects.put": (("before", "after"), 60),
        "S3Objects.delete": (("before", "after"), 12),
        "DynamoIndex._try_to_add": (("before", "after"), 60),
        **_of_index("DynamoIndex"),
    },
}
GRACE_SECONDS = 5
UNTOUCHED = timedelta(seconds=20)  # longer than a commit is let wait for storage, as the usual hour is
REGRET = timedelta(seconds=3)


def hurry() -> None:
    """Shorten what maintenance waits for."""
    maintenance.MaintenancePolicy = _hurried_policy  # type: ignore[assignment,misc]
    storage.log_destination = _hurried_log  # type: ignore[attr-defined]


def _hurried_log(*arguments: Any, **more: Any) -> LogDestination:
    return replace(log_destination(*arguments, **more), policy=LogPolicy(segment_seconds=0.2))


def _hurried_policy(*arguments: Any, **more: Any) -> MaintenancePolicy:
    return replace(
        MaintenancePolicy(*arguments, **more),
        look_seconds=0.2,
        plan_seconds=1.0,
        grace_seconds=GRACE_SECONDS,
        removal_seconds=0.5,
        garbage_seconds=1.0,
        garbage=GarbagePolicy(untouched=UNTOUCHED, regret=REGRET),
        plan=PlanPolicy(fan_in=4),
    )


def doom(death: str) -> None:
    """Have the process killed at that point."""
    point, moment, count = death.split()
    owner_name, _, name = point.partition(".")
    module = import_module(_MODULES[owner_name])
    owner = getattr(module, owner_name, module)
    setattr(owner, name, _deadly(getattr(owner, name), moment, int(count)))


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
