"""When spans start and how long they last."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrays import Array, int64

_LATEST = 2**63 - 1


def columns(start: Array, end: Array) -> dict[str, Array]:
    """The span table's columns of times, from unsigned nanoseconds whose 64 bits stand in int64.

    A span without an end, or with one before its start, lasts 0, and none ends later than int64 can tell: the end that
    was sent then stands in a column of its own, so that nothing is lost.
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
    """The time, or the latest that int64 can tell."""
    return pc.if_else(pc.less(time, int64(0)), int64(_LATEST), time)
