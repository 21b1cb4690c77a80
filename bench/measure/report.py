"""Formats the output of the benchmarks."""

from rich.console import Console

_WIDTH = 140
"""Characters of a line that is not printed on a terminal."""


def console() -> Console:
    """A console on standard output, wide enough for the tables when that is a file or a pipe."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_WIDTH)
