"""Tests the output on a terminal, in a file, and on a terminal without colours and Unicode."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.cli.found import two_traces
from tests.cli.spans import ID, shop
from tests.cli.tempo import Tempo

COMMAND = [
    sys.executable,
    "-c",
    "import typer, spanlake.cli.commands as c; app = typer.Typer(); c.register(app); app()",
]

COLOUR = r"\x1b\[([0-9]+;)*[349][0-7](;[0-9]+)*m"


def on_a_terminal(tempo: Tempo, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """All that a command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLUMNS": "80", "SPANLAKE_URL": tempo.url, **(environment or {})}
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen([*COMMAND, *arguments], stdout=theirs, stderr=theirs, env={**kept, **settings})
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 1 << 16):
            written += part
    except OSError:  # Linux reports a closed other end as an error
        pass
    finally:
        os.close(ours)
        process.wait(60)
    return written.decode().replace("\r\n", "\n")


def test_terminal_output_has_colours(tempo: Tempo) -> None:
    tempo.answers_trace(shop())
    written = on_a_terminal(tempo, "trace", ID)
    assert "\x1b[1;31m✗" in written
    assert re.search(COLOUR, written)


@pytest.mark.parametrize("arguments", [("trace", ID), ("query", "{}")])
def test_terminal_output_has_no_colours_with_no_color(tempo: Tempo, arguments: tuple[str, ...]) -> None:
    if arguments[0] == "trace":
        tempo.answers_trace(shop())
    else:
        tempo.answers(two_traces())
    assert not re.search(COLOUR, on_a_terminal(tempo, *arguments, environment={"NO_COLOR": "1"}))


def test_terminal_json_has_no_invisible_characters(tempo: Tempo) -> None:
    tempo.answers('{"traces": [{"rootTraceName": "ü\u202e\x9b"}],\n"x": "\U000e0041"}'.encode())
    shown = on_a_terminal(tempo, "query", "{}", "--json")
    assert shown == '{"traces": [{"rootTraceName": "ü\\u202e\\u009b"}],\n"x": "\\udb40\\udc41"}\n'


@pytest.mark.parametrize("arguments", [("trace", ID), ("query", "{}")])
def test_terminal_output_is_ascii_without_unicode(tempo: Tempo, arguments: tuple[str, ...]) -> None:
    answer = two_traces()
    answer["traces"][0]["rootTraceName"] = "日本"
    if arguments[0] == "trace":
        tempo.answers_trace(shop())
    else:
        tempo.answers(answer)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "SPANLAKE_URL": tempo.url}
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, check=True, env=environment)
    assert result.stdout.isascii()
    assert result.stderr == b""
    assert (b"|-x payment" if arguments[0] == "trace" else b"frontend  ??") in result.stdout


def test_output_to_closed_pipe_ends_quietly(tempo: Tempo) -> None:
    tempo.answers_trace(shop())
    environment = {**os.environ, "SPANLAKE_URL": tempo.url}
    process = subprocess.Popen(
        [*COMMAND, "trace", ID, "-a"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert b"Traceback" not in process.stderr.read()
    process.wait(60)
