"""Columns of a block that say of each span what the other spans of its trace in the block tell.

A trace that has all its spans in one block need not be put together for these. Small blocks lack the columns unless
they come from compaction: a trace is seldom whole in them.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int32, int64, numbers, of_type, scatter, string, where
from spanlake.spans.parents import Spans, ends
from spanlake.store.blocks.block import Block

CHILD_COUNT, ROOT_NAME, ROOT_SERVICE = "child_span_count", "trace_root_span_name", "trace_root_service_name"
_COLUMNS: list[tuple[str, pa.DataType]] = [
    (CHILD_COUNT, pa.int32()),  # of how many spans of the trace the span is the parent
    (ROOT_NAME, pa.string()),  # of the root that starts first; empty when there is none
    (ROOT_SERVICE, pa.string()),  # its service's; empty when there is none
]
TRACE_COLUMNS = pa.schema(_COLUMNS)
"""The columns, in order. All of them are NULL, or none."""
_FORMER: list[tuple[str, pa.DataType]] = [
    ("child_count", pa.int32()),
    ("trace_root_name", pa.string()),
    ("trace_root_service", pa.string()),
]
BEFORE_FORMAT_3 = pa.schema(_FORMER)
"""The columns of older blocks, which mean something else and are not read: the last root to arrive, for one."""
SLICE_START = "slice_start_unix_nano"
_SLICED: list[tuple[str, pa.DataType]] = [(SLICE_START, pa.int64())]
SLICE_COLUMNS = pa.schema(_SLICED)
"""The first start of the spans in a row's slice. All spans that a block has of a trace are in one slice."""
DERIVED = frozenset((*TRACE_COLUMNS.names, *BEFORE_FORMAT_3.names, *SLICE_COLUMNS.names))
"""The columns that say nothing of a span itself."""

SLICED_SPANS = 1 << 18
"""Spans of a block that a merge writes in slices; a smaller one covers little time anyway."""

_START = "start_time_unix_nano"
_ID = pa.binary(8)
FEWEST_SPANS = 1 << 12
"""Spans of a block that has the columns though it was not compacted."""


def may_have_trace_columns(block: Block, fewest: int = FEWEST_SPANS) -> bool:
    """Return True where a block has the columns, unless an older spanlake wrote it."""
    return block.level > 0 or block.spans >= fewest


def may_have_slices(block: Block, fewest: int = SLICED_SPANS) -> bool:
    """Return True where a block is so large that it has slices, unless an older spanlake wrote it."""
    return block.level > 0 and block.spans >= fewest


def add_trace_columns_to_fresh(table: pa.Table) -> pa.Table:
    """Return the rows of a block that is no compacted one, with these columns unless they are few."""
    return add_trace_columns(table) if table.num_rows >= FEWEST_SPANS else table


def add_trace_columns(table: pa.Table) -> pa.Table:
    """Return the same rows with these columns, given all spans that a block has of their traces.

    Strings may come with a dictionary, those of these columns always do. Raises ValueError when a span's id is not 8
    bytes long.
    """
    traces = table["trace_id"].combine_chunks().dictionary_encode()
    facts = [_child_counts(table, traces)]
    of_traces = _roots(table, traces)
    facts += [_of_roots(table[name], of_traces).take(traces.indices) for name in ("name", "service_name")]
    for name, values in zip(TRACE_COLUMNS.names, facts, strict=True):
        table = table.append_column(pa.field(name, values.type), values)
    return table


def drop_trace_columns(table: pa.Table) -> pa.Table:
    """Return the table without these columns, if it has them."""
    return table.drop_columns([name for name in table.column_names if name in DERIVED])


def _roots(table: pa.Table, traces: Array) -> Array:
    """Return the row of the first root of each trace, null where it has none."""
    rows = where(table["parent_span_id"].combine_chunks().is_null())
    roots = table.select([_START, "span_id"]).take(rows)
    order = pc.sort_indices(roots, [(_START, "ascending"), ("span_id", "ascending")])
    first = rows.take(order)
    return first.take(pc.index_in(numbers(len(traces.dictionary)), value_set=traces.indices.take(first)))


def _child_counts(table: pa.Table, traces: Array) -> Array:
    """Count the spans whose parent each span is."""
    counted = _parents(table, traces).drop_null().value_counts()
    found = scatter(counted.field("counts"), counted.field("values"), table.num_rows)
    return pc.fill_null(found.cast(pa.int32()), int32(0))


def parent_rows(table: pa.Table) -> Array:
    """Find the row of each span's parent, null where it has none in the table.

    Raises ValueError when a span's id is not 8 bytes long.
    """
    return _parents(table, table["trace_id"].combine_chunks().dictionary_encode())


def _parents(table: pa.Table, traces: Array) -> Array:
    """Find the row of each span's parent, null where it has none in the table."""
    ids, parents = (of_type(table[name].combine_chunks(), _ID) for name in ("span_id", "parent_span_id"))
    coded = pa.concat_arrays([ids, parents]).view(pa.int64()).dictionary_encode()  # quicker than as bytes
    own, named = (coded.indices.slice(at, len(ids)) for at in (0, len(ids)))
    if own.equals(numbers(len(ids)).cast(own.type)):
        return _parents_by_code(named, traces.indices, own)
    among = pc.multiply(traces.indices.cast(pa.int64()), int64(len(coded.dictionary)))
    keys, parent_keys = (pc.add(among, codes.cast(pa.int64())) for codes in (own, named))
    return Spans(keys, parent_keys, table["kind"].combine_chunks(), lambda: _ordering(table)).parents()


def _parents_by_code(named: Array, traces: Array, rows: Array) -> Array:
    """Find the parents when no two spans share an id, so that the code of an id is the row of its span.

    It is a third of the work.
    """
    parents = pc.if_else(pc.less(named, int32(len(rows))), named, int32(None))
    is_one = pc.and_(pc.equal(traces.take(parents), traces), pc.not_equal(parents, rows))
    return pc.if_else(is_one, parents, int32(None)).cast(pa.int64())


def _ordering(table: pa.Table) -> pa.Table:
    columns: list[Any] = [table[column].combine_chunks() for column in (_START, "duration_nano", "name")]
    start, duration, name = columns
    if pa.types.is_dictionary(name.type):
        name = name.dictionary_decode()
    return pa.table({"start": start, "end": ends(start, duration), "name": name})


def _of_roots(column: Array, rows: Array) -> Array:
    """Return a column's values at some rows, empty where there is no row or no value, with a dictionary."""
    values = column.take(rows).combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return pc.fill_null(values, string("")).dictionary_encode()
