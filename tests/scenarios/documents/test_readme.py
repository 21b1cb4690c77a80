"""The README's first trace works as written, up to ports and paths."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import commands, document, fenced, section
from tests.server_process import SpanlakeServer

_FIRST_TRACE = section(document("README.md"), "First trace")
_COMMANDS = dict(
    zip(
        commands(_FIRST_TRACE),
        [
            "trace id: ",
            "my-service",
            "boil eggs",
            "echo",
            "make breakfast",
            "arabica",
            "make breakfast",
            "brew coffee",
            "boil eggs",
        ],
        strict=True,
    )
)
"""Text expected in each command's output."""
_PORT = re.compile(r"(?<=localhost:)\d+")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server that holds the README's spans alone, since one of its commands shows all."""
    server = SpanlakeServer(tmp_path_factory.mktemp("readme") / "data").wait_until_ready()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def trace_id(server: SpanlakeServer) -> str:
    """The id that the README's program prints, once its spans are stored."""
    (program,) = fenced(_FIRST_TRACE, "python")
    file = server.data.parent / "first_trace.py"
    file.write_text(_moved(program, server))
    return _run([sys.executable, file.name], server).removeprefix("trace id: ").strip()


def test_program_prints_the_trace_id(trace_id: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", trace_id)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's commands need curl")
@pytest.mark.parametrize("command", _COMMANDS)
def test_command(command: str, trace_id: str, server: SpanlakeServer) -> None:
    installed = f"{Path(sys.executable).parent}/"
    here = _moved(command.replace(".venv/bin/", installed).replace("<trace-id>", trace_id), server)
    assert _COMMANDS[command] in _run(["bash", "-c", here], server)


def _moved(text: str, server: SpanlakeServer) -> str:
    """The text with the ports of this server."""
    return _PORT.sub(lambda port: str(int(port[0]) + server.offset), text)


def _run(command: list[str], server: SpanlakeServer) -> str:
    """The output of a command, run beside the data directory."""
    environment = {**os.environ, "SPANLAKE_URL": server.tempo, "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=server.data.parent, env=environment, check=True, capture_output=True, text=True
    ).stdout
