"""Options of the commands that ask a server of the Tempo API, or read a store in its place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from spanlake.cli.client.api import TempoApi
from spanlake.cli.errors import failures_reported
from spanlake.cli.options import CLIENT, STORE, Headers, StoreData, Tenant, Timeout, Url

__all__ = ["Headers", "StoreData", "Tenant", "Timeout", "Url"]

DEFAULT_URL, DEFAULT_TIMEOUT_SECONDS, DEFAULT_DATA = CLIENT.url, CLIENT.timeout_seconds, STORE.data

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

    url: str
    tenant: str
    headers: Sequence[str] | None
    timeout_seconds: float
    data: Path | None = None
    objects: str = ""
    index: str = ""

    @contextmanager
    def connected(self) -> Iterator[TempoApi]:
        """Connect to the server or open the store; a CommandError becomes a message and the exit code."""
        with failures_reported():
            if self.data is None and not self.objects:
                from spanlake.cli.client.client import connect

                yield connect(self.url, self.tenant, self.headers or (), self.timeout_seconds)
                return
            from spanlake.cli.client.stored import stored_spans

            data = self.data or DEFAULT_DATA
            with stored_spans(data, self.objects, self.index, self.tenant, self.timeout_seconds) as stored:
                yield stored
