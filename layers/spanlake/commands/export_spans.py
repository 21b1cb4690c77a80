"""What ``spanlake export`` does."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedWriter
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa
import typer
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spanlake.commands.ask.times import time_range
from spanlake.commands.data import opened
from spanlake.commands.errors import CommandError, nothing_found
from spanlake.commands.matching import matching_traces
from spanlake.commands.show.figures import counted
from spanlake.query.source import HISTORY_NS
from spanlake.spans.otlp_files import json_line, protobuf_record
from spanlake.store.days import MAX_NS, clamp_ns
from spanlake.store.index import Index
from spanlake.store.objects import Objects
from spanlake.store.transfer.export import Selection, export

SECOND_NS = 1_000_000_000

_STANDARD_OUTPUT = "-"


class FileFormat(StrEnum):
    """Formats of the OpenTelemetry Collector's file exporter."""

    JSON = "json"
    PROTO = "proto"


_ENCODERS: dict[FileFormat, Callable[[TracesData], bytes]] = {
    FileFormat.JSON: json_line,
    FileFormat.PROTO: protobuf_record,
}
_CODECS: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which spans are exported; times are Unix nanoseconds, bounds included."""

    tenant: str
    start_ns: int
    end_ns: int
    traceql: str = ""  # only traces that match it, and those whole


def bounds_ns(since: str, start: str, end: str) -> tuple[int, int]:
    """The range that options name, from the start on and before the end; without options all times.

    Raises InvalidOption.
    """
    when = time_range(since, start or ("" if since else "0"), end)
    return when.start * SECOND_NS, when.end * SECOND_NS - 1 if end else MAX_NS


class _Sink(Protocol):
    """What records are written to."""

    def write(self, data: bytes, /) -> object: ...


def run(data: Path, objects_url: str, index_url: str, wanted: Wanted, file: str, file_format: FileFormat) -> None:
    """Write spans to a file; raises CommandError, and typer.Exit when there are none."""
    spans = 0
    with opened(data, objects_url, index_url) as (objects, index):
        selection = _selection(objects, index, wanted)
        with _written(file) as sink, _progress(index, selection) as advance:
            for exported in export(objects, index, selection):
                if exported.spans:
                    sink.write(_ENCODERS[file_format](exported.traces))
                spans += exported.spans
                advance(exported.rows_read)
    if not spans:
        raise nothing_found("no spans were found to export")
    typer.echo(f"{counted(spans, 'span')} exported", err=True)


def _selection(objects: Objects, index: Index, wanted: Wanted) -> Selection:
    """What is read: of a query, the matching traces as far as a search looks for their spans beyond the range."""
    if not wanted.traceql:
        return Selection(wanted.tenant, wanted.start_ns, wanted.end_ns)
    found = matching_traces(objects, index, wanted.tenant, wanted.traceql, wanted.start_ns, wanted.end_ns)
    start, end = clamp_ns(wanted.start_ns - HISTORY_NS), clamp_ns(wanted.end_ns + HISTORY_NS)
    return Selection(wanted.tenant, start, end, pa.array(sorted(found), pa.binary()))


@contextmanager
def _written(file: str) -> Iterator[_Sink]:
    """A file that is there, whole, when everything has been written; its name says how it is compressed."""
    if file == _STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as target, _compressed(target, path.suffix) as sink:
            yield sink
        with partial.open("rb") as whole:
            os.fsync(whole.fileno())
        partial.replace(path)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def _compressed(target: BufferedWriter, suffix: str) -> Iterator[_Sink]:
    if suffix not in _CODECS:
        yield target
        return
    with pa.CompressedOutputStream(target, _CODECS[suffix]) as sink:
        yield sink


@contextmanager
def _progress(index: Index, selection: Selection) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many of the stored spans have been looked at."""
    total = sum(block.spans for block in index.find(selection.tenant, selection.start_ns, selection.end_ns))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("spans", total=total)
        yield lambda spans: progress.advance(task, spans)
