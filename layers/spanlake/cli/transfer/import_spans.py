"""The command ``spanlake import``."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from spanlake.cli.client.client import Client
from spanlake.cli.errors import CommandError, ExitCode
from spanlake.cli.render.numbers import counted
from spanlake.cli.transfer.import_server import send
from spanlake.ingest.pipeline import Pipeline
from spanlake.ingest.request import Format, Receipt, Request
from spanlake.receivers import otlp, tempo_json
from spanlake.receivers.files.compression import Stream
from spanlake.receivers.files.records import Kind, Record, records
from spanlake.receivers.jaeger import json
from spanlake.receivers.translation import MalformedFile
from spanlake.receivers.zipkin import v2_json
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.validate import explain
from spanlake.store.blocks.block import Block
from spanlake.store.errors import StoreError
from spanlake.store.identity import check_identity
from spanlake.store.open import open_index, open_objects
from spanlake.store.write import write
from spanlake.telemetry.interface import Uncounted

_GROUP_BYTES = 8 << 20
_GROUP_RECORDS = 1024
"""Limits of a group of records that are stored together, in bytes and number.

The ids of blocks follow from their content. With other limits a file that is imported again makes other blocks, and
compaction has to drop the copies.
"""
_SHOWN_FAULTS = 5
_STANDARD_INPUT = "-"
_FORMATS = {
    Kind.OTLP: None,
    Kind.OTLP_JSON: Format.of_each("otlp_json", otlp.read_json),
    Kind.TEMPO_JSON: Format.of_each("tempo_json", tempo_json.read),
    Kind.JAEGER_JSON: Format.of_each("jaeger_json", json.read),
    Kind.ZIPKIN_JSON: Format.of_each("zipkin_json", v2_json.spans),
}


Commit = Callable[[Sequence[Request]], Sequence[Receipt | Exception]]
"""Stores requests; returns the outcome of each."""


@dataclass(frozen=True, slots=True)
class Target:
    """The store for imported spans."""

    data: Path
    objects: str
    index: str
    tenant: str
    retention: timedelta | None  # spans that started longer ago are rejected


@dataclass(slots=True)
class _Totals:
    """Counts of the spans imported and rejected so far."""

    files: int = 0
    stored: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)  # of records and files that could not be read

    def add(self, file: str, outcomes: Sequence[Receipt | Exception]) -> None:
        """Count the records of a group. Raises CommandError when they could not be stored."""
        for outcome in outcomes:
            if isinstance(outcome, Receipt):
                self.stored += outcome.accepted
                self.rejected.update(outcome.rejected)
            elif isinstance(outcome, MalformedRequest):
                self.faults.append(f"{file}: {outcome}")
            else:
                raise CommandError(f"{file} could not be stored: {outcome}; import it again, nothing is stored twice")


def run(files: Sequence[str], target: Target) -> None:
    """Store the spans of files; raises CommandError, and typer.Exit when something could not be read."""
    for file in files:
        _require(file)
    with _store(target) as commit:
        import_files(files, partial(commit, target.tenant))


def run_to_server(files: Sequence[str], client: Client) -> None:
    """Send the spans of files to a server; raises what ``run`` raises."""
    for file in files:
        _require(file)
    import_files(files, partial(send, client))


def import_files(files: Sequence[str], commit: Commit) -> None:
    """Store the spans of files with a function; raises CommandError, and typer.Exit."""
    totals = _Totals()
    with _progress(files) as advance:
        for file in files:
            with _opened(file) as source:
                _import_file(file, source, commit, totals, advance)
            totals.files += 1
    _tell(totals)


def _import_file(
    name: str,
    source: BinaryIO,
    commit: Commit,
    totals: _Totals,
    advance: Callable[[BinaryIO], None],
) -> None:
    try:
        for group in _groups(records(Stream(source))):
            totals.add(name, commit(group))
            advance(source)
    except MalformedFile as error:
        totals.faults.append(f"{name}: {error}")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror or error}") from None


def _groups(found: Iterator[Record]) -> Iterator[list[Request]]:
    """Group requests; the records before damage in the file are a group of their own."""
    group, size = list[Request](), 0
    try:
        for record in found:
            group.append(Request.of(record.body, _FORMATS[record.kind]))
            size += len(record.body)
            if size >= _GROUP_BYTES or len(group) >= _GROUP_RECORDS:
                yield group
                group, size = [], 0
    except MalformedFile:
        if group:
            yield group
        raise
    if group:
        yield group


@contextmanager
def _store(target: Target) -> Iterator[Callable[[str, Sequence[Request]], Sequence[Receipt | Exception]]]:
    """Yield a function that stores requests of a tenant; errors of the store become CommandErrors."""
    try:
        index = open_index(target.index, target.data, target.retention)
        try:
            objects = open_objects(target.objects, target.data)
            check_identity(objects, index)
            store = partial(_write, partial(write, objects, index))
            yield Pipeline(otlp.read, store, Uncounted(), target.retention, limits_days=False)
        finally:
            index.close()
    except StoreError as error:
        raise CommandError(str(error)) from None


def _write(
    store: Callable[[str, pa.Table, bytes], Sequence[Block]], tenant: str, table: pa.Table, content_hash: bytes
) -> Sequence[Block]:
    """Store spans as blocks whose ids include the number of spans.

    Spans of a file may be too old now that were stored when they were younger: the earlier blocks must stay.
    """
    return store(tenant, table, sha256(b"%d:%b" % (table.num_rows, content_hash)).digest())


def _require(file: str) -> None:
    """Raise CommandError for a file that cannot be opened, before anything is stored."""
    with _opened(file):
        pass


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == _STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115, closed below
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}") from None
    with source:
        yield source


@contextmanager
def _progress(files: Sequence[str]) -> Iterator[Callable[[BinaryIO], None]]:
    """Show on a terminal the share of the files that has been read."""
    sizes = {file: Path(file).stat().st_size for file in files if Path(file).is_file()}
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("import", total=sum(sizes.values()) or None)
        read: dict[str, int] = {}

        def advance(source: BinaryIO) -> None:
            if source.seekable():
                read[source.name] = source.tell()
                progress.update(task, completed=sum(read.values()))

        yield advance


def _tell(totals: _Totals) -> None:
    typer.echo(f"{counted(totals.stored, 'span')} imported from {counted(totals.files, 'file')}")
    if totals.rejected:
        typer.echo(f"spanlake: {explain(totals.rejected)}", err=True)
    for fault in totals.faults[:_SHOWN_FAULTS]:
        typer.echo(f"spanlake: {fault}", err=True)
    if len(totals.faults) > _SHOWN_FAULTS:
        typer.echo(f"spanlake: and {len(totals.faults) - _SHOWN_FAULTS} more faults", err=True)
    if totals.faults:
        raise typer.Exit(ExitCode.FAILED)
    if not totals.stored:
        raise typer.Exit(ExitCode.NOTHING_FOUND)
