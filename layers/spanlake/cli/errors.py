"""Errors of commands, and their exit codes."""

import os
import sys
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
    """Turn a CommandError into a message on standard error and its exit code.

    Output that cannot be written is such an error, except where its reader has gone, as after ``| head``.
    """
    try:
        with _output_written():
            yield
    except CommandError as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(ExitCode.FAILED) from None


@contextmanager
def _output_written() -> Iterator[None]:
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        raise typer.Exit(ExitCode.FOUND) from None
    except OSError as error:
        _discard_output()
        raise CommandError(f"the output cannot be written: {error.strerror or error}") from None


def _discard_output() -> None:
    """Let what is still to be written to standard output go nowhere, as Python does when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # it is not a file, as in tests
        return


def nothing_found(message: str) -> typer.Exit:
    """Print the message on standard error, and return the exception to raise."""
    typer.echo(f"spanlake: {message}", err=True)
    return typer.Exit(ExitCode.NOTHING_FOUND)
