"""Compositions of Arrow kernels for operations that Arrow lacks; none takes a Python step for each value."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

# pyarrow's stubs accept fewer combinations of array classes than the kernels do.
Array: TypeAlias = Any


def int32(value: int | None) -> pa.Int32Scalar:
    """Make a typed scalar: for an untyped one Arrow probes for the types of other libraries at every call."""
    return pa.scalar(value, pa.int32())


def int64(value: int) -> pa.Int64Scalar:
    """Make a typed scalar (see ``int32``)."""
    return pa.scalar(value, pa.int64())


def float64(value: float) -> pa.DoubleScalar:
    """Make a typed scalar (see ``int32``)."""
    return pa.scalar(value, pa.float64())


def string(value: str) -> pa.StringScalar:
    """Make a typed scalar (see ``int32``)."""
    return pa.scalar(value, pa.string())


def distinct(first: Array, second: Array) -> tuple[Array, Array]:
    """Number the distinct pairs of two arrays; NULL counts as a value.

    Returns the number of each row's pair (int32), and the first row of each distinct pair.
    """
    codes, others = first.dictionary_encode("encode"), second.dictionary_encode("encode")
    pairs = pc.add(pc.multiply(codes.indices, int64(max(len(others.dictionary), 1))), others.indices)
    rows = pairs.dictionary_encode()
    return rows.indices, pc.index_in(rows.dictionary, value_set=pairs)


def codes(columns: Sequence[Array]) -> Array:
    """Number the distinct rows of columns (int32), from 0 in the order of their first appearance.

    NULL counts as a value.
    """
    found = columns[0].dictionary_encode("encode").indices
    for column in columns[1:]:
        found, _ = distinct(found, column)
    return found


def ordered_codes(columns: Sequence[Array]) -> Array:
    """Number the distinct rows of columns, as ``codes`` does, but from 0 in the ascending order of their values."""
    found = codes(columns).cast(pa.int64())
    first = pc.index_in(pc.unique(found), value_set=found)
    different = pa.table({str(n): column.take(first) for n, column in enumerate(columns)})
    order = pc.sort_indices(different, [(name, "ascending") for name in different.column_names]).cast(pa.int64())
    return pc.index_in(found, value_set=order)


def rows_of(codes: Array) -> Array:
    """Return for each code the rows that have it (lists of int64, ascending)."""
    return nested(codes.value_counts().field("counts"), pc.array_sort_indices(codes).cast(pa.int64()))


def as_array(column: "pa.ChunkedArray[Any]") -> "pa.Array[Any]":
    """Return a table's column as one contiguous array."""
    pieces = column.chunks or [pa.array([], column.type)]
    return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)


def scatter(values: Array, rows: Array, length: int) -> Array:
    """Make an array of this length with each value at its row (a signed integer), NULL elsewhere.

    A row that is given twice must be given equal values.
    """
    return pc.scatter(values, rows, max_index=length - 1)  # type: ignore[attr-defined]


def list_numbers(lengths: Sequence[int]) -> Array:
    """Return for each element of consecutive lists of these lengths the number of its list (int64)."""
    offsets = pa.array([0, *accumulate(lengths)], pa.int32())
    return pc.list_parent_indices(pa.ListArray.from_arrays(offsets, numbers(sum(lengths))))


def numbers(end: int) -> Array:
    """Return 0, 1, 2 … up to ``end``, which is excluded (int64)."""
    return pa.arange(0, end)  # type: ignore[attr-defined]


def equals_last(values: Array) -> Array:
    """Return, for each value but the first, True where it equals its predecessor."""
    return pc.equal(values.slice(1), values.slice(0, max(len(values) - 1, 0)))


def where(condition: Array) -> Array:
    """Return the rows for which a condition holds (int64)."""
    return pc.indices_nonzero(condition).view(pa.int64())


def runs_of(values: Array) -> Array:
    """Run-end encode an array: equal neighbours become one value with the position after the last."""
    return pc.run_end_encode(values)  # type: ignore[attr-defined]


def struct_of(fields: Mapping[str, Array]) -> Array:
    """Return an array of structs with these arrays as its fields."""
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))


def of_type(values: Array, type_: pa.DataType) -> Array:
    """Cast values to a type, unless they have it already."""
    return values if values.type == type_ else values.cast(type_)


def lists(values: Array, rows: Array, length: int) -> Array:
    """Gather values into one list for each row, NULL for a row without any; ``rows`` is ascending."""
    counted = rows.value_counts()
    counts = scatter(counted.field("counts"), counted.field("values"), length)
    return nested(pc.fill_null(counts, 0), values)


def nested(counts: Array, values: Array) -> Array:
    """Cut values into lists of these lengths; a list of length 0 is NULL."""
    ends = pc.cumulative_sum(counts).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pa.ListArray.from_arrays(offsets, values, mask=pc.equal(counts, pa.scalar(0, counts.type)))


def repeated(values: Array, rows: Array) -> Array:
    """Take values for many more rows than there are values.

    Strings in the result, also in lists and structs, are dictionary-encoded: each takes four bytes, however long it is.
    """
    if values.null_count == len(values):
        return pa.nulls(len(rows), _with_dictionaries(values.type))
    return _with_dictionary(values).take(rows)


def _with_dictionary(values: Array) -> Array:
    if pa.types.is_string(values.type):
        return values.dictionary_encode()
    if pa.types.is_list(values.type):
        return pa.ListArray.from_arrays(values.offsets, _with_dictionary(values.values), mask=values.is_null())
    if pa.types.is_struct(values.type):
        fields = [_with_dictionary(values.field(index)) for index in range(values.type.num_fields)]
        return pa.StructArray.from_arrays(fields, fields=list(_with_dictionaries(values.type)))
    return values


def _with_dictionaries(type_: pa.DataType) -> Any:
    if pa.types.is_string(type_):
        return pa.dictionary(pa.int32(), type_)
    if isinstance(type_, pa.ListType):
        return pa.list_(_with_dictionaries(type_.value_type))
    if isinstance(type_, pa.StructType):
        return pa.struct([field.with_type(_with_dictionaries(field.type)) for field in type_])
    return type_


def pieces(stream: pa.NativeFile, step: int) -> Iterator[bytes]:
    """Yield the content of a stream, so many bytes at a time.

    The method ``read`` keeps ``step`` bytes for ever each time that it raises an error.
    """
    memory = memoryview(bytearray(step))
    while size := stream.readinto(memory):
        yield bytes(memory[:size])
