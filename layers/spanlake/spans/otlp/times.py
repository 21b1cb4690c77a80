"""Start and duration of spans."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int64

_LATEST = 2**63 - 1


def columns(start: Array, end: Array) -> dict[str, Array]:
    """Make the span table's time columns from unsigned nanoseconds whose 64 bits are held in int64.

    The duration is 0 for a span without an end or with an end before its start, and no end exceeds int64. In these
    cases a column of its own holds the end that was sent, so that no data is lost.
    """
    is_usual = pc.and_(pc.greater_equal(start, int64(0)), pc.greater_equal(end, start))
    if pc.all(is_usual).as_py():
        return _columns(start, pc.subtract(end, start), pa.nulls(len(start), pa.int64()))
    duration = pc.max_element_wise(pc.subtract(_told(end), _told(start)), int64(0))
    is_told = pc.equal(pc.add(start, duration), end)
    return _columns(start, duration, pc.if_else(is_told, pa.scalar(None, pa.int64()), end))


def _columns(start: Array, duration: Array, end: Array) -> dict[str, Array]:
    return {"start_time_unix_nano": start, "duration_nano": duration, "end_time_unix_nano": end}


def _told(time: Array) -> Array:
    """Limit a time to the maximum of int64."""
    return pc.if_else(pc.less(time, int64(0)), int64(_LATEST), time)
