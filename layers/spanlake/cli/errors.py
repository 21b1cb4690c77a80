"""Errors of commands, and their exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer


class ExitCode(IntEnum):
    """Exit codes of commands."""

    FOUND = 0
    NOTHING_FOUND = 1
    FAILED = 2


class CommandError(Exception):
    """A failure of a command; ``str()`` is the explanation for the user, safe to print."""


class InvalidOption(CommandError):  # noqa: N818
    """An invalid option or argument."""


class Unreachable(CommandError):  # noqa: N818
    """No answer, or an incomplete one."""


class MalformedAnswer(CommandError):  # noqa: N818
    """An answer that does not belong to the Tempo API."""


class Refused(CommandError):  # noqa: N818
    """An error answer; ``message`` is the server's, ``str()`` adds advice."""

    def __init__(self, status: int, message: str, told: str) -> None:
        super().__init__(told)
        self.status = status
        self.message = message


@contextmanager
def failures_reported() -> Iterator[None]:
    """Turn a CommandError into a message on standard error and its exit code."""
    try:
        yield
    except CommandError as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(ExitCode.FAILED) from None


def nothing_found(message: str) -> typer.Exit:
    """Print the message on standard error, and return the exception to raise."""
    typer.echo(f"spanlake: {message}", err=True)
    return typer.Exit(ExitCode.NOTHING_FOUND)
