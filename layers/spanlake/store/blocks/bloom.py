"""A filter that tells which blocks cannot hold a trace.

It is a Bloom filter: a version byte, a byte with the number of probes, then the bits, eight a byte, lowest first.
A trace id is mixed into 64 bits; their low half plus the probe's number times their (odd) high half, modulo 2^32,
divided by 2^32 and multiplied by the number of bits is the position of a probe. All arithmetic is modulo 2^64 and
the halves of an id are read little-endian. With 16 bits a trace and eight probes 0.06 % of foreign ids pass: in S3 each
is a request. Blocks of few traces have 32 bits a trace and six probes, and 0.003 % pass: there may be tens of thousands
of them, each to be opened for nothing.
"""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.store.errors import StorageCorrupt

_VERSION = 1
_PROBES = 8
_PROBES_ELSE = 6  # where there are many more bits than traces, or fewer than there should be
_BITS_PER_TRACE = 16
_BITS_PER_TRACE_OF_FEW = 32
_FEW = 256  # traces
_MOST_BITS = 1 << 21  # 256 KiB: an index item in DynamoDB holds 400 KB
_HEADER = 2
_MASK64 = (1 << 64) - 1
_MASK32 = (1 << 32) - 1

# The finalizer of splitmix64, with the upper half of the id multiplied by the golden ratio going first.
_SPREAD = 0x9E3779B97F4A7C15
_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31


def build(trace_ids: Array) -> bytes:
    """Make the filter of a block from the trace ids of its spans: binary of 16 bytes each, repeated as they may be."""
    ids = pc.unique(trace_ids).cast(pa.binary(16))
    per_trace = _BITS_PER_TRACE_OF_FEW if len(ids) <= _FEW else _BITS_PER_TRACE
    bits = min(max(64, -(-len(ids) * per_trace // 64) * 64), _MOST_BITS)
    count = _PROBES if _FEW < len(ids) <= _MOST_BITS // _BITS_PER_TRACE else _PROBES_ELSE
    hashes = _hash_all(ids)
    low = pc.bit_wise_and(hashes, _u64(_MASK32))
    high = pc.bit_wise_or(pc.shift_right(hashes, _u64(32)), _u64(1))
    probes = pa.chunked_array([_positions(low, high, probe, bits) for probe in range(count)])
    return bytes((_VERSION, count)) + _bitmap(probes.cast(pa.int64()), bits)


def may_contain(trace_filter: bytes, trace_id: bytes) -> bool:
    """Tell whether a block may hold spans of a trace, by the block's filter and the 16 bytes of the trace id.

    Raises StorageCorrupt for a filter of a format this version does not know.
    """
    return may_contain_any(trace_filter, hashed([trace_id]))


def hashed(trace_ids: Iterable[bytes]) -> list[tuple[int, int]]:
    """Hashes trace ids for ``may_contain_any``; once for any number of filters."""
    return [(mixed & _MASK32, mixed >> 32 | 1) for mixed in map(_hash, trace_ids)]


def may_contain_any(trace_filter: bytes, hashes: Iterable[tuple[int, int]]) -> bool:
    """Tell whether a block may hold spans of one of some traces, as ``may_contain`` does of one."""
    _check_version(trace_filter)
    bits = 8 * (len(trace_filter) - _HEADER)
    probes = range(trace_filter[1])
    return any(all(_is_set(trace_filter, bits, low + n * high) for n in probes) for low, high in hashes)


def hash_all(trace_ids: Array) -> Array:
    """Hashes trace ids, binary of 16 bytes, for ``may_contain_each``; once for all filters."""
    return _hash_all(trace_ids.cast(pa.binary(16)))


def may_contain_each(trace_filter: bytes, hashes: Array) -> Array:
    """Tell of each of some traces whether a block may hold spans of it, as ``may_contain`` does of one."""
    _check_version(trace_filter)
    bits = 8 * (len(trace_filter) - _HEADER)
    low = pc.bit_wise_and(hashes, _u64(_MASK32))
    high = pc.bit_wise_or(pc.shift_right(hashes, _u64(32)), _u64(1))
    there: Array = pa.Array.from_buffers(pa.bool_(), bits, [None, pa.py_buffer(trace_filter[_HEADER:])])
    found: Array = pa.repeat(pa.scalar(True), len(hashes))
    for probe in range(trace_filter[1]):
        found = pc.and_(found, there.take(_positions(low, high, probe, bits)))
    return found


def _check_version(trace_filter: bytes) -> None:
    if len(trace_filter) <= _HEADER or trace_filter[0] != _VERSION:
        raise StorageCorrupt(f"unknown trace filter {trace_filter[:_HEADER].hex()}")


def _is_set(trace_filter: bytes, bits: int, probe: int) -> int:
    position = ((probe & _MASK32) * bits) >> 32
    return trace_filter[_HEADER + (position >> 3)] >> (position & 7) & 1


def _hash(trace_id: bytes) -> int:
    mixed = int.from_bytes(trace_id[:8], "little") * _SPREAD & _MASK64 ^ int.from_bytes(trace_id[8:], "little")
    for shift, factor in _STEPS:
        mixed = (mixed ^ mixed >> shift) * factor & _MASK64
    return mixed ^ mixed >> _LAST_SHIFT


def _hash_all(ids: Array) -> Array:
    """Return the same as _hash, for an array of fixed-size binary."""
    words = pa.Array.from_buffers(pa.uint64(), 2 * len(ids), [None, ids.buffers()[1]], offset=2 * ids.offset)
    halves = pa.FixedSizeListArray.from_arrays(words, 2)
    mixed = pc.bit_wise_xor(
        pc.multiply(pc.list_element(halves, _u64(0)), _u64(_SPREAD)), pc.list_element(halves, _u64(1))
    )
    for shift, factor in _STEPS:
        mixed = pc.multiply(_fold(mixed, shift), _u64(factor))
    return _fold(mixed, _LAST_SHIFT)


def _positions(low: Array, high: Array, probe: int, bits: int) -> Array:
    sums = pc.bit_wise_and(pc.add(low, pc.multiply(high, _u64(probe))), _u64(_MASK32))
    return pc.shift_right(pc.multiply(sums, _u64(bits)), _u64(32))


def _bitmap(positions: Array, bits: int) -> bytes:
    """That many bits, those at the positions set: how Arrow holds the answer which numbers are among them."""
    numbers: Array = pa.arange(0, bits)  # type: ignore[attr-defined]  # the stubs are older
    answer: Array = pc.is_in(numbers, value_set=positions)
    packed: bytes = answer.buffers()[1].to_pybytes()
    return packed[: bits // 8]


def _fold(values: Array, shift: int) -> Array:
    return pc.bit_wise_xor(values, pc.shift_right(values, _u64(shift)))


def _u64(value: int) -> pa.UInt64Scalar:
    """Return a typed scalar; Arrow guesses the type of a plain number, at ten times the price of the arithmetic."""
    return pa.scalar(value, pa.uint64())
