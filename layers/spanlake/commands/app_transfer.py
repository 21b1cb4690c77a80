"""Names and options of the commands that hand out spans and take them back: blocks, export, import, backup, restore."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from spanlake.commands.errors import failures_reported
from spanlake.config import InvalidSetting, parse_age

_Data = Annotated[Path, typer.Option(envvar="SPANLAKE_DATA", help="Directory that holds blocks and index.")]
_Objects = Annotated[
    str, typer.Option(envvar="SPANLAKE_OBJECTS", metavar="URL", help="Blocks, s3://bucket/prefix; else in DIR.")
]
_Index = Annotated[
    str, typer.Option(envvar="SPANLAKE_INDEX", metavar="URL", help="Index, dynamodb://table; else in DIR.")
]
_Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Header to send with --url; repeatable."),
]
_TIMEOUT_SECONDS = 60.0
_Tenant = Annotated[str, typer.Option(metavar="NAME", help="Tenant whose spans they are.")]


def register(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    app.command()(blocks)
    app.command("export")(export)
    app.command("import")(import_)
    app.command()(backup)
    app.command()(restore)


def _age(text: str) -> timedelta | None:
    try:
        return parse_age(text)
    except InvalidSetting as error:
        raise typer.BadParameter(str(error)) from None


def blocks(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all there is to each block, as JSON.")] = False,
    as_sql: Annotated[
        bool, typer.Option("--sql", help="Print a statement for DuckDB: it makes a view `spans`.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Replace this file by it, in one step, instead of printing.")
    ] = None,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Tenant whose blocks they are; else of all.")] = "",
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
) -> None:
    """List the live blocks, one URI a line, for programs that read Parquet files.

    Exits with 0 when there are blocks, 1 when there are none, 2 when it failed.
    """
    from spanlake.commands.blocks import Form, run
    from spanlake.commands.errors import InvalidOption

    with failures_reported():
        if as_json and as_sql:
            raise InvalidOption("--json and --sql are two forms of one list: give one of them")
        run(data, objects, index, tenant, Form.JSON if as_json else Form.SQL if as_sql else Form.LINES, output)


def export(  # noqa: PLR0913 - one for each option
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="File to write; .gz and .zst compress it; - is standard output.")
    ],
    *,
    file_format: Annotated[
        str, typer.Option("--format", metavar="json|proto", help="Format, as the Collector's file exporter has it.")
    ] = "json",
    traceql: Annotated[str, typer.Option("--query", "-q", metavar="TRACEQL", help="Only traces that match.")] = "",
    since: Annotated[str, typer.Option(metavar="AGE", help="How far back to look, as in 15m or 7d; else all.")] = "",
    start: Annotated[str, typer.Option(metavar="TIME", help="From when, as 2026-11-22T12:30 or Unix seconds.")] = "",
    end: Annotated[str, typer.Option(metavar="TIME", help="Until when.")] = "",
    tenant: _Tenant = "single-tenant",
    url: Annotated[
        str, typer.Option(metavar="URL", help="Server of the Tempo API to export from, any; else the store.")
    ] = "",
    headers: _Headers = None,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
) -> None:
    """Write spans to a file as OTLP, in JSON lines or protobuf, also while a server runs.

    Exits with 0 when spans were written, 1 when there were none, 2 when it failed.
    """
    from spanlake.commands.errors import InvalidOption
    from spanlake.commands.export_file import FileFormat
    from spanlake.commands.export_spans import Wanted, bounds_ns, run

    with failures_reported():
        if file_format not in list(FileFormat):
            raise InvalidOption(f"invalid --format: write {' or '.join(FileFormat)}")
        wanted, form = Wanted(tenant, *bounds_ns(since, start, end), traceql), FileFormat(file_format)
        if url:
            from spanlake.commands.ask.connection import connect
            from spanlake.commands.export_server import run as run_from_server

            run_from_server(connect(url, tenant, headers or (), _TIMEOUT_SECONDS), wanted, file, form)
        else:
            run(data, objects, index, wanted, file, form)


def import_(  # noqa: PLR0913 - one for each option
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files with spans; - is standard input.")],
    *,
    tenant: _Tenant = "single-tenant",
    retention: Annotated[
        timedelta | None,
        typer.Option(
            parser=_age,
            envvar="SPANLAKE_RETENTION",
            metavar="AGE",
            help="How long spans are kept, as in 14d; older ones are refused; 0 takes any age.",
        ),
    ] = "0",  # type: ignore[assignment]
    url: Annotated[
        str, typer.Option(metavar="URL", help="Server to send them to, its port of OTLP over HTTP; else the store.")
    ] = "",
    headers: _Headers = None,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
) -> None:
    """Store spans of files: OTLP in protobuf or JSON, Jaeger's JSON, Tempo's JSON, compressed or not.

    A file that is imported again is stored once. Exits with 0 when spans were stored, 1 when there were none, 2 when
    something could not be read.
    """
    from spanlake.commands.ask.connection import connect
    from spanlake.commands.import_spans import Target, run, run_to_server
    from spanlake.store.errors import InvalidTenant
    from spanlake.store.tenant import validate_tenant

    with failures_reported():
        try:
            validate_tenant(tenant)
        except InvalidTenant as error:
            from spanlake.commands.errors import InvalidOption

            raise InvalidOption(f"invalid --tenant: {error}") from None
        if url:
            run_to_server(files, connect(url, tenant, headers or (), _TIMEOUT_SECONDS))
        else:
            run(files, Target(data, objects, index, tenant, retention))


def backup(
    place: Annotated[str, typer.Argument(metavar="DIR|s3://…", help="Where the backup is, or is to be.")],
    *,
    keep: Annotated[int, typer.Option(metavar="N", min=0, help="Snapshots to keep, the newest; 0 keeps all.")] = 0,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
) -> None:
    """Add a snapshot of all that is stored to a backup, also while a server runs. Copies only what is new.

    Exits with 0 when all is saved, 2 when it failed or some blocks are damaged; the others are saved then.
    """
    from spanlake.commands.backup import run_backup

    with failures_reported():
        run_backup(place, data, objects, index, keep)


def restore(  # noqa: PLR0913 - one for each option
    place: Annotated[str, typer.Argument(metavar="DIR|s3://…", help="Where the backup is.")],
    *,
    snapshot: Annotated[str, typer.Option(metavar="NAME", help="Snapshot to restore; else the newest.")] = "",
    merge: Annotated[bool, typer.Option("--merge", help="Add to a store that is not empty.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the backup with its digests, restore nothing.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="Print the snapshots, restore nothing.")] = False,
    data: _Data = Path("data"),
    objects: _Objects = "",
    index: _Index = "",
) -> None:
    """Restore a snapshot of a backup into an empty store, every block compared with its digest.

    Exits with 0 when all is restored, 2 when it failed or the backup is damaged; nothing is restored then.
    """
    from spanlake.commands.backup import run_list, run_restore, run_verify

    with failures_reported():
        if list_:
            run_list(place)
        elif verify:
            run_verify(place, snapshot)
        else:
            run_restore(place, data, objects, index, name=snapshot, merge=merge)
