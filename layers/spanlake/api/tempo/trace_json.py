"""Traces in the JSON of Tempo's API: ids in base64, enums by name, large traces written in parts.

Writing a part takes the memory of the part, and ends when nobody waits for it.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.query.engine.session import Cancellation
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.spans.otlp import json_encode
from spanlake.spans.otlp.encode import encode


def trace_v1(resource_spans: Iterable[bytes]) -> bytes:
    """Write the answer of ``/api/traces/{id}``; ``resource_spans`` are what ``items`` returns."""
    return b'{"batches":[%b]}' % _joined(resource_spans)


def trace_v2(resource_spans: Iterable[bytes] | None, partial: str = "") -> bytes:
    """Write the answer of ``/api/v2/traces/{id}``; its trace is empty when the trace was not found.

    ``partial`` says why spans are missing.
    """
    trace = b"{}" if resource_spans is None else b'{"resourceSpans":[%b]}' % _joined(resource_spans)
    status = b',"status":"PARTIAL","message":%b' % _json(partial) if partial else b""
    return b'{"trace":%b%b}' % (trace, status)


def items(traces: TracesData) -> bytes:
    """Write ResourceSpans as items of a JSON array."""
    return b",".join(_json(json_encode.write(resource_spans)) for resource_spans in traces.resource_spans)


def _joined(parts: Iterable[bytes]) -> bytes:
    return b",".join(part for part in parts if part)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_SPANS = 4096
"""Spans of a part. A trace of more has its resources once in each part."""
_ANSWER_SHARE = 4
"""The part of the memory for queries that one answer may take: a quarter."""


def chunks(table: pa.Table, check: Callable[[], None], spans: int = _SPANS) -> Iterator[bytes]:
    """Yield the spans of a trace in order of their start, as encoded TracesData of at most so many spans.

    ``check`` is called before each part, and may raise an exception.
    """
    ordered = table if table.num_rows <= spans else table.take(_by_start(table))
    for first in range(0, max(table.num_rows, 1), spans):
        check()
        yield encode(ordered.slice(first, spans), every_message=True)


def _by_start(table: pa.Table) -> "pa.UInt64Array":
    starts = table.column("start_time_unix_nano").combine_chunks().view(pa.uint64())
    return pc.array_sort_indices(starts)


def still_wanted(cancellation: Cancellation, limits: Limits) -> Callable[[], None]:
    """Make a check that raises Cancelled when the asker is gone, and LimitExceeded when the time is up from now on."""
    end = time.monotonic() + limits.seconds

    def check() -> None:
        if cancellation.cancelled:
            raise Cancelled
        if time.monotonic() > end:
            raise LimitExceeded(
                f"writing the trace took longer than {limits.seconds:g} s: ask for a part of it with q, at "
                "/api/v2/traces, or raise --query-timeout"
            )

    return check


def bounded(pieces: Iterable[bytes], limits: Limits) -> Iterator[bytes]:
    """Yield the pieces of an answer. Raises LimitExceeded when they are larger than an answer may be."""
    most = limits.memory_bytes // _ANSWER_SHARE
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise LimitExceeded(
                f"the trace is larger than {most >> 20} MiB as an answer: ask for a part of it with q, at "
                "/api/v2/traces, or raise --query-memory"
            )
        yield piece
