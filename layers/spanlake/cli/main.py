"""The command ``spanlake``. What a command needs is imported when it runs, so that --help is quick."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from spanlake.cli import options
from spanlake.cli.commands import register
from spanlake.settings.model import Config, EdgeConfig, IngestLimits, Origins, QueryLimits, parse_origins
from spanlake.settings.units import InvalidSetting, parse_age, parse_limit, parse_share, parse_size

app = typer.Typer(
    name="spanlake",
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
def serve(  # noqa: PLR0913, PLR0917, one for each setting
    data: options.Data = Path("data"),
    objects: options.Objects = "",
    index: options.Index = "",
    listen: options.Listen = "127.0.0.1",
    retention: Annotated[timedelta | None, options.RETENTION] = "0",  # type: ignore[assignment]
    retention_bytes: Annotated[
        int | None,
        options.setting(
            parse_size, "SPANLAKE_RETENTION_BYTES", "SIZE", "How much is kept, as in 50GB; 0 for any size."
        ),
    ] = "50GB",  # type: ignore[assignment]
    port_offset: options.PortOffset = 0,
    max_request_bytes: options.MaxRequestBytes = "64MiB",  # type: ignore[assignment]
    max_in_flight_bytes: options.MaxInFlightBytes = "128MiB",  # type: ignore[assignment]
    linger_ms: options.LingerMs = 10,
    query_timeout: Annotated[float, options.seconds("SPANLAKE_QUERY_TIMEOUT", "Longest that a query may run.")] = 30,
    query_memory: Annotated[
        int,
        options.setting(parse_limit, "SPANLAKE_QUERY_MEMORY", "SIZE", "Memory that all queries together may use."),
    ] = "1GiB",  # type: ignore[assignment]
    query_spans: Annotated[
        int,
        options.count(
            "SPANLAKE_QUERY_SPANS", "Spans in the blocks that one query has to read; 0 for any number.", least=0
        ),
    ] = 1_000_000_000,
    query_series: Annotated[int, options.count("SPANLAKE_QUERY_SERIES", "Series of one metrics query.")] = 20_000,
    query_points: Annotated[
        int, options.count("SPANLAKE_QUERY_POINTS", "Points of all series of one metrics query together.")
    ] = 1_000_000,
    query_spansets: Annotated[
        int, options.count("SPANLAKE_QUERY_SPANSETS", "Spansets and pipeline stages in one query's text.")
    ] = 100,
    query_terms: Annotated[
        int, options.count("SPANLAKE_QUERY_TERMS", "Fields and operators in one query's text.")
    ] = 10_000,
    compaction: Annotated[
        bool, typer.Option(envvar="SPANLAKE_COMPACTION", help="Merge small blocks in the background.")
    ] = True,
    cors_origins: Annotated[
        Origins,
        options.setting(
            parse_origins,
            "SPANLAKE_CORS_ORIGINS",
            "ORIGINS",
            "Origins of pages that may send spans, separated by commas, or * for any; none unless set.",
        ),
    ] = "",  # type: ignore[assignment]
    garbage_share: Annotated[
        float,
        options.setting(
            parse_share,
            "SPANLAKE_GARBAGE_SHARE",
            "SHARE",
            "Share of a day's objects that may lack an index entry and be deleted.",
        ),
    ] = "0.05",  # type: ignore[assignment]
    partial_answers: Annotated[
        bool,
        typer.Option(
            envvar="SPANLAKE_PARTIAL_ANSWERS",
            help="Answer without blocks whose files are gone, and say so in a header, instead of with 503.",
        ),
    ] = False,
    keep_replaced: Annotated[
        timedelta | None,
        options.setting(
            parse_age,
            "SPANLAKE_KEEP_REPLACED",
            "AGE",
            "How long objects of replaced blocks stay; 0 for 10m, with a DynamoDB index 1d.",
        ),
    ] = "0",  # type: ignore[assignment]
    jaeger_sampling: Annotated[
        float,
        typer.Option(
            envvar="SPANLAKE_JAEGER_SAMPLING",
            metavar="P",
            min=0,
            max=1,
            help="Share of traces that Jaeger's clients are told to sample.",
        ),
    ] = 1,
) -> None:
    """Take in traces and answer for them on this machine, until SIGTERM."""
    from spanlake.server.run import run
    from spanlake.store.errors import StoreError
    from spanlake.telemetry.logs import set_up_logs

    set_up_logs()
    try:
        limits = IngestLimits(max_request_bytes, max_in_flight_bytes, linger_seconds=linger_ms / 1000)
        queries = QueryLimits(
            query_timeout,
            query_memory,
            query_spans,
            query_series,
            query_points,
            query_spansets,
            query_terms,
        )
        run(
            Config(
                data,
                listen,
                retention,
                retention_bytes,
                port_offset,
                ingest=limits,
                query=queries,
                objects=objects,
                index=index,
                compaction=compaction,
                cors_origins=cors_origins,
                garbage_share=garbage_share,
                keep_replaced=keep_replaced,
                partial_answers=partial_answers,
                jaeger_sampling=jaeger_sampling,
            )
        )
    except (InvalidSetting, StoreError) as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def edge(  # noqa: PLR0913, PLR0917, one for each setting
    data: options.Data = Path("data"),
    objects: options.Objects = "",
    index: options.Index = "",
    listen: options.Listen = "127.0.0.1",
    retention: Annotated[timedelta | None, options.RETENTION] = "0",  # type: ignore[assignment]
    port_offset: options.PortOffset = 0,
    workers: Annotated[
        int, options.count("SPANLAKE_WORKERS", "Processes that share the ports; 0 for one a processor.", 0, 64)
    ] = 0,
    health_port: Annotated[
        int, options.count("SPANLAKE_HEALTH_PORT", "Port for /ready and /metrics, before the offset.", most=65535)
    ] = 8080,
    drain_seconds: Annotated[
        float, options.seconds("SPANLAKE_DRAIN_SECONDS", "Longest time from SIGTERM to the end.", least=1)
    ] = 25,
    unready_seconds: Annotated[
        float,
        options.seconds(
            "SPANLAKE_UNREADY_SECONDS", "How much of that probes hear of the end while requests are still taken.", 0
        ),
    ] = 10,
    max_request_bytes: options.MaxRequestBytes = "64MiB",  # type: ignore[assignment]
    max_in_flight_bytes: options.MaxInFlightBytes = "128MiB",  # type: ignore[assignment]
    linger_ms: options.LingerMs = 10,
) -> None:
    """Take in traces over gRPC and UDP alone, in several processes, until SIGTERM."""
    from spanlake.telemetry.logs import set_up_logs
    from spanlake.workers.cpus import cpus
    from spanlake.workers.run import run
    from spanlake.workers.seat import GivenUp

    set_up_logs()
    try:
        worker = Config(
            data,
            listen,
            retention,
            port_offset=port_offset,
            drain_seconds=drain_seconds,
            ingest=IngestLimits(max_request_bytes, max_in_flight_bytes, linger_seconds=linger_ms / 1000),
            objects=objects,
            index=index,
        )
        run(EdgeConfig(worker, workers or cpus(), health_port, unready_seconds))
    except (InvalidSetting, GivenUp) as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(1) from None
