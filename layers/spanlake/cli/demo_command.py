"""The name, arguments and options of ``spanlake demo``."""

from typing import Annotated

import typer

from spanlake.cli import options as server
from spanlake.cli import server_options as options
from spanlake.cli.errors import failures_reported


def register(app: typer.Typer) -> None:
    """Add the command to a command line."""
    app.command()(demo)


def demo(  # noqa: PLR0913 - a parameter for each option
    *,
    into: Annotated[str, typer.Option(metavar="URL", help="Running server to fill, instead of one of its own.")] = "",
    traceql: Annotated[bool, typer.Option("--traceql", help="Send the ten spans of docs/traceql.md instead.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the traces; another makes other traces.")] = 1,
    listen: server.Listen = "127.0.0.1",
    port_offset: server.PortOffset = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    tenant: options.Tenant = "",
    headers: options.Headers = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Show a day of traces of a shop, with an incident to find, from a temporary directory, until SIGTERM."""
    from spanlake.cli.client.client import connect
    from spanlake.cli.demo.run import Demo, fill, now_ns, serve
    from spanlake.settings.units import InvalidSetting
    from spanlake.store.errors import StoreError
    from spanlake.telemetry.logs import set_up_logs

    shown = Demo(seed, now_ns(), traceql)
    if into:
        with failures_reported():
            fill(connect(into, tenant, headers or (), timeout), shown)
        return
    set_up_logs()
    try:
        serve(shown, listen, port_offset, is_opened=browser)
    except (InvalidSetting, StoreError) as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(1) from None
