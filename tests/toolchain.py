"""Programs that tests need and that a script of the project installs, once, where they are missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_MISSING_TOOL = 3  # the script's exit status
_LONGEST_INSTALL = 900  # seconds


def installed(script: Path, what: str) -> Path:
    """The folder that the script prints.

    Skips the test on a machine that cannot have the programs, unless CI is true: then it fails.
    """
    variables = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [str(script)], capture_output=True, text=True, timeout=_LONGEST_INSTALL, check=False, env=variables
    )
    if done.returncode == 0:
        return Path(done.stdout.strip())
    reason = f"no {what}: {done.stderr.strip()}"
    if done.returncode == _MISSING_TOOL and os.environ.get("CI") != "true":
        pytest.skip(reason)
    raise RuntimeError(reason)
