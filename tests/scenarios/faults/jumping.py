"""`spanlake` in a hurry and with a clock that is wrong: ``python -m tests.scenarios.faults.jumping serve ...``.

The variable of CLOCK names a file with the seconds by which spanlake's clock is ahead, negative when it is behind.
Without the file the clock is right. Other libraries keep the right time: a wrong one would end in refused signatures.
"""

import os
import pkgutil
import sys
import time
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import spanlake
from spanlake.cli.main import main
from tests.scenarios.chaos.hurried import hurry

CLOCK = "SPANLAKE_TESTS_CLOCK"
_PACKAGES = ("spanlake.edge", "spanlake.query", "spanlake.server", "spanlake.spans", "spanlake.store")


def ahead() -> float:
    """The seconds by which the clock is ahead."""
    try:
        return float(Path(os.environ[CLOCK]).read_text() or 0)
    except FileNotFoundError:
        return 0.0


class _Datetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(seconds=ahead())


_TIME = SimpleNamespace(**vars(time))
_TIME.time = lambda: time.time() + ahead()
_TIME.time_ns = lambda: time.time_ns() + int(ahead() * 10**9)
_WRONG = {id(time): _TIME, id(datetime): _Datetime, id(time.time): _TIME.time, id(time.time_ns): _TIME.time_ns}


def _set_wrong() -> int:
    """Have every module of spanlake tell the time by the wrong clock; returns how many do."""
    for package in _PACKAGES:
        for found in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            import_module(found.name)
    named = [module for name, module in sys.modules.items() if name.startswith(f"{spanlake.__name__}.")]
    wrong = [
        (module, name, _WRONG[id(value)])
        for module in named
        for name, value in vars(module).items()
        if id(value) in _WRONG
    ]
    for module, name, value in wrong:
        setattr(module, name, value)
    return len({module.__name__ for module, _, _ in wrong})


if __name__ == "__main__":
    assert _set_wrong() > 3
    hurry()
    main()
