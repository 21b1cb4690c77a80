"""Names, arguments and options of the commands; their modules are imported when they run, for a quick --help."""

from pathlib import Path
from typing import Annotated

import typer

from spanlake.cli import transfer_commands
from spanlake.cli.errors import failures_reported

_DEFAULT_URL = "http://127.0.0.1:3200"
_DEFAULT_TIMEOUT_SECONDS = 60.0

_Url = Annotated[str, typer.Option(envvar="SPANLAKE_URL", metavar="URL", help="Server of the Tempo API.")]
_Tenant = Annotated[str, typer.Option(metavar="NAME", help="Tenant, sent as X-Scope-OrgID.")]
_Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Header to send, as for a token; repeatable."),
]
_Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="Time limit for the answer.")]
_Data = Annotated[Path, typer.Option(envvar="SPANLAKE_DATA", help="Directory that holds blocks and index.")]
_Objects = Annotated[
    str, typer.Option(envvar="SPANLAKE_OBJECTS", metavar="URL", help="URL of blocks, s3://bucket/prefix; default DIR.")
]
_Index = Annotated[
    str, typer.Option(envvar="SPANLAKE_INDEX", metavar="URL", help="URL of index, dynamodb://table; default DIR.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the server's answer unchanged.")]


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    app.command()(query)
    app.command()(trace)
    app.command()(status)
    app.command()(compact)
    app.command()(reindex)
    app.command()(verify)
    transfer_commands.register(app)


def query(  # noqa: PLR0913 - a parameter for each option
    traceql: Annotated[str, typer.Argument(metavar="TRACEQL", help="The query, as in '{ status = error }'.")],
    *,
    since: Annotated[str, typer.Option(metavar="AGE", help="Age of the oldest spans, as 15m; default 1h.")] = "",
    start: Annotated[str, typer.Option(metavar="TIME", help="Start, as 2026-11-22T12:30 or Unix seconds.")] = "",
    end: Annotated[str, typer.Option(metavar="TIME", help="End; default now.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Limit on traces.")] = 20,
    spss: Annotated[int, typer.Option(metavar="N", min=0, help="Limit on spans shown of each set.")] = 3,
    step: Annotated[str, typer.Option(metavar="AGE", help="Time between points of a metrics query.")] = "",
    as_json: _AsJson = False,
    url: _Url = _DEFAULT_URL,
    tenant: _Tenant = "",
    headers: _Headers = None,
    timeout: _Timeout = _DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Find traces with TraceQL, or compute time series with a metrics query.

    Exits with 0 when something was found, 1 when nothing was found, 2 on an error.
    """
    from spanlake.cli.client.client import connect
    from spanlake.cli.client.times import step_seconds, time_range
    from spanlake.cli.query import QueryRequest, run

    with failures_reported():
        when = time_range(since, start, end)
        question = QueryRequest(traceql, when, limit=limit, spans_per_set=spss, step_seconds=step_seconds(step))
        run(connect(url, tenant, headers or (), timeout), question, as_json=as_json)


def trace(  # noqa: PLR0913 - a parameter for each option
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="Trace id in hex.")],
    *,
    attributes: Annotated[bool, typer.Option("--attributes", "-a", help="Print attributes, events and links.")] = False,
    max_spans: Annotated[int, typer.Option(metavar="N", min=0, help="Limit on spans; 0 prints all.")] = 1000,
    as_json: _AsJson = False,
    url: _Url = _DEFAULT_URL,
    tenant: _Tenant = "",
    headers: _Headers = None,
    timeout: _Timeout = _DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Print a trace as a waterfall.

    Exits with 0 when the trace exists, 1 when it does not, 2 on an error.
    """
    from spanlake.cli.client.client import connect
    from spanlake.cli.trace import TraceRequest, run

    with failures_reported():
        wanted = TraceRequest(trace_id, max_spans=max_spans or None, with_attributes=attributes)
        run(connect(url, tenant, headers or (), timeout), wanted, as_json=as_json)


def status(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Data directory to read instead of a server.")
    ] = None,
    as_json: _AsJson = False,
    url: _Url = _DEFAULT_URL,
    headers: _Headers = None,
    timeout: _Timeout = _DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Show what is stored: blocks, spans and bytes by tenant and day.

    Exits with 0 when something is stored, 1 when nothing is stored, 2 on an error.
    """
    from spanlake.cli.client.client import connect
    from spanlake.cli.status import in_directory, of_server, run

    with failures_reported():
        told = in_directory(data) if data else of_server(connect(url, "", headers or (), timeout))
        run(told, as_json=as_json)


def compact(
    *,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
) -> None:
    """Merge blocks into few large ones at once, also while a server runs on them."""
    from spanlake.cli.compact import run

    with failures_reported():
        run(data, objects, index)


def reindex(
    *,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, change nothing.")] = False,
) -> None:
    """Rebuild the index from the blocks: add those without an entry, also while a server runs on them.

    Exits with 0 when the index is complete, 2 when blocks are damaged or missing.
    """
    from spanlake.cli.reindex import run

    with failures_reported():
        run(data, objects, index, dry_run=dry_run)


def verify(
    *,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Move damaged blocks out of the store, so that all others are served.")
    ] = False,
) -> None:
    """Read every block and compare it with its checksums and the index.

    Exits with 0 when all blocks are intact, 2 when blocks are damaged or missing.
    """
    from spanlake.cli.verify import run

    with failures_reported():
        run(data, objects, index, quarantine=quarantine)
