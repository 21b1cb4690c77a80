"""The console for output, and the characters that it can show."""

import io
import json
import sys
from dataclasses import dataclass

import typer
from rich.console import Console


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Characters for drawing."""

    branch: str
    last: str
    pipe: str
    blank: str
    ends: str  # a cell filled from the left, from empty to full in eighths
    starts: str  # a cell filled up to its right edge, from full to nearly empty in eighths
    levels: str  # from the lowest to the highest
    error: str
    orphan: str
    cycle: str


UNICODE = Glyphs("├╴", "└╴", "│ ", "  ", " ▏▎▍▌▋▊▉█", "███▐▐▐▕▕", "▁▂▃▄▅▆▇█", "✗ ", "⋯ ", "↻ ")
ASCII = Glyphs("|-", "`-", "| ", "  ", " ||||####", "########", "_.-:=+*#", "x ", "? ", "@ ")


class _Output(Console):
    """The console on standard output; a reader that has gone is reported as BrokenPipeError."""

    def on_broken_pipe(self) -> None:
        """Leave the end of the command to the caller, instead of ending with 1, which means that nothing was found."""
        self.quiet = True
        raise BrokenPipeError


def output() -> Console:
    """Return the console on standard output: colours only on a terminal and without NO_COLOR, and no markup."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name in another script must not end the command on a terminal without UTF-8.
        sys.stdout.reconfigure(errors="replace")
    return _Output(markup=False, emoji=False, highlight=False)


NARROW = 60
"""Width of a terminal below which tables give way to lines."""


def glyphs(console: Console) -> Glyphs:
    """Return the characters for drawing that the console's encoding allows."""
    return ASCII if console.options.ascii_only else UNICODE


def print_json(body: bytes) -> None:
    """Print the answer unchanged; on a terminal all invisible characters in it are escaped."""
    if not sys.stdout.isatty():
        typer.echo(body.rstrip(b"\n"))
        return
    text = body.decode("utf-8", "replace").rstrip("\n")
    typer.echo("".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text))
