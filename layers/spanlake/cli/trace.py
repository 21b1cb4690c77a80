"""The command ``spanlake trace``."""

import re
from dataclasses import dataclass, replace

from spanlake.cli.client import json
from spanlake.cli.client.api import PROTOBUF, TempoApi
from spanlake.cli.client.trace import parse_trace
from spanlake.cli.errors import InvalidOption, Refused, nothing_found
from spanlake.cli.printable import printable
from spanlake.cli.render.terminal import output, print_json
from spanlake.cli.render.trace import show_trace

_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII)  # W3C
_XRAY = re.compile(r"(?:Root=)?1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})(?:;.*)?", re.ASCII)
_OF_TRACE = re.compile(r"\btrace\b", re.IGNORECASE)
_MISSING = 404
_LENGTHS = {16, 32}  # of whole ids in hex


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """A trace id, and the part of the trace to print."""

    trace_id: str
    max_spans: int | None  # None for all
    with_attributes: bool


def run(client: TempoApi, wanted: TraceRequest, *, as_json: bool) -> None:
    """Fetch and print a trace; raises CommandError, and typer.Exit when there is no such trace."""
    wanted = replace(wanted, trace_id=parse_trace_id(wanted.trace_id))
    try:
        is_found = _json(client, wanted) if as_json else _waterfall(client, wanted)
    except Refused as error:
        if not is_about_trace(error):
            raise
        is_found = False
    if not is_found:
        raise nothing_found(f"{client.url} has no trace {wanted.trace_id}{_of_length(wanted.trace_id)}")


def _of_length(digits: str) -> str:
    """Say how a short id was read, which may be the beginning of a longer one."""
    return "" if len(digits) in _LENGTHS else f": {len(digits)} digits are the last of 32, the others being 0"


def parse_trace_id(text: str) -> str:
    """Return the hex digits of a trace id, a UUID, a traceparent, or an id of X-Ray; raises InvalidOption."""
    text = text.strip()
    if found := _TRACEPARENT.fullmatch(text) or _XRAY.fullmatch(text):
        return "".join(found.groups())
    digits = text.replace("-", "")
    if not _TRACE_ID.fullmatch(digits):
        raise InvalidOption(f"invalid trace id {printable(text)}: write 1 to 32 hex digits, or a traceparent")
    return digits


def _waterfall(client: TempoApi, wanted: TraceRequest) -> bool:
    trace = parse_trace(client.get(_path(wanted), accept=PROTOBUF))
    if trace.spans:
        show_trace(output(), wanted.trace_id.lower(), trace, wanted.max_spans, with_attributes=wanted.with_attributes)
    return bool(trace.spans)


def _json(client: TempoApi, wanted: TraceRequest) -> bool:
    body = client.get(_path(wanted))
    trace = json.as_object(json.parse(body).get("trace") or {}, "trace")
    print_json(body)
    return bool(json.objects(trace, "resourceSpans") or json.objects(trace, "batches"))


def _path(wanted: TraceRequest) -> str:
    return f"/api/v2/traces/{wanted.trace_id}"


def is_about_trace(error: Refused) -> bool:
    """Return True if a 404 is about the trace; on a server without the Tempo API it is about the path."""
    return error.status == _MISSING and (not error.message or bool(_OF_TRACE.search(error.message)))
