"""Columns of blocks that are derived of whole traces (see ``store.blocks.trace_columns``): child counts, and slices.

Where they are is looked up once for each block, as blocks do not change.
"""

from typing import cast

from sqlglot import exp

from spanlake.query.compile.spans import ROW_ID
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan, block_number
from spanlake.store.blocks.trace_columns import CHILD_COUNT, SLICE_START, may_have_slices, may_have_trace_columns

_REMOTE = "://"  # such blocks are merged without slices


def have_trace_columns(session: Session, source: BlockScan) -> bool:
    """Return True where all blocks have the columns; of each block that is looked up once."""
    fewest = session.policy.compare.noted_spans
    if not all(may_have_trace_columns(block, fewest) for block in source.blocks):
        return False
    known = source.values.of(source.blocks, CHILD_COUNT)
    unknown = source.only(block for block in source.blocks if block not in known)
    if unknown.blocks:
        rows = unknown.table([CHILD_COUNT], row_id=True).subquery("counts", copy=False)
        number = exp.alias_(block_number(exp.column(ROW_ID)), "block")
        query = exp.select(number, exp.column(CHILD_COUNT)).distinct(copy=False).from_(rows, copy=False)
        found = session.run(query.where(exp.column(CHILD_COUNT).is_(exp.null()).not_(), copy=False)).to_pylist()
        counts: dict[int, list[int]] = {number: [] for number in range(len(unknown.blocks))}
        for row in found:
            counts[cast("int", row["block"])].append(cast("int", row[CHILD_COUNT]))
        source.values.add({unknown.blocks[number]: some for number, some in counts.items()}, CHILD_COUNT)
        known = source.values.of(source.blocks, CHILD_COUNT)
    return all(values != () for values in known.values())


def slice_starts(session: Session, source: BlockScan) -> list[int]:
    """Return the starts of a block's slices, the newest first; none of several blocks, or of one without slices.

    They are read once, as blocks do not change.
    """
    if len(source.blocks) != 1:
        return []
    (block,) = source.blocks
    is_sliced = may_have_slices(block, session.policy.search.sliced_spans)
    if not is_sliced or _REMOTE in source.objects.uri(block.path):
        return []
    known = source.values.of(source.blocks, SLICE_START)
    if not known:
        starts = session.run(source.table([SLICE_START]).distinct(copy=False))[SLICE_START].drop_null()
        source.values.add({block: cast("list[int]", starts.to_pylist())}, SLICE_START)
        known = source.values.of(source.blocks, SLICE_START)
    return sorted(cast("tuple[int, ...]", known[block] or ()), reverse=True)
