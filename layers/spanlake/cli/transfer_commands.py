"""Names and options of the commands that export and import data: blocks, export, import, backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from spanlake.cli import options
from spanlake.cli.errors import failures_reported
from spanlake.cli.options import CLIENT, STORE

_Tenant = Annotated[str, typer.Option(metavar="NAME", help="Tenant of the spans.")]


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    app.command()(blocks)
    app.command("export")(export)
    app.command("import")(import_)
    app.command()(backup)
    app.command()(restore)


@options.takes_store
def blocks(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all properties of each block, as JSON.")] = False,
    as_sql: Annotated[
        bool, typer.Option("--sql", help="Print a statement for DuckDB that makes a view `spans`.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to replace atomically, instead of printing.")
    ] = None,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Tenant of the blocks; default all tenants.")] = "",
    store: options.StoreAddress,
) -> None:
    """List the live blocks, a URI on each line, for programs that read Parquet files.

    Exits with 0 when there are blocks, 1 when there are none, 2 on an error.
    """
    from spanlake.cli.blocks import Form, run
    from spanlake.cli.errors import InvalidOption

    with failures_reported():
        if as_json and as_sql:
            raise InvalidOption("--json and --sql exclude each other: give one of them")
        run(
            store.data,
            store.objects,
            store.index,
            tenant,
            Form.JSON if as_json else Form.SQL if as_sql else Form.LINES,
            output,
        )


@options.takes_store
def export(  # noqa: PLR0913 - a parameter for each option
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="File to write; .gz and .zst compress it; - is standard output.")
    ],
    *,
    file_format: Annotated[
        str, typer.Option("--format", metavar="json|proto", help="Format, as the Collector's file exporter has it.")
    ] = "json",
    traceql: Annotated[str, typer.Option("--query", "-q", metavar="TRACEQL", help="Only traces that match.")] = "",
    since: Annotated[str, typer.Option(metavar="AGE", help="Age of the oldest spans, as 7d; default all.")] = "",
    start: Annotated[str, typer.Option(metavar="TIME", help="Start, as 2026-11-22T12:30 or Unix seconds.")] = "",
    end: Annotated[str, typer.Option(metavar="TIME", help="End; default now.")] = "",
    tenant: _Tenant = "single-tenant",
    url: Annotated[
        str, typer.Option(metavar="URL", help="Server of the Tempo API to export from; default the store.")
    ] = "",
    headers: options.Headers = None,
    store: options.StoreAddress,
) -> None:
    """Write spans to a file as OTLP, in JSON lines or protobuf, also while a server runs.

    Exits with 0 when spans were written, 1 when there were none, 2 on an error.
    """
    from spanlake.cli.errors import InvalidOption
    from spanlake.cli.transfer.export_file import FileFormat
    from spanlake.cli.transfer.export_spans import ExportRequest, bounds_ns, run

    with failures_reported():
        if file_format not in list(FileFormat):
            raise InvalidOption(f"invalid --format: write {' or '.join(FileFormat)}")
        wanted, form = ExportRequest(tenant, *bounds_ns(since, start, end), traceql), FileFormat(file_format)
        if url:
            from spanlake.cli.client.client import connect
            from spanlake.cli.transfer.export_server import run as run_from_server

            run_from_server(connect(url, tenant, headers or (), CLIENT.timeout_seconds), wanted, file, form)
        else:
            run(store.data, store.objects, store.index, wanted, file, form)


@options.takes_store
def import_(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files with spans; - is standard input.")],
    *,
    tenant: _Tenant = "single-tenant",
    retention: options.Retention = STORE.retention,
    url: Annotated[
        str, typer.Option(metavar="URL", help="Server to send spans to, its port of OTLP/HTTP; default the store.")
    ] = "",
    headers: options.Headers = None,
    store: options.StoreAddress,
) -> None:
    """Store spans of files: OTLP in protobuf or JSON, Jaeger's JSON, Tempo's JSON, compressed or not.

    A file that is imported again is stored once. Exits with 0 when spans were stored, 1 when there were none, 2 when a
    file or record could not be read.
    """
    from spanlake.cli.client.client import connect
    from spanlake.cli.transfer.import_spans import Target, run, run_to_server

    with failures_reported():
        _check_tenant(tenant)
        if url:
            run_to_server(files, connect(url, tenant, headers or (), CLIENT.timeout_seconds))
        else:
            run(files, Target(store.data, store.objects, store.index, tenant, retention))


def _check_tenant(tenant: str) -> None:
    """Raise InvalidOption for a name that no tenant can have."""
    from spanlake.cli.errors import InvalidOption
    from spanlake.store.errors import InvalidTenant
    from spanlake.store.tenant import validate_tenant

    try:
        validate_tenant(tenant)
    except InvalidTenant as error:
        raise InvalidOption(f"invalid --tenant: {error}") from None


@options.takes_store
def backup(
    place: Annotated[str, typer.Argument(metavar="DIR|s3://…", help="Directory or URL of the backup.")],
    *,
    keep: Annotated[int, typer.Option(metavar="N", min=0, help="Snapshots to keep, the newest; 0 keeps all.")] = 0,
    store: options.StoreAddress,
) -> None:
    """Add a snapshot of the store to a backup, also while a server runs. Copies new blocks only.

    Exits with 0 when all blocks are saved, 2 on an error or when some blocks are damaged; the others are saved then.
    """
    from spanlake.cli.transfer.backup import run_backup

    with failures_reported():
        run_backup(place, store.data, store.objects, store.index, keep)


@options.takes_store
def restore(
    place: Annotated[str, typer.Argument(metavar="DIR|s3://…", help="Directory or URL of the backup.")],
    *,
    snapshot: Annotated[str, typer.Option(metavar="NAME", help="Snapshot to restore; default the newest.")] = "",
    merge: Annotated[bool, typer.Option("--merge", help="Add to a store that is not empty.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the backup with its digests, restore nothing.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="Print the snapshots, restore nothing.")] = False,
    store: options.StoreAddress,
) -> None:
    """Restore a snapshot of a backup into an empty store, every block compared with its digest.

    Exits with 0 when all blocks are restored, 2 on an error or when the backup is damaged; nothing is restored then.
    """
    from spanlake.cli.transfer.backup import run_list, run_restore, run_verify

    with failures_reported():
        if list_:
            run_list(place)
        elif verify:
            run_verify(place, snapshot)
        else:
            run_restore(place, store.data, store.objects, store.index, name=snapshot, merge=merge)
