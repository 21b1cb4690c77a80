"""The command ``spanlake ready``."""

import time

import typer

from spanlake.cli.client.api import TempoApi
from spanlake.cli.errors import Refused, Unreachable

_BETWEEN_SECONDS = 0.2


def run(api: TempoApi, wait_seconds: float) -> None:
    """Print that the server is ready; raises CommandError when it is not within the time."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            api.get("/ready")
            break
        except (Refused, Unreachable):
            if time.monotonic() >= deadline:
                raise
            time.sleep(_BETWEEN_SECONDS)
    typer.echo("ready")
