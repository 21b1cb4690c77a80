"""The command ``spanlake``. What a command needs is imported when it runs, so that --help is quick."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from spanlake.commands import register
from spanlake.config import Config, IngestLimits, InvalidSetting, QueryLimits, parse_age, parse_limit, parse_size

app = typer.Typer(
    name="spanlake",
    help="Distributed traces in Parquet, behind the Grafana Tempo API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
register(app)


class TraceQL(StrEnum):
    """How much of the language is answered."""

    TEMPO = "tempo"
    EXTENDED = "extended"


def main() -> None:
    """Run the command line."""
    app()


def _setting(parse: Callable[[str], object], variable: str, metavar: str, about: str) -> Any:
    """An option whose text is read by a function that raises InvalidSetting."""

    def checked(text: str) -> object:
        try:
            return parse(text)
        except InvalidSetting as error:
            raise typer.BadParameter(str(error)) from None

    return typer.Option(parser=checked, envvar=variable, metavar=metavar, help=about)


def _count(variable: str, about: str, least: int = 1) -> Any:
    """An option that takes a whole number."""
    return typer.Option(envvar=variable, metavar="N", min=least, help=about)


@app.callback()
def _spanlake() -> None:
    """Make every command a subcommand, also while there is only one."""


@app.command()
def serve(  # noqa: PLR0913, PLR0917, one for each setting
    data: Annotated[Path, typer.Option(envvar="SPANLAKE_DATA", help="Directory that holds blocks and index.")] = Path(
        "data"
    ),
    objects: Annotated[
        str, typer.Option(envvar="SPANLAKE_OBJECTS", metavar="URL", help="Blocks, s3://bucket/prefix; else in DIR.")
    ] = "",
    index: Annotated[
        str, typer.Option(envvar="SPANLAKE_INDEX", metavar="URL", help="Index, dynamodb://table; else in DIR.")
    ] = "",
    listen: Annotated[str, typer.Option(envvar="SPANLAKE_LISTEN", help="Address to listen on.")] = "127.0.0.1",
    retention: Annotated[
        timedelta | None,
        _setting(parse_age, "SPANLAKE_RETENTION", "AGE", "How long spans are kept, as in 14d or 36h; 0 for any age."),
    ] = "0",  # type: ignore[assignment]
    retention_bytes: Annotated[
        int | None,
        _setting(parse_size, "SPANLAKE_RETENTION_BYTES", "SIZE", "How much is kept, as in 50GB; 0 for any size."),
    ] = "50GB",  # type: ignore[assignment]
    port_offset: Annotated[
        int, typer.Option(envvar="SPANLAKE_PORT_OFFSET", metavar="N", help="Added to every port.")
    ] = 0,
    max_request_bytes: Annotated[
        int,
        _setting(
            parse_limit, "SPANLAKE_MAX_REQUEST_BYTES", "SIZE", "Largest request to store spans, when decompressed."
        ),
    ] = "64MiB",  # type: ignore[assignment]
    max_in_flight_bytes: Annotated[
        int,
        _setting(
            parse_limit, "SPANLAKE_MAX_IN_FLIGHT_BYTES", "SIZE", "Requests held in memory at once; more must retry."
        ),
    ] = "128MiB",  # type: ignore[assignment]
    linger_ms: Annotated[
        float,
        typer.Option(
            envvar="SPANLAKE_LINGER_MS",
            metavar="N",
            min=0,
            help="How long concurrent requests wait for each other to share a block.",
        ),
    ] = 10,
    query_timeout: Annotated[
        float,
        typer.Option(envvar="SPANLAKE_QUERY_TIMEOUT", metavar="SECONDS", min=0.1, help="Longest that a query may run."),
    ] = 30,
    query_memory: Annotated[
        int,
        _setting(parse_limit, "SPANLAKE_QUERY_MEMORY", "SIZE", "Memory that all queries together may use."),
    ] = "1GiB",  # type: ignore[assignment]
    query_spans: Annotated[
        int,
        _count("SPANLAKE_QUERY_SPANS", "Spans in the blocks that one query has to read; 0 for any number.", least=0),
    ] = 1_000_000_000,
    query_series: Annotated[int, _count("SPANLAKE_QUERY_SERIES", "Series of one metrics query.")] = 20_000,
    query_points: Annotated[
        int, _count("SPANLAKE_QUERY_POINTS", "Points of all series of one metrics query together.")
    ] = 1_000_000,
    query_spansets: Annotated[
        int, _count("SPANLAKE_QUERY_SPANSETS", "Spansets and pipeline stages in one query's text.")
    ] = 100,
    query_terms: Annotated[int, _count("SPANLAKE_QUERY_TERMS", "Fields and operators in one query's text.")] = 10_000,
    compaction: Annotated[
        bool, typer.Option(envvar="SPANLAKE_COMPACTION", help="Merge small blocks in the background.")
    ] = True,
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
    traceql: Annotated[
        TraceQL,
        typer.Option(envvar="SPANLAKE_TRACEQL", help="Refuse what Tempo refuses, or answer all that makes sense."),
    ] = TraceQL.TEMPO,
) -> None:
    """Take in traces and answer for them on this machine, until SIGTERM."""
    from spanlake.serve.logs import set_up_logs
    from spanlake.serve.run import run
    from spanlake.store.errors import StoreError

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
            extended=traceql is TraceQL.EXTENDED,
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
                jaeger_sampling=jaeger_sampling,
            )
        )
    except (InvalidSetting, StoreError) as error:
        typer.echo(f"spanlake: {error}", err=True)
        raise typer.Exit(1) from None
