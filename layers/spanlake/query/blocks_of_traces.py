"""Finds the blocks that hold some traces: by their filters, by ids that are remembered, or by ids that are read."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile.spans import ROW_ID
from spanlake.query.compile.sql import id_literal, is_in
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan, block_number
from spanlake.query.scan.duplicate_spans import source_of
from spanlake.store.blocks import bloom
from spanlake.store.blocks.block import Block

FEW_TRACES = 24  # ids for which few filters let a block pass that holds none of them
_SEVERAL = 256  # ids that rule out row groups of sorted blocks; a list of more takes longer to plan than it saves
_FEW_BLOCKS = 3
_LEARNED_SPANS = 1 << 22  # of all blocks whose ids are read at once
_WANTED = "wanted"


def may_hold(source: BlockScan, trace_ids: Sequence[bytes]) -> BlockScan:
    """Return the blocks that may hold spans of some traces."""
    hashes = bloom.hashed(trace_ids) if source.blocks else []
    return source.only(block for block in source.blocks if bloom.may_contain_any(block.trace_filter, hashes))


def holding(session: Session, source: BlockScan, trace_ids: Sequence[bytes]) -> BlockScan:
    """Return the blocks that hold one of many traces, those that may hold one of a few.

    Of many ids nearly every filter lets one pass that its block does not hold.
    """
    ids, are_few = pa.array(trace_ids, pa.binary()), len(trace_ids) <= FEW_TRACES
    found, unknown = ([], source.blocks) if are_few else source.trace_ids.holding(source.blocks, ids)
    others = may_hold(source.only(unknown), trace_ids)
    _learn_often_wrong(session, others)
    if not are_few and len(others.blocks) > _FEW_BLOCKS:
        _learn_ids(session, others)
    more, unknown = source.trace_ids.holding(others.blocks, ids)
    others = others.only(unknown)
    others = others if are_few else _read(session, others, trace_ids)
    return _among(source, [*found, *more, *others.blocks])


def _among(source: BlockScan, blocks: Iterable[Block]) -> BlockScan:
    """Restrict the source to some of its blocks, in their order."""
    held = set(blocks)
    return source.only(block for block in source.blocks if block in held)


def shared_traces(
    session: Session, part: BlockScan, every: BlockScan, *, is_lasting: bool = False
) -> list[bytes] | None:
    """Return the traces of some blocks of which another block, or several of them, may hold spans.

    None where finding out would take long. In S3 no other block is read for it: their filters tell. ``is_lasting``
    says that the answer saves much each time: ids of a large block are then read once they are asked for again.
    """
    if session.limits.blocks and len(every.blocks) > session.limits.blocks:
        return None
    own, ids = set(part.blocks), every.trace_ids
    others = [block for block in every.blocks if block not in own]
    if part.is_far and not ids.are_told(others):
        return None
    _learn_ids(session, part if part.is_far else every)
    _learn_often_wrong(session, part)
    found = ids.shared(part.blocks, others)
    if found is None and is_lasting:
        ids.note_wrong(part.blocks)
    return None if found is None else found.to_pylist()


def _learn_ids(session: Session, source: BlockScan) -> None:
    """Remember the ids of blocks that are small enough and not known; beside all columns they are quickly read."""
    small = source.only(source.trace_ids.to_learn(source.blocks))
    if small.blocks and small.spans <= _LEARNED_SPANS:
        _learn(session, small)


def _learn_often_wrong(session: Session, source: BlockScan) -> None:
    """Remember the ids of blocks that are read in vain again and again; in S3 that would take requests."""
    for block in source.trace_ids.often_wrong(source.blocks):
        one = source.only([block])
        if not one.is_far:
            _learn(session, one)


def _learn(session: Session, source: BlockScan) -> None:
    every = source_of(source, source.blocks)
    rows = every.table(["trace_id"], row_id=True).subquery("ids", copy=False)
    number = exp.alias_(block_number(exp.column(ROW_ID)), "block")
    pairs = exp.select(number, exp.column("trace_id")).distinct(copy=False).from_(rows, copy=False)
    query = exp.select(exp.column("block"), exp.alias_(exp.func("list", exp.column("trace_id")), "ids"))
    query = query.from_(pairs.subquery("pairs", copy=False), copy=False).group_by(exp.column("block"), copy=False)
    source.trace_ids.add(every.blocks, session.run(query))


def _read(session: Session, blocks: BlockScan, trace_ids: Sequence[bytes]) -> BlockScan:
    """Restrict more than a few blocks to those that hold one of the traces."""
    if len(blocks.blocks) <= _FEW_BLOCKS:
        return blocks
    rows = blocks.table(["trace_id"], row_id=True).subquery("ids", copy=False)
    query = exp.select(exp.alias_(block_number(exp.column(ROW_ID)), "block")).distinct(copy=False)
    query = query.from_(rows, copy=False).where(is_any_of(trace_ids), copy=False)
    numbers: list[int] = session.run(query)["block"].to_pylist()  # type: ignore[assignment]  # none is NULL
    return blocks.only(blocks.blocks[number] for number in sorted(numbers))


def is_any_of(trace_ids: Sequence[bytes]) -> exp.Expr:
    """Return the test that a row is of one of some traces, by which row groups may be left out."""
    return is_one_of(trace_ids) if len(trace_ids) <= _SEVERAL else is_wanted(trace_ids)


def is_wanted(trace_ids: Sequence[bytes]) -> exp.Expr:
    """Return the test that a row is of one of many traces."""
    ids = pa.table({"trace_id": pa.array(trace_ids, pa.binary())})
    return is_in(exp.column("trace_id"), _WANTED, ids)


def is_one_of(trace_ids: Sequence[bytes]) -> exp.Expr:
    """Return the test that a row is of one of a few traces."""
    return exp.In(this=exp.column("trace_id"), expressions=id_literals(trace_ids))


def id_literals(trace_ids: Sequence[bytes]) -> list[exp.Expr]:
    """Write ids as SQL."""
    return [id_literal(trace_id) for trace_id in trace_ids]
