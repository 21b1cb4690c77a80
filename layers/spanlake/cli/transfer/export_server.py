"""The command ``spanlake export --url``: exports traces from a server of the Tempo API."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spanlake.cli.client import json
from spanlake.cli.client.api import PROTOBUF
from spanlake.cli.client.client import Client
from spanlake.cli.client.trace import traces_data
from spanlake.cli.errors import CommandError, InvalidOption, Refused
from spanlake.cli.printable import printable
from spanlake.cli.transfer.export_file import FileFormat, writing
from spanlake.cli.transfer.export_spans import SECOND_NS, ExportRequest, tell
from spanlake.store.days import MAX_NS

_LONGEST_SECONDS = 6 * 3600
"""Range of one search: Tempo limits it, and a shorter search takes less time."""
SEARCH_TRACES = 500
_MOST_TRACES = 1_000_000
_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}", re.ASCII)
_MISSING = 404


@dataclass(frozen=True, slots=True)
class _Range:
    """A range of Unix seconds; its end is excluded."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Query:
    """A query, and the traces that one search finds at most."""

    traceql: str
    together: int


def run(
    client: Client, wanted: ExportRequest, file: str, file_format: FileFormat, together: int = SEARCH_TRACES
) -> None:
    """Write the matching traces to a file; raises CommandError, and typer.Exit when there are none."""
    if not wanted.start_ns or wanted.end_ns == MAX_NS:
        raise InvalidOption("an export from a server needs a time range: give --start and --end")
    whole = _Range(wanted.start_ns // SECOND_NS, -(-wanted.end_ns // SECOND_NS))
    spans = 0
    with writing(file, file_format) as write, _progress(whole) as reached:
        for trace_id in _matching(client, _Query(wanted.traceql or "{}", together), whole, reached):
            trace = _trace(client, trace_id)
            if trace is not None:
                write(trace)
                spans += sum(len(scope.spans) for group in trace.resource_spans for scope in group.scope_spans)
    tell(spans)


def _matching(client: Client, query: _Query, whole: _Range, reached: Callable[[int], None]) -> Iterator[str]:
    """Yield the ids of the traces that searches of the range find, each once."""
    seen: set[str] = set()
    pending = [_Range(start, min(start + _LONGEST_SECONDS, whole.end)) for start in _starts(whole)]
    while pending:
        part = pending.pop()
        found = _search(client, query, part)
        if len(found) >= query.together and part.end - part.start > 1:
            middle = (part.start + part.end) // 2
            pending += [_Range(middle, part.end), _Range(part.start, middle)]
            continue
        if len(found) >= query.together:
            raise CommandError(f"{query.together} traces within a second match: narrow the query")
        yield from (trace_id for trace_id in found if trace_id not in seen)
        seen.update(found)
        if len(seen) > _MOST_TRACES:
            raise CommandError(f"more than {_MOST_TRACES} traces match: export a shorter range at a time")
        reached(part.end)


def _starts(whole: _Range) -> list[int]:
    """Return the starts of searches, the last first."""
    return list(range(whole.start, whole.end, _LONGEST_SECONDS))[::-1]


def _search(client: Client, query: _Query, part: _Range) -> list[str]:
    params = {
        "q": query.traceql,
        "limit": str(query.together),
        "spss": "1",
        "start": str(part.start),
        "end": str(part.end),
    }
    found = json.objects(json.parse(client.get("/api/search", params)), "traces")
    ids = [json.text(trace, "traceID").lower().rjust(32, "0") for trace in found]
    if not all(map(_TRACE_ID.fullmatch, ids)):
        raise CommandError(f"{client.url} answers a search with invalid trace ids")
    return list(dict.fromkeys(ids))


def _trace(client: Client, trace_id: str) -> TracesData | None:
    """Fetch a trace; None when it has been deleted meanwhile.

    Raises CommandError when the server reports it as partial.
    """
    try:
        trace, note = traces_data(client.get(f"/api/v2/traces/{trace_id}", accept=PROTOBUF))
    except Refused as error:
        if error.status == _MISSING:
            return None
        raise
    if note:
        raise CommandError(f"the trace {trace_id} is incomplete: {printable(note)}")
    return trace


@contextmanager
def _progress(whole: _Range) -> Iterator[Callable[[int], None]]:
    """Show on a terminal the exported share of the range."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("export", total=whole.end - whole.start)
        yield lambda end: progress.update(task, completed=end - whole.start)
