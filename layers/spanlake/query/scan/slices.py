"""Slices of a large block: the row groups that its newest traces are in come first, for searches that stop early."""

from typing import cast

from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan
from spanlake.store.blocks.trace_columns import SLICE_START, may_have_slices

_REMOTE = "://"  # such blocks are merged without slices


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
