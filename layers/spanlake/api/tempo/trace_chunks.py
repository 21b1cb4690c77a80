"""Large traces in parts, so that writing them takes the memory of a part, and ends when nobody waits for it."""

import time
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.engine.session import Cancellation
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.spans.otlp.encode import encode

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
