"""What can go wrong with a command, and how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer


class ExitCode(IntEnum):
    """What a command tells the shell."""

    FOUND = 0
    NOTHING_FOUND = 1
    FAILED = 2


class CommandError(Exception):
    """A command that cannot do its work; ``str()`` tells the user why, fit for a terminal."""


class InvalidOption(CommandError):  # noqa: N818
    """An option or argument that makes no sense."""


class Unreachable(CommandError):  # noqa: N818
    """No answer, or only part of one."""


class MalformedAnswer(CommandError):  # noqa: N818
    """An answer that is not one of the Tempo API."""


class Refused(CommandError):  # noqa: N818
    """An answer that is an error; ``message`` is the server's own, ``str()`` adds what to do about it."""

    def __init__(self, status: int, message: str, told: str) -> None:
        super().__init__(told)
        self.status = status
        self.message = message


@contextmanager
def failures_reported() -> Iterator[None]:
    """Turn a CommandError into a message on standard error and the exit code for it."""
    try:
        yield
    except CommandError as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(ExitCode.FAILED) from None


def nothing_found(message: str) -> typer.Exit:
    """Say so on standard error; what it returns is to be raised."""
    typer.echo(f"spanlake: {message}", err=True)
    return typer.Exit(ExitCode.NOTHING_FOUND)
