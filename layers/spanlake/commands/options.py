"""The options that say which server is asked, and how: the same for every command."""

from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:3200"
DEFAULT_TIMEOUT_SECONDS = 60.0

Url = Annotated[str, typer.Option("--url", envvar="SPANLAKE_URL", metavar="URL", help="Server of the Tempo API.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Tenant, sent as X-Scope-OrgID.")]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Header to send, as for a token; repeatable."),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="How long the answer may take.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as the server gave it.")]
