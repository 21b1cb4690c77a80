"""What a block notes with each span of what the trace's other spans tell, as far as they are in the block.

A trace that has all its spans in one block need not be put together for these. Small blocks lack the columns unless
they come from compaction: a trace is seldom whole in them.
"""

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrays import Array, int32, int64, numbers, of_type, place, string, where
from spanlake.store.index import Block

CHILD_COUNT, ROOT_NAME, ROOT_SERVICE = "child_count", "trace_root_name", "trace_root_service"
_COLUMNS: list[tuple[str, pa.DataType]] = [
    (CHILD_COUNT, pa.int32()),  # how many spans of the trace name the span as their parent
    (ROOT_NAME, pa.string()),  # of the last root to arrive; empty when there is none
    (ROOT_SERVICE, pa.string()),  # its service's; empty when there is none
]
FACTS = pa.schema(_COLUMNS)
"""The columns, in order. All of them are NULL, or none."""

_ID = pa.binary(8)
_FEWEST = 1 << 12  # spans of a block that was not compacted


def may_have_facts(block: Block) -> bool:
    """Whether a block has the columns, unless an older spanlake wrote it."""
    return block.level > 0 or block.spans >= _FEWEST


def with_facts_of_fresh(table: pa.Table) -> pa.Table:
    """The rows of a block that is no compacted one, with these columns unless they are few."""
    return with_facts(table) if table.num_rows >= _FEWEST else table


def with_facts(table: pa.Table) -> pa.Table:
    """The same rows with these columns, given all spans that a block has of their traces, in the order of arrival.

    Strings may come with a dictionary, those of these columns always do. Raises ValueError when a span's id is not 8
    bytes long.
    """
    traces = table["trace_id"].combine_chunks().dictionary_encode()
    parents = table["parent_span_id"].combine_chunks()
    facts = [_child_counts(traces.indices, table["span_id"].combine_chunks(), parents)]
    roots = where(parents.is_null())
    latest = roots.take(pc.array_sort_indices(roots, order="descending"))
    of_traces = latest.take(pc.index_in(numbers(len(traces.dictionary)), value_set=traces.indices.take(latest)))
    facts += [_of_roots(table[name], of_traces).take(traces.indices) for name in ("name", "service_name")]
    for name, values in zip(FACTS.names, facts, strict=True):
        table = table.append_column(pa.field(name, values.type), values)
    return table


def without_facts(table: pa.Table) -> pa.Table:
    """The table without these columns, if it has them."""
    return table.drop_columns([name for name in FACTS.names if name in table.column_names])


def _child_counts(traces: Array, ids: Array, parents: Array) -> Array:
    ids_of_both = pa.concat_arrays([of_type(ids, _ID), of_type(parents, _ID)])
    coded = ids_of_both.view(pa.int64()).dictionary_encode()  # quicker than as bytes
    own, named = (coded.indices.slice(at, len(ids)) for at in (0, len(ids)))
    if own.equals(numbers(len(ids)).cast(own.type)):  # no two spans share an id: its code is the span's row
        parent = pc.if_else(pc.less(named, int32(len(ids))), named, int32(None))
        counted = parent.filter(pc.equal(traces.take(parent), traces)).value_counts()
        found = place(counted.field("counts"), counted.field("values"), len(ids))
    else:
        among = pc.multiply(traces.cast(pa.int64()), int64(len(coded.dictionary)))
        counted = pc.add(among, named.cast(pa.int64())).drop_null().value_counts()
        span = pc.add(among, own.cast(pa.int64()))
        found = counted.field("counts").take(pc.index_in(span, value_set=counted.field("values")))
    return pc.fill_null(found.cast(pa.int32()), int32(0))


def _of_roots(column: Array, rows: Array) -> Array:
    """A column's values at some rows, empty where there is no row or no value, with a dictionary."""
    values = column.take(rows).combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return pc.fill_null(values, string("")).dictionary_encode()
