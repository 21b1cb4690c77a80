"""The command ``spanlake trace``."""

import re
from dataclasses import dataclass

from spanlake.cli.client import json
from spanlake.cli.client.client import PROTOBUF, Client
from spanlake.cli.client.trace import parse_trace
from spanlake.cli.errors import InvalidOption, Refused, nothing_found
from spanlake.cli.printable import printable
from spanlake.cli.render.terminal import output, print_json
from spanlake.cli.render.trace import show_trace

_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}", re.ASCII)
_MISSING = 404


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """A trace id, and the part of the trace to print."""

    trace_id: str
    max_spans: int | None  # None for all
    with_attributes: bool


def run(client: Client, wanted: TraceRequest, *, as_json: bool) -> None:
    """Fetch and print a trace; raises CommandError, and typer.Exit when there is no such trace."""
    if not _TRACE_ID.fullmatch(wanted.trace_id):
        raise InvalidOption(f"invalid trace id {printable(wanted.trace_id)}: write 1 to 32 hex digits")
    try:
        is_found = _json(client, wanted) if as_json else _waterfall(client, wanted)
    except Refused as error:
        if not _says_missing(error):
            raise
        is_found = False
    if not is_found:
        raise nothing_found(f"{client.url} has no trace {wanted.trace_id}")


def _waterfall(client: Client, wanted: TraceRequest) -> bool:
    trace = parse_trace(client.get(_path(wanted), accept=PROTOBUF))
    if trace.spans:
        show_trace(output(), wanted.trace_id.lower(), trace, wanted.max_spans, with_attributes=wanted.with_attributes)
    return bool(trace.spans)


def _json(client: Client, wanted: TraceRequest) -> bool:
    body = client.get(_path(wanted))
    trace = json.as_object(json.parse(body).get("trace") or {}, "trace")
    print_json(body)
    return bool(json.objects(trace, "resourceSpans") or json.objects(trace, "batches"))


def _path(wanted: TraceRequest) -> str:
    return f"/api/v2/traces/{wanted.trace_id}"


def _says_missing(error: Refused) -> bool:
    """Return True if a 404 is about the trace; on a server without the Tempo API it is about the path."""
    return error.status == _MISSING and (not error.message or "trace" in error.message)
