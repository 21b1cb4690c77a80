"""The command line itself; tests/server has what `spanlake serve` does."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spanlake.cli import main

SPANLAKE = Path(sys.executable).with_name("spanlake")
HEAVY = ("pyarrow", "duckdb", "starlette", "grpc", "sqlglot", "structlog", "uvicorn", "prometheus_client")


def test_help_lists_the_commands() -> None:
    result = subprocess.run([SPANLAKE, "--help"], capture_output=True, text=True, check=True)
    assert "serve" in result.stdout
    assert "edge" in result.stdout


def test_help_of_serve_lists_its_settings_with_their_variables() -> None:
    wide = {**os.environ, "COLUMNS": "200"}
    result = subprocess.run([SPANLAKE, "serve", "--help"], env=wide, capture_output=True, text=True, check=True)
    words = " ".join(result.stdout.replace("│", " ").split())
    for setting in ("data", "listen", "retention", "retention-bytes", "port-offset"):
        assert f"--{setting}" in words
        assert f"SPANLAKE_{setting.upper().replace('-', '_')}" in words


def test_commands_share_their_options() -> None:
    """Checks that the edge has a server's options only, except for options about probes, its end and its metrics."""
    own = {"workers", "health_port", "unready_seconds", "metrics_namespace"}
    options = {command: set(inspect.signature(getattr(main, command)).parameters) for command in ("serve", "edge")}
    assert options["edge"] - own < options["serve"]
    assert not own & options["serve"]


def test_invalid_option_names_the_option_its_variable_the_value_and_the_allowed() -> None:
    wide = {**os.environ, "COLUMNS": "200"}
    command = [str(SPANLAKE), "serve", "--query-series", "0"]
    result = subprocess.run(command, env=wide, capture_output=True, text=True, check=False)
    told = " ".join(result.stderr.replace("│", " ").split())
    assert (
        "'--query-series' (env var: 'SPANLAKE_QUERY_SERIES'): '0' is too little: it must be greater than or equal to 1"
        in told
    )
    assert result.returncode == 2


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["help"], "Usage: spanlake [OPTIONS] COMMAND"),
        (["help", "query"], "Usage: spanlake query"),
        (["version"], "spanlake 0."),
        ([], "Usage: spanlake [OPTIONS] COMMAND"),
    ],
)
def test_words_of_other_programs_are_taken_for_options(words: list[str], output: str) -> None:
    result = CliRunner().invoke(main.app, words)
    assert output in result.output
    assert result.exit_code == (0 if words else 2)


def test_the_command_line_loads_nothing_heavy() -> None:
    program = f"import sys, spanlake.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
