"""Names and options of the commands that explore traces: tags, values, services, tail, diff, sql, delete."""

from typing import Annotated

import typer

from spanlake.cli import server_options as options
from spanlake.cli.errors import failures_reported
from spanlake.cli.options import StoreAddress, takes_store

_Query = Annotated[str, typer.Option("--query", "-q", metavar="TRACEQL", help="Only spans that match this filter.")]


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    for command in (tags, values, services, tail, diff, sql, delete):
        app.command()(command)


@options.takes_source
def tags(
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help="resource, span, event, link, intrinsic …")] = "",
    *,
    query: _Query = "",
    since: options.Since = "",
    start: options.Start = "",
    end: options.End = "",
    as_json: options.AsJson = False,
    source: options.Source,
) -> None:
    """List names of attributes as queries spell them.

    Exits with 0 when there are some, 1 when there are none, 2 on an error.
    """
    from spanlake.cli.client.times import time_range
    from spanlake.cli.tags import list_tags

    with source.connected() as api:
        list_tags(api, scope, query, time_range(since, start, end), as_json=as_json)


@options.takes_source
def values(  # noqa: PLR0913 - a parameter for each option
    tag: Annotated[str, typer.Argument(metavar="NAME", help="Attribute or intrinsic, as resource.service.name.")],
    *,
    query: _Query = "",
    since: options.Since = "",
    start: options.Start = "",
    end: options.End = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Limit on values.")] = 1000,
    as_json: options.AsJson = False,
    source: options.Source,
) -> None:
    """List the values of an attribute.

    Exits with 0 when there are some, 1 when there are none, 2 on an error.
    """
    from spanlake.cli.client.times import time_range
    from spanlake.cli.tags import list_values

    with source.connected() as api:
        list_values(api, tag, query, time_range(since, start, end), limit, as_json=as_json)


@options.takes_source
def services(
    *,
    since: options.Since = "",
    start: options.Start = "",
    end: options.End = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    source: options.Source,
) -> None:
    """List services with their spans, errors and durations.

    Exits with 0 when there are some, 1 when there are none, 2 on an error.
    """
    from spanlake.cli.client.times import time_range
    from spanlake.cli.services import run

    with source.connected() as api:
        run(api, time_range(since, start, end), as_json=as_json)


@options.takes_source
def tail(
    traceql: Annotated[str, typer.Argument(metavar="TRACEQL", help="The query, as in '{ status = error }'.")] = "{}",
    *,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="Time between two requests.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print each trace as a JSON object on a line.")] = False,
    source: options.Source,
) -> None:
    """Print new traces that match as they arrive, until interrupted."""
    from spanlake.cli.tail import run

    with source.connected() as api:
        run(api, traceql, every, as_json=as_json)


@options.takes_source
def diff(
    first: Annotated[str, typer.Argument(metavar="ID", help="Id of a trace, as `spanlake trace` takes it.")],
    second: Annotated[str, typer.Argument(metavar="ID", help="Id of the trace to compare with it.")],
    *,
    as_json: options.AsJson = False,
    source: options.Source,
) -> None:
    """Compare two traces: operations that both have or only one of them, and their durations.

    Exits with 0 when both traces exist, 1 when one does not, 2 on an error.
    """
    from spanlake.cli.diff import run

    with source.connected() as api:
        run(api, first, second, as_json=as_json)


@takes_store
def sql(
    statement: Annotated[
        str, typer.Argument(metavar="SQL", help="Statement of DuckDB over the view `spans`; - reads standard input.")
    ] = "",
    *,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Tenant of the spans.")] = "single-tenant",
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="Limit on rows printed; 0 prints all.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    store: StoreAddress,
) -> None:
    """Run a statement of SQL over the live spans, also while a server runs; without one, a prompt on a terminal.

    Exits with 0 when there are rows, 1 when there are none, 2 on an error.
    """
    from spanlake.cli.sql import run

    with failures_reported():
        run(store.data, store.objects, store.index, tenant, statement, limit, as_json=as_json)


@options.takes_source
def delete(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the trace to delete.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without a question.")] = False,
    source: options.Source,
) -> None:
    """Delete a trace, for good.

    Exits with 0 when it is deleted, 1 when there is no such trace, 2 on an error.
    """
    from spanlake.cli.delete import run

    with source.connected() as api:
        run(api, trace_id, is_confirmed=yes)
