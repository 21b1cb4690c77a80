"""The command ``spanlake export``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spanlake.cli.client.times import time_range
from spanlake.cli.errors import nothing_found
from spanlake.cli.render.numbers import counted
from spanlake.cli.storage import opened
from spanlake.cli.transfer.export_file import FileFormat, writing
from spanlake.cli.transfer.matching import matching_traces
from spanlake.query.scan.blocks import HISTORY_NS
from spanlake.store.days import MAX_NS, clamp_ns
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects
from spanlake.store.transfer.export import Selection, export

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The selection of spans to export; times are Unix nanoseconds, bounds included."""

    tenant: str
    start_ns: int
    end_ns: int
    traceql: str = ""  # only traces that match it, completely


def bounds_ns(since: str, start: str, end: str) -> tuple[int, int]:
    """Return the range given by options: start included, end excluded; all times without options.

    Raises InvalidOption.
    """
    when = time_range(since, start or ("" if since else "0"), end)
    return when.start * SECOND_NS, when.end * SECOND_NS - 1 if end else MAX_NS


def run(
    data: Path, objects_url: str, index_url: str, wanted: ExportRequest, file: str, file_format: FileFormat
) -> None:
    """Write spans to a file; raises CommandError, and typer.Exit when there are none."""
    spans = 0
    with opened(data, objects_url, index_url) as (objects, index):
        selection = _selection(objects, index, wanted)
        with writing(file, file_format) as write, _progress(index, selection) as advance:
            for exported in export(objects, index, selection):
                if exported.spans:
                    write(exported.traces)
                spans += exported.spans
                advance(exported.rows_read)
    tell(spans)


def tell(spans: int) -> None:
    """Report the number of exported spans; raises typer.Exit when there were none."""
    if not spans:
        raise nothing_found("no spans were found to export")
    typer.echo(f"{counted(spans, 'span')} exported", err=True)


def _selection(objects: Objects, index: Index, wanted: ExportRequest) -> Selection:
    """Select the spans to read: with a query the matching traces, as far beyond the range as a search reads."""
    if not wanted.traceql:
        return Selection(wanted.tenant, wanted.start_ns, wanted.end_ns)
    found = matching_traces(objects, index, wanted.tenant, wanted.traceql, (wanted.start_ns, wanted.end_ns))
    start, end = clamp_ns(wanted.start_ns - HISTORY_NS), clamp_ns(wanted.end_ns + HISTORY_NS)
    return Selection(wanted.tenant, start, end, pa.array(sorted(found), pa.binary()))


@contextmanager
def _progress(index: Index, selection: Selection) -> Iterator[Callable[[int], None]]:
    """Show on a terminal the number of stored spans that have been read."""
    total = sum(block.spans for block in index.find(selection.tenant, selection.start_ns, selection.end_ns))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("spans", total=total)
        yield lambda spans: progress.advance(task, spans)
