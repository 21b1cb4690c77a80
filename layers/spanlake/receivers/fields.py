"""Protobuf fields written as columns: a value, or a list of values, a row, without a Python step a row.

What a function gives is an array of binary without NULL: for each row the bytes of a field, tag and length included, or
those of several fields one after the other.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.receivers.export import LATEST_NS, varint
from spanlake.spans.arrays import Array, int32, int64, lists, place

NOTHING = pa.scalar(b"", pa.binary())


def joined(*parts: Array) -> Array:
    """What the parts have in each row, one after the other; scalars are the same in every row."""
    return pc.binary_join_element_wise(*parts, NOTHING)


def constant(encoded: bytes) -> Array:
    """The same in every row."""
    return pa.scalar(encoded, pa.binary())


def delimited(tag: bytes, payloads: Array) -> tuple[Array, Array]:
    """Two parts: the tags with the lengths, and the payloads behind them."""
    each: Array = pc.binary_length(payloads)
    lengths = each.dictionary_encode()
    heads = pa.array([tag + varint(length) for length in lengths.dictionary.to_pylist()], pa.binary())
    return heads.take(lengths.indices), payloads


def eight_bytes(numbers: Array) -> Array:
    """Integers of 64 bits as they lie in memory, which is how fixed64 has them."""
    return _bytes_of(numbers, 8)


def four_bytes(numbers: Array) -> Array:
    """The same of integers of 32 bits."""
    return _bytes_of(numbers, 4)


def one_byte(numbers: Array) -> Array:
    """The same of integers of 8 bits."""
    return _bytes_of(numbers, 1)


def mapped(values: Array, encode: Callable[[Any], bytes]) -> Array:
    """Encode each different value once; of NULL there is nothing."""
    codes = values.dictionary_encode()
    encoded: Array = pa.array([encode(value) for value in codes.dictionary.to_pylist()], pa.binary())
    return encoded.take(codes.indices).fill_null(NOTHING)


def gathered(values: Array, rows: Array, length: int) -> Array:
    """Join the values of each row; ``rows`` is in order, and a row may have none."""
    together: Array = pc.binary_join(lists(values, rows, length), NOTHING)
    return together.fill_null(NOTHING)


def placed(values: Array, rows: Array, length: int) -> Array:
    """Put each value at its row, nothing elsewhere."""
    choices = pa.concat_arrays([pa.array([b""], pa.binary()), values])
    numbers = pa.arange(1, len(choices)).cast(pa.int32())  # type: ignore[attr-defined]  # the stubs are older
    return choices.take(place(numbers, rows, length).fill_null(int32(0)))


def text(values: Array) -> Array:
    """Values that are UTF-8 as they are, others with U+FFFD in the place of what is not."""
    try:
        values.cast(pa.string())
    except pa.ArrowInvalid:
        codes = values.dictionary_encode()
        readable = [value.decode(errors="replace").encode() for value in codes.dictionary.to_pylist()]
        return pa.array(readable, pa.binary()).take(codes.indices)
    return values


def times(numbers: Array, nanoseconds: int, more: Array | None = None) -> Array:
    """Times in nanoseconds (int64), clamped to those that can be stored (see ``export.clamped``).

    ``numbers`` counts units of so many nanoseconds; ``more`` are nanoseconds (int32) beside them.
    """
    return _within(_scaled(numbers, nanoseconds, more), 0)


def later(start: Array, numbers: Array, nanoseconds: int, more: Array | None = None) -> Array:
    """Times that are so much after, or before, clamped ones."""
    span = _scaled(numbers, nanoseconds, more)
    return _within(pc.add(start, pc.min_element_wise(span, pc.subtract(int64(LATEST_NS), start))), 0)


_ROOM = 1 << 33  # for the nanoseconds beside seconds, of which 32 bits can tell some


def _scaled(numbers: Array, nanoseconds: int, more: Array | None) -> Array:
    """Nanoseconds, as many as 64 bits can tell."""
    most = (LATEST_NS - _ROOM) // nanoseconds
    scaled = pc.multiply(_within(numbers, -most, most), int64(nanoseconds))
    return scaled if more is None else pc.add(scaled, more.cast(pa.int64()))


def _within(numbers: Array, least: int, most: int = LATEST_NS) -> Array:
    smallest, largest = pc.min(numbers).as_py(), pc.max(numbers).as_py()
    if smallest is None or (smallest >= least and largest <= most):
        return numbers
    return pc.max_element_wise(pc.min_element_wise(numbers, int64(most)), int64(least))


def _bytes_of(numbers: Array, width: int) -> Array:
    buffers = [None, numbers.buffers()[1]]
    return pa.Array.from_buffers(pa.binary(width), len(numbers), buffers, offset=numbers.offset).cast(pa.binary())
