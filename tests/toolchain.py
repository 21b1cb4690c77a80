"""Programs that tests need and that a script of the project installs, once, where they are missing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

BRIEF_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Options of a Java that runs for minutes: it never gives back what its second compiler and collector threads take."""

_LEFT_OUT = "SPANLAKE_TESTS_TOOLS"  # the variable that is "no" for `make check`
_MISSING_TOOL = 3  # the script's exit status
_LONGEST_INSTALL = 1200  # seconds


def installed(script: Path, what: str, *arguments: str) -> list[str]:
    """The lines that the script prints: where the programs are, or how to start them.

    Skips the test on a machine that cannot have the programs, unless CI is true: then it fails.
    """
    skip_where_left_out(what)
    done = subprocess.run(
        [script, *arguments],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=_LONGEST_INSTALL,
        check=False,
    )
    if done.returncode:
        missing(f"no {what}: {done.stderr.strip()}", is_tool=done.returncode == _MISSING_TOOL)
    return done.stdout.splitlines()


def missing(reason: str, *, is_tool: bool) -> NoReturn:
    """Skip the test where it is a tool that a machine may lack, unless CI is true: then fail."""
    if is_tool and os.environ.get("CI") != "true":
        pytest.skip(reason)
    raise RuntimeError(reason)


def skip_where_left_out(what: str) -> None:
    """Skip the test in `make check`, which goes without such programs."""
    if os.environ.get(_LEFT_OUT) == "no":
        pytest.skip(f"`make check` goes without {what}")
