"""Attribute columns whose values move to the rest columns."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, lists, string, struct_of, where
from spanlake.spans.columns import AttributeColumn, Scope
from spanlake.spans.otlp.rest import texts_of_column
from spanlake.spans.schema import REST

REST_COLUMNS = {scope: f"{scope}_rest" for scope in Scope}


def with_demoted(leaving: Sequence[tuple[str, Array]], rest: Array | None) -> Array:
    """Make a rest column with the values of other columns before its own, since of two of one key the first counts.

    ``leaving`` has key and values of each column, at least one.
    """
    parts = [_entries(key, values.combine_chunks()) for key, values in leaving]
    if rest is not None:
        rest = rest.combine_chunks()
        parts.append((rest.flatten(), pc.list_parent_indices(rest).cast(pa.int64())))
    entries = pa.concat_arrays([entries.cast(REST.value_type) for entries, _ in parts])
    rows = pa.concat_arrays([rows for _, rows in parts])
    order = pc.array_sort_indices(rows)  # stable
    return lists(entries.take(order), rows.take(order), len(leaving[0][1]))


def _entries(key: str, values: Array) -> tuple[Array, Array]:
    """Return a column's values as entries of a rest column, and the rows they are of."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    present = values.drop_null()
    keys = pa.repeat(string(key), len(present))
    return struct_of({"key": keys, "value": texts_of_column(present)}), where(values.is_valid())


def without_columns(table: pa.Table, moved: Sequence[AttributeColumn]) -> pa.Table:
    """Return a span table with the values of these columns in its rest columns."""
    for scope, name in REST_COLUMNS.items():
        leaving = [(column.key, table.column(column.name)) for column in moved if column.scope is scope]
        if leaving:
            number = table.schema.get_field_index(name)
            rest = with_demoted(leaving, table.column(number))
            table = table.set_column(number, table.schema.field(number), rest)
    return table.drop_columns([column.name for column in moved])
