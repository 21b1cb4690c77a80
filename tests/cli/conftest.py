"""A command line with the commands alone, and a server for them to ask."""

import time
from collections.abc import Iterator
from typing import Protocol

import pytest
import typer
from typer.testing import CliRunner, Result

from spanlake.cli.commands import register
from tests.cli.tempo import Tempo, serving


class Run(Protocol):
    """Runs a command as in a terminal of so many columns, its output going elsewhere."""

    def __call__(self, *arguments: str, columns: int = 80) -> Result: ...


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times in UTC, and nothing that changes what a terminal is taken for."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES", "COLUMNS", "SPANLAKE_URL"):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def tempo() -> Iterator[Tempo]:
    """A server with prepared answers."""
    with serving() as running:
        yield running


@pytest.fixture
def run(tempo: Tempo) -> Run:
    """Runs a command that asks the server."""
    app = typer.Typer()
    register(app)

    def invoke(*arguments: str, columns: int = 80) -> Result:
        environment = {"SPANLAKE_URL": tempo.url, "COLUMNS": str(columns)}
        return CliRunner().invoke(app, arguments, env=environment, catch_exceptions=False)

    return invoke
