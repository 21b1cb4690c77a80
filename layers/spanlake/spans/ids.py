"""Trace and span ids: 16 and 8 bytes in the span table, whatever length senders give them."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int32

TRACE_ID, SPAN_ID = 16, 8
"""Lengths in bytes."""

_HEX = re.compile("[0-9A-Fa-f]+", re.ASCII)
_UUID = re.compile("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)


def parse_id(text: str, length: int) -> bytes | None:
    """Read an id in hex digits of either case, without leading zeros or with the dashes of a UUID.

    Returns None where the text is not an id of at most ``length`` bytes.
    """
    digits = text.strip()
    if _UUID.fullmatch(digits):
        digits = digits.replace("-", "")
    if len(digits) > 2 * length or not _HEX.fullmatch(digits):
        return None
    return bytes.fromhex(digits.rjust(2 * length, "0"))


def padded(ids: Array, length: int) -> Array:
    """Pad short ids with zeros on the left; empty, overlong and NULL ids stay as they are."""
    lengths = pc.binary_length(ids)
    if pc.all(pc.equal(lengths, int32(length))).as_py():
        return ids
    zeros = pa.array([b"", *(bytes(length - given) for given in range(1, length))], pa.binary())
    is_short = pc.less(lengths, int32(length))
    nothing = pa.scalar(b"", pa.binary())
    return pc.binary_join_element_wise(zeros.take(pc.if_else(is_short, lengths, int32(0))), ids, nothing)


def parents(ids: Array) -> Array:
    """Pad the ids of parent spans. A root's is NULL; senders leave it empty, or zero as OpenCensus for Go does.

    An overlong id becomes NULL as well: a span can be kept without a parent.
    """
    given = padded(ids, SPAN_ID)
    is_none = pc.not_equal(pc.binary_length(given), int32(SPAN_ID))
    is_root = pc.or_(is_none, pc.equal(given, pa.scalar(bytes(SPAN_ID), pa.binary())))
    return pc.if_else(is_root, pa.scalar(None, pa.binary()), given)
