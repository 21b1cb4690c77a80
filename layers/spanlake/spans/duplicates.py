"""Rows that are there twice: a client that retried after a crash may have stored its spans twice."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrays import Array, distinct, int64, numbers


def without_duplicates(table: pa.Table, *apart: str) -> pa.Table:
    """Drop rows that equal an earlier one in every column but those ``apart``, bit by bit.

    All rows of a trace must be in the table.
    """
    codes = _array(table["span_id"]).dictionary_encode("encode").indices
    rows, codes = _shared(numbers(table.num_rows), codes)
    for name in _quick_first(table.drop_columns(list(apart)).schema if apart else table.schema):
        if not len(rows):
            return table
        codes, _ = distinct(codes, _comparable(_array(table[name].take(rows))))
        rows, codes = _shared(rows, codes)
    first = rows.take(pc.index_in(pc.unique(codes), value_set=codes))
    dropped = rows.filter(pc.invert(pc.is_in(rows, value_set=first)))
    return table.filter(pc.invert(pc.is_in(numbers(table.num_rows), value_set=dropped))) if len(dropped) else table


def _quick_first(schema: pa.Schema) -> list[str]:
    return [field.name for field in sorted(schema, key=lambda field: isinstance(field.type, pa.ListType))]


def _shared(rows: Array, codes: Array) -> tuple[Array, Array]:
    """Those of the rows whose code is that of another one too."""
    counted = codes.value_counts()
    repeated = counted.field("values").filter(pc.greater(counted.field("counts"), int64(1)))
    if len(repeated) == len(counted):
        return rows, codes
    chosen = pc.is_in(codes, value_set=repeated)
    return rows.filter(chosen), codes.filter(chosen)


def _comparable(values: Array) -> Array:
    """The values as something that Arrow compares exactly: it compares no lists, and takes 0.0 for -0.0."""
    if pa.types.is_dictionary(values.type):
        return values.dictionary_decode()
    if values.type == pa.float64():
        return values.view(pa.int64())
    if isinstance(values.type, pa.ListType):
        return pa.array([repr(value) for value in values.to_pylist()], pa.string())
    return values


def _array(values: Array) -> Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
