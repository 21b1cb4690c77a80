"""The commands' names, arguments and options. What they do is imported when they run, so that --help is quick."""

from pathlib import Path
from typing import Annotated

import typer

from spanlake.commands import app_transfer
from spanlake.commands.errors import failures_reported

_DEFAULT_URL = "http://127.0.0.1:3200"
_DEFAULT_TIMEOUT_SECONDS = 60.0

_Url = Annotated[str, typer.Option(envvar="SPANLAKE_URL", metavar="URL", help="Server of the Tempo API.")]
_Tenant = Annotated[str, typer.Option(metavar="NAME", help="Tenant, sent as X-Scope-OrgID.")]
_Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Header to send, as for a token; repeatable."),
]
_Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="How long the answer may take.")]
_Data = Annotated[Path, typer.Option(envvar="SPANLAKE_DATA", help="Directory that holds blocks and index.")]
_Objects = Annotated[
    str, typer.Option(envvar="SPANLAKE_OBJECTS", metavar="URL", help="Blocks, s3://bucket/prefix; else in DIR.")
]
_Index = Annotated[
    str, typer.Option(envvar="SPANLAKE_INDEX", metavar="URL", help="Index, dynamodb://table; else in DIR.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as the server gives it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    app.command()(query)
    app.command()(trace)
    app.command()(status)
    app.command()(compact)
    app.command()(reindex)
    app.command()(verify)
    app_transfer.register(app)


def query(  # noqa: PLR0913 - one for each option
    traceql: Annotated[str, typer.Argument(metavar="TRACEQL", help="The query, as in '{ status = error }'.")],
    *,
    since: Annotated[str, typer.Option(metavar="AGE", help="How far back to look, as in 15m or 7d; else 1h.")] = "",
    start: Annotated[str, typer.Option(metavar="TIME", help="From when, as 2026-11-22T12:30 or Unix seconds.")] = "",
    end: Annotated[str, typer.Option(metavar="TIME", help="Until when; else now.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Most traces to find.")] = 20,
    spss: Annotated[int, typer.Option(metavar="N", min=0, help="Most spans to show of each matched set.")] = 3,
    step: Annotated[str, typer.Option(metavar="AGE", help="Time between points of a metrics query.")] = "",
    as_json: _AsJson = False,
    url: _Url = _DEFAULT_URL,
    tenant: _Tenant = "",
    headers: _Headers = None,
    timeout: _Timeout = _DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Find traces with TraceQL, or compute time series with a metrics query.

    Exits with 0 when something was found, 1 when nothing was, 2 when there is no answer.
    """
    from spanlake.commands.ask.connection import connect
    from spanlake.commands.ask.times import step_seconds, time_range
    from spanlake.commands.query import Question, run

    with failures_reported():
        when = time_range(since, start, end)
        question = Question(traceql, when, limit=limit, spans_per_set=spss, step_seconds=step_seconds(step))
        run(connect(url, tenant, headers or (), timeout), question, as_json=as_json)


def trace(  # noqa: PLR0913 - one for each option
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="Trace id in hex.")],
    *,
    attributes: Annotated[bool, typer.Option("--attributes", "-a", help="Print all there is to each span.")] = False,
    max_spans: Annotated[int, typer.Option(metavar="N", min=0, help="Most spans to print; 0 prints all.")] = 1000,
    as_json: _AsJson = False,
    url: _Url = _DEFAULT_URL,
    tenant: _Tenant = "",
    headers: _Headers = None,
    timeout: _Timeout = _DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Print a trace as a waterfall.

    Exits with 0 when there is such a trace, 1 when there is none, 2 when there is no answer.
    """
    from spanlake.commands.ask.connection import connect
    from spanlake.commands.trace import Wanted, run

    with failures_reported():
        wanted = Wanted(trace_id, max_spans=max_spans or None, with_attributes=attributes)
        run(connect(url, tenant, headers or (), timeout), wanted, as_json=as_json)


def status(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Look into this data directory instead of asking a server.")
    ] = None,
    as_json: _AsJson = False,
    url: _Url = _DEFAULT_URL,
    headers: _Headers = None,
    timeout: _Timeout = _DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Tell what is stored: blocks, spans and bytes by tenant and day.

    Exits with 0 when something is stored, 1 when nothing is, 2 when there is no answer.
    """
    from spanlake.commands.ask.connection import connect
    from spanlake.commands.status import in_directory, of_server, run

    with failures_reported():
        told = in_directory(data) if data else of_server(connect(url, "", headers or (), timeout))
        run(told, as_json=as_json)


def compact(
    *,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
) -> None:
    """Merge blocks into few large ones right away, also while a server runs on them."""
    from spanlake.commands.compact import run

    with failures_reported():
        run(data, objects, index)


def reindex(
    *,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")] = False,
) -> None:
    """Rebuild the index from the blocks: add those without an entry, also while a server runs on them.

    Exits with 0 when the index is whole, 2 when blocks are damaged or missing.
    """
    from spanlake.commands.reindex import run

    with failures_reported():
        run(data, objects, index, dry_run=dry_run)


def verify(
    *,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Set damaged blocks aside, so that all others are served.")
    ] = False,
) -> None:
    """Read every block and compare it with its checksums and the index.

    Exits with 0 when all is well, 2 when blocks are damaged or missing.
    """
    from spanlake.commands.verify import run

    with failures_reported():
        run(data, objects, index, quarantine=quarantine)
