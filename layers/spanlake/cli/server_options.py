"""Options of the commands that ask a server of the Tempo API, or read a store in its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from spanlake.cli.client.api import TempoApi
from spanlake.cli.errors import failures_reported
from spanlake.cli.options import CLIENT, STORE, Headers, Tenant, Timeout, Url, takes

__all__ = ["Headers", "Tenant", "Timeout", "Url"]

DEFAULT_URL, DEFAULT_TIMEOUT_SECONDS = CLIENT.url, CLIENT.timeout_seconds

Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data directory to read instead of asking a server.")
]
Objects = Annotated[
    str, typer.Option("--objects", metavar="URL", help="URL of blocks to read, s3://bucket/prefix, with --index.")
]
Index = Annotated[str, typer.Option("--index", metavar="URL", help="URL of their index, dynamodb://table.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the server's answer unchanged.")]
Since = Annotated[str, typer.Option(metavar="AGE", help="Age of the oldest spans, as 15m; default 1h.")]
Start = Annotated[
    str, typer.Option(metavar="TIME", help="Start, as 2026-11-22T12:30, now-2h, 'yesterday 14:00' or a Unix time.")
]
End = Annotated[str, typer.Option(metavar="TIME", help="End; default now.")]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a command finds its answers: a server, or a store where one is named."""

    url: Url = DEFAULT_URL
    tenant: Tenant = ""
    headers: Headers = None
    timeout: Timeout = DEFAULT_TIMEOUT_SECONDS  # seconds
    data: Data = None
    objects: Objects = ""
    index: Index = ""

    @contextmanager
    def connected(self) -> Iterator[TempoApi]:
        """Connect to the server or open the store; a CommandError becomes a message and the exit code."""
        with failures_reported():
            if self.data is None and not self.objects:
                from spanlake.cli.client.client import connect

                yield connect(self.url, self.tenant, self.headers or (), self.timeout)
                return
            from spanlake.cli.client.stored import stored_spans

            data = self.data or STORE.data
            with stored_spans(data, self.objects, self.index, self.tenant, self.timeout) as stored:
                yield stored


takes_source = takes(Source, "source")
"""Gives a command the options of a server and of a store, as its argument ``source``."""
