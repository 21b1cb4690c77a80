"""The name, arguments and options of ``spanlake demo``."""

from typing import Annotated

import typer

from spanlake.cli import server_options as options
from spanlake.cli.errors import failures_reported
from spanlake.cli.options import STORE, PortOffset


def register(app: typer.Typer) -> None:
    """Add the command to a command line."""
    app.command()(demo)


def demo(  # noqa: PLR0913 - a parameter for each option
    *,
    into: Annotated[
        str, typer.Option(metavar="URL", help="Tempo API of a running server to fill, instead of one of its own.")
    ] = "",
    otlp: Annotated[
        str, typer.Option(metavar="URL", help="Where that server takes OTLP over HTTP, if not at the usual port.")
    ] = "",
    traceql: Annotated[bool, typer.Option("--traceql", help="Send the ten spans of docs/traceql.md instead.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the traces; another makes other traces.")] = 1,
    port_offset: PortOffset = STORE.port_offset,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    tenant: options.Tenant = "",
    headers: options.Headers = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Show a day of traces of a shop, with an incident to find, from a temporary directory, until SIGTERM."""
    from spanlake.cli.client.client import base_url, connect
    from spanlake.cli.demo.run import Demo, fill, now_ns, otlp_url, serve
    from spanlake.settings.units import InvalidSetting
    from spanlake.store.errors import StoreError
    from spanlake.telemetry.logs import set_up_logs

    shown = Demo(seed, now_ns(), traceql)
    if into:
        with failures_reported():
            page = base_url(into)
            fill(connect(otlp or otlp_url(page), tenant, headers or (), timeout), shown, page)
        return
    set_up_logs("warning")
    try:
        serve(shown, port_offset, is_opened=browser)
    except (InvalidSetting, StoreError) as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(1) from None
