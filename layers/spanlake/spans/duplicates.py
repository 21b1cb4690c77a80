"""Removes rows stored twice: a client that retries after a crash may have stored its spans already."""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, distinct, int64, numbers


def drop_duplicates(table: pa.Table, *apart: str) -> pa.Table:
    """Drop rows that equal an earlier row, bit by bit, in every column except those in ``apart``.

    The table must hold all rows of each trace in it.
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
    """Keep the rows whose code occurs more than once; returns rows and codes."""
    counted = codes.value_counts()
    repeated = counted.field("values").filter(pc.greater(counted.field("counts"), int64(1)))
    if len(repeated) == len(counted):
        return rows, codes
    chosen = pc.is_in(codes, value_set=repeated)
    return rows.filter(chosen), codes.filter(chosen)


def _comparable(values: Array) -> Array:
    """Convert values to a form that Arrow compares exactly: it does not compare lists, and takes 0.0 for -0.0."""
    if pa.types.is_dictionary(values.type):
        return values.dictionary_decode()
    if values.type == pa.float64():
        return values.view(pa.int64())
    if isinstance(values.type, pa.ListType):
        return pa.array([repr(value) for value in values.to_pylist()], pa.string())
    return values


def _array(values: Array) -> Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
