"""Single rows of blocks on this machine, with all columns: read by row group, without a statement of DuckDB."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.compile.spans import ROW_ID
from spanlake.query.scan.blocks import BlockScan, places
from spanlake.spans.arrow import Array, int64
from spanlake.store.blocks.row_groups import RowGroups
from spanlake.store.blocks.trace_columns import DERIVED


@dataclass(frozen=True, slots=True)
class RowGroupLimits:
    """Bounds of what is read to find a few rows in it; of more, DuckDB reads less."""

    row_groups: int = 4
    bytes: int = 16 << 20  # before compression


USUAL_LIMITS = RowGroupLimits()


def read_rows(blocks: BlockScan, arrivals: Array, limits: RowGroupLimits = USUAL_LIMITS) -> pa.Table | None:
    """Return these rows with every column that tells of a span itself, and ``arrival``, in its order.

    None where DuckDB takes less time or memory: there are many row groups, or large ones. Raises StorageUnavailable.
    """
    arrivals = pc.take(arrivals, pc.sort_indices(arrivals))
    numbers, rows = places(arrivals)
    files = blocks.files
    groups = [
        RowGroups(files[number], rows.filter(pc.equal(numbers, int64(number))).to_pylist())
        for number in pc.unique(numbers).to_pylist()
    ]
    if (
        sum(len(some.numbers) for some in groups) > limits.row_groups
        or sum(some.size for some in groups) > limits.bytes
    ):
        return None
    tables = [some.read(lambda name: name not in DERIVED) for some in groups]
    if not tables:
        return blocks.empty(["trace_id"]).append_column(ROW_ID, arrivals)
    return pa.concat_tables(tables, promote_options="default").append_column(ROW_ID, arrivals)
