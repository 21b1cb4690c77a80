"""The command ``spanlake``. What a command needs is imported when it runs, so that --help is quick."""

from typing import Annotated

import typer

from spanlake.cli.commands import register
from spanlake.cli.group import Commands
from spanlake.cli.options import Removed, takes_settings
from spanlake.settings.model import Config, EdgeConfig
from spanlake.settings.setting import Program

app = typer.Typer(
    name="spanlake",
    cls=Commands,
    help="Distributed traces in Parquet, behind the Grafana Tempo API.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
register(app)


def main() -> None:
    """Run the command line."""
    app()


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"spanlake {version('spanlake')}")
        raise typer.Exit


@app.callback()
def _spanlake(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Distributed traces in Parquet, behind the Grafana Tempo API."""


@app.command()
@takes_settings(Config, Program.SERVE)
def serve(config: Config) -> None:
    """Take in traces and answer for them on this machine, until SIGTERM."""
    from spanlake.server.run import run
    from spanlake.store.errors import StoreError
    from spanlake.telemetry.logs import set_up_logs

    set_up_logs(config.logs.level, config.logs.format)
    try:
        run(config)
    except StoreError as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(1) from None


_WORKERS = Removed("workers", "an edge is one process: run more of them behind a load balancer", allowed=("0", "1"))


@app.command()
@takes_settings(EdgeConfig, Program.EDGE, removed=[_WORKERS])
def edge(config: EdgeConfig) -> None:
    """Take in traces over gRPC and UDP alone, until SIGTERM."""
    from spanlake.server.edge import run
    from spanlake.store.errors import StoreError
    from spanlake.telemetry.logs import set_up_logs

    set_up_logs(config.server.logs.level, config.server.logs.format)
    try:
        run(config)
    except StoreError as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(1) from None
