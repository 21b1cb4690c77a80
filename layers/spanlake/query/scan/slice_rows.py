"""Some spans in the slices of a block on this machine: read by row group, without a statement of DuckDB."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.compile.spans import ROW_ID
from spanlake.query.scan.blocks import BlockScan, RowGroupLimits
from spanlake.spans.arrow import Array
from spanlake.store.blocks.row_groups import PickedGroups
from spanlake.store.blocks.trace_columns import SLICE_START

USUAL_LIMITS = RowGroupLimits(row_groups=3)


def read_traces(
    blocks: BlockScan,
    slices: Iterable[int],
    types: pa.Schema,
    trace_ids: Sequence[bytes],
    limits: RowGroupLimits = USUAL_LIMITS,
) -> pa.Table | None:
    """Return the spans of traces in some slices of a block, as ``read_where`` does."""
    ids = pa.array(trace_ids, pa.binary())
    return read_where(blocks, slices, types, lambda spans: _is_in(spans, ids), limits)


def read_where(
    blocks: BlockScan,
    slices: Iterable[int],
    types: pa.Schema,
    is_wanted: Callable[[pa.Table], Array],
    limits: RowGroupLimits = USUAL_LIMITS,
) -> pa.Table | None:
    """Return the wanted spans of some slices of a block: columns of these types, and ``arrival``.

    None where DuckDB is to read them: there are several blocks, many row groups or large ones, rows that are left out,
    or columns of lists. Raises StorageUnavailable.
    """
    if not _is_plain(blocks) or any(map(pa.types.is_nested, types.types)):
        return None
    (file,) = blocks.files
    groups = PickedGroups(file, SLICE_START, slices)
    if len(groups.numbers) > limits.row_groups or groups.size(types.names) > limits.bytes:
        return None
    found, rows = groups.read(types.names, lambda spans: is_wanted(_cast(spans, types)))
    return _cast(found, types).append_column(ROW_ID, rows)


def _is_plain(blocks: BlockScan) -> bool:
    """True for a single block on this machine of which every row counts, and is numbered as in its file."""
    restrictions = (blocks.first_rows, blocks.repeated, blocks.others, blocks.slices)
    is_all = all(one is None for one in restrictions)
    return len(blocks.blocks) == 1 and is_all and not blocks.blocks[0].hidden and blocks.is_local


def _is_in(spans: pa.Table, ids: Array) -> Array:
    found: Any = pc.is_in(spans["trace_id"].combine_chunks(), value_set=ids)
    return found


def _cast(found: pa.Table, types: pa.Schema) -> pa.Table:
    """Return columns of these types, NULL in those that the file lacks."""
    nothing = pa.nulls(found.num_rows)
    columns = (found[one.name] if one.name in found.column_names else nothing for one in types)
    return pa.table([column.cast(one.type) for column, one in zip(columns, types, strict=True)], schema=types)
