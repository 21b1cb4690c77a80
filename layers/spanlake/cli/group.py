"""The group of all commands: names missing quotes, and takes a reader of --help that has gone for no error."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import typer
from typer.core import TyperGroup

from spanlake.cli.errors import ExitCode, failures_reported
from spanlake.cli.quoting import unquoted

_HELP = {"-h", "--help"}
_IS_HELP = "spanlake.is_help"


class Commands(TyperGroup):
    """The commands by their names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the program's name; prints the group's own --help."""
        args = _meant(args)
        ctx.meta[_IS_HELP] = not args or not _HELP.isdisjoint(args)
        with _reporting(ctx):
            if advice := unquoted(args):
                typer.echo(f"spanlake: {advice}", err=True)
                raise typer.Exit(ExitCode.FAILED)
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, or print its --help."""
        with _reporting(ctx):
            return super().invoke(ctx)


def _meant(args: list[str]) -> list[str]:
    """Return the options for words that other programs have as commands: help, version."""
    match args:
        case ["help", *rest]:
            return [*rest[:1], "--help"]
        case ["version"]:
            return ["--version"]
        case _:
            return args


def _reporting(ctx: Any) -> AbstractContextManager[None]:
    """Report output that cannot be written where it is help; commands report failures of their own."""
    return _help_printed() if ctx.meta[_IS_HELP] else nullcontext()


@contextmanager
def _help_printed() -> Iterator[None]:
    with failures_reported():
        try:
            yield
        except SystemExit as end:  # of rich, with 1, when the reader has gone
            raise (BrokenPipeError if end.code == 1 else end) from None
