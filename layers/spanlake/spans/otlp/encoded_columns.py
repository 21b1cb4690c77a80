"""Fields of protobuf messages encoded by columns: arrays of bytes, a row for each message."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array

_UINT64 = (1 << 64) - 1
_LENGTHS = [bytes([length]) for length in range(128)]
NOTHING = pa.scalar(b"", pa.binary())


def varint(number: int) -> bytes:
    """Encode an integer of up to 64 bits; a negative one takes ten bytes, as in int32 and int64."""
    number &= _UINT64
    if number < 128:
        return _LENGTHS[number]
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def joined(*parts: Array) -> Array:
    """Concatenate the parts row by row; a scalar is repeated in every row."""
    return pc.binary_join_element_wise(*parts, NOTHING)


def constant(encoded: bytes) -> Array:
    """Return a scalar, which stands for the same bytes in every row."""
    return pa.scalar(encoded, pa.binary())


def delimited(tag: bytes, payloads: Array) -> tuple[Array, Array]:
    """Return two parts: tags with lengths, and the payloads that follow them."""
    each: Array = pc.binary_length(payloads)
    lengths = each.dictionary_encode()
    heads = pa.array([tag + varint(length) for length in lengths.dictionary.to_pylist()], pa.binary())
    return heads.take(lengths.indices), payloads


def eight_bytes(numbers: Array) -> Array:
    """Encode 64-bit integers as they are in memory, which is the form of fixed64."""
    return _bytes_of(numbers, 8)


def four_bytes(numbers: Array) -> Array:
    """Encode 32-bit integers as they are in memory, which is the form of fixed32."""
    return _bytes_of(numbers, 4)


def one_byte(numbers: Array) -> Array:
    """Encode 8-bit integers, a byte each."""
    return _bytes_of(numbers, 1)


def mapped(values: Array, encode: Callable[[Any], bytes]) -> Array:
    """Encode each distinct value once; NULL gives no bytes."""
    codes = values.dictionary_encode()
    encoded: Array = pa.array([encode(value) for value in codes.dictionary.to_pylist()], pa.binary())
    return encoded.take(codes.indices).fill_null(NOTHING)


def _bytes_of(numbers: Array, width: int) -> Array:
    buffers = [None, numbers.buffers()[1]]
    return pa.Array.from_buffers(pa.binary(width), len(numbers), buffers, offset=numbers.offset).cast(pa.binary())
