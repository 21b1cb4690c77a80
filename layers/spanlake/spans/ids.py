"""Trace and span ids: 16 and 8 bytes in the span table, whatever length senders give them."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrays import Array, int32

TRACE_ID, SPAN_ID = 16, 8
"""Lengths in bytes."""


def padded(ids: Array, length: int) -> Array:
    """Put zeros before ids that are too short; those that are empty, too long or NULL stay as they are."""
    lengths = pc.binary_length(ids)
    if pc.all(pc.equal(lengths, int32(length))).as_py():
        return ids
    zeros = pa.array([b"", *(bytes(length - given) for given in range(1, length))], pa.binary())
    is_short = pc.less(lengths, int32(length))
    nothing = pa.scalar(b"", pa.binary())
    return pc.binary_join_element_wise(zeros.take(pc.if_else(is_short, lengths, int32(0))), ids, nothing)


def parents(ids: Array) -> Array:
    """Pad the ids of parent spans; that of a root is NULL. It is sent empty, or zero, as by OpenCensus for Go."""
    given = padded(ids, SPAN_ID)
    is_root = pc.or_(
        pc.equal(pc.binary_length(given), int32(0)), pc.equal(given, pa.scalar(bytes(SPAN_ID), pa.binary()))
    )
    return pc.if_else(is_root, pa.scalar(None, pa.binary()), given)
