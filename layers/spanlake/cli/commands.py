"""Names, arguments and options of the commands; their modules are imported when they run, for a quick --help."""

from pathlib import Path
from typing import Annotated

import typer

from spanlake.cli import demo_command, explore_commands, transfer_commands
from spanlake.cli import server_options as options
from spanlake.cli.errors import failures_reported
from spanlake.cli.options import STORE, Index, StoreAddress, takes_store


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    app.command()(query)
    app.command()(trace)
    app.command()(status)
    app.command()(ready)
    app.command()(compact)
    app.command()(reindex)
    app.command()(verify)
    app.command()(token)
    app.command()(limits)
    explore_commands.register(app)
    demo_command.register(app)
    transfer_commands.register(app)


@options.takes_source
def query(  # noqa: PLR0913 - a parameter for each option
    traceql: Annotated[str, typer.Argument(metavar="TRACEQL", help="The query, as in '{ status = error }'.")],
    *,
    since: options.Since = "",
    start: options.Start = "",
    end: options.End = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Limit on traces, the newest.")] = 20,
    spss: Annotated[int, typer.Option(metavar="N", min=0, help="Limit on spans shown of each set.")] = 3,
    step: Annotated[str, typer.Option(metavar="AGE", help="Time between points of a metrics query.")] = "",
    instant: Annotated[
        bool, typer.Option("--instant", "-i", help="One value for the whole range instead of one each step.")
    ] = False,
    as_json: options.AsJson = False,
    source: options.Source,
) -> None:
    """Find traces with TraceQL, or compute time series with a metrics query.

    Exits with 0 when something was found, 1 when nothing was found, 2 on an error.
    """
    from spanlake.cli.client.times import step_seconds, time_range
    from spanlake.cli.query import QueryRequest, run

    with source.connected() as api:
        wanted = QueryRequest(traceql, time_range(since, start, end), limit, spss, step_seconds(step), instant)
        run(api, wanted, as_json=as_json)


@options.takes_source
def trace(
    trace_id: Annotated[
        str, typer.Argument(metavar="ID", help="Trace id in hex, with or without dashes, or a traceparent.")
    ],
    *,
    attributes: Annotated[bool, typer.Option("--attributes", "-a", help="Print attributes, events and links.")] = False,
    max_spans: Annotated[int, typer.Option(metavar="N", min=0, help="Limit on spans; 0 prints all.")] = 1000,
    as_json: options.AsJson = False,
    source: options.Source,
) -> None:
    """Print a trace as a waterfall.

    Exits with 0 when the trace exists, 1 when it does not, 2 on an error.
    """
    from spanlake.cli.trace import TraceRequest, run

    with source.connected() as api:
        wanted = TraceRequest(trace_id, max_spans=max_spans or None, with_attributes=attributes)
        run(api, wanted, as_json=as_json)


def status(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Data directory to read instead of a server.")
    ] = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    headers: options.Headers = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Show what is stored: blocks, spans and bytes by tenant and day.

    Exits with 0 when something is stored, 1 when nothing is stored, 2 on an error.
    """
    from spanlake.cli.client.client import connect
    from spanlake.cli.status import in_directory, of_server, run

    with failures_reported():
        told = in_directory(data) if data else of_server(connect(url, "", headers or (), timeout))
        run(told, as_json=as_json)


def ready(
    *,
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Longest time to wait for it.")] = 0,
    url: options.Url = options.DEFAULT_URL,
    headers: options.Headers = None,
    timeout: options.Timeout = 4,
) -> None:
    """Say whether a server takes spans and queries, as for a container's health check.

    Exits with 0 when it is ready, 2 when it is not.
    """
    from spanlake.cli.ready import run

    with options.Source(url, "", headers, timeout).connected() as api:
        run(api, wait)


@takes_store
def compact(
    *,
    store: StoreAddress,
) -> None:
    """Merge blocks into few large ones at once, also while a server runs on them."""
    from spanlake.cli.compact import run

    with failures_reported():
        run(store.data, store.objects, store.index)


@takes_store
def reindex(
    *,
    store: StoreAddress,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, change nothing.")] = False,
) -> None:
    """Rebuild the index from the blocks: add those without an entry, also while a server runs on them.

    Exits with 0 when the index is complete, 2 when blocks are damaged or missing.
    """
    from spanlake.cli.reindex import run

    with failures_reported():
        run(store.data, store.objects, store.index, dry_run=dry_run)


@takes_store
def verify(
    *,
    store: StoreAddress,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Move damaged blocks out of the store, so that all others are served.")
    ] = False,
) -> None:
    """Read every block and compare it with its checksums and the index.

    Exits with 0 when all blocks are intact, 2 when blocks are damaged or missing.
    """
    from spanlake.cli.verify import run

    with failures_reported():
        run(store.data, store.objects, store.index, quarantine=quarantine)


def limits(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of limits of tenants in TOML.")],
    *,
    index: Index = STORE.index,
) -> None:
    """Write limits of tenants into a DynamoDB index, from which servers and functions read them."""
    from spanlake.cli.limits import run

    with failures_reported():
        run(file, index)


def token(
    *,
    tenants: Annotated[
        list[str],
        typer.Option("--tenant", metavar="NAME", help="Tenant, or * for any; repeatable, the first is default."),
    ],
    roles: Annotated[
        list[str],
        typer.Option("--role", metavar="ROLE", help="write, read, delete or admin; repeatable."),
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the token in logs.")] = "",
) -> None:
    """Make a token: prints it on standard error, and on standard output its line for the file of --tokens."""
    from spanlake.cli.token import run

    with failures_reported():
        run(tenants, roles, name)
