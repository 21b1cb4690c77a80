"""Runs scripts that judge a running server: each exits with 0 when it is right, and else prints what is wrong."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.recorded import DATA
from tests.server_process import SpanlakeServer

FOLDER = DATA / "cases"
SECONDS = 300  # that a script may take, on a busy machine


def scripts(folder: str, not_yet: Mapping[str, str]) -> list[Any]:
    """Parametrizes a test with the scripts of a folder below tests/data/cases, named as ``q01_…``.

    ``not_yet`` maps the part of a name before its first ``_`` to the reason why the script fails; such a test has to
    fail.
    """
    paths = sorted((FOLDER / folder).glob("[a-z][0-9][0-9]_*.py"))
    unknown = set(not_yet) - {_number(path) for path in paths}
    assert not unknown, f"no scripts have these numbers: {sorted(unknown)}"
    return [pytest.param(path, id=path.stem, marks=_marks(not_yet.get(_number(path)))) for path in paths]


def run_script(path: Path, server: SpanlakeServer, *arguments: str) -> None:
    """Runs a script against a server; fails with all that it prints unless it exits with 0."""
    command = [sys.executable, str(path), "--port-offset", str(server.offset), "--verbose", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{path.name} exits with {done.returncode}:\n{done.stdout}{done.stderr}"


def _number(path: Path) -> str:
    return path.stem.partition("_")[0]


def _marks(reason: str | None) -> list[pytest.MarkDecorator]:
    return [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)]
