"""Traces by id: fetched from all blocks, filtered, with shared span ids split."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.blocks_of_traces import FEW_TRACES, holding, id_literals, is_any_of, is_one_of, is_wanted, may_hold
from spanlake.query.compile import sql
from spanlake.query.compile.fields import SPAN
from spanlake.query.compile.spans import ROW_ID, Needs
from spanlake.query.compile.sql import id_literal
from spanlake.query.engine.session import Session
from spanlake.query.limits import TooManySpans
from spanlake.query.scan.blocks import BlockScan, places, read_rows, renumbered
from spanlake.query.scan.simple_sql import evaluated, is_simple
from spanlake.query.scan.slice_rows import read_traces
from spanlake.spans.arrow import Array, as_array, int64
from spanlake.spans.duplicates import drop_duplicates
from spanlake.spans.schema import SPAN_ID
from spanlake.store.blocks import bloom
from spanlake.store.blocks.block import Block
from spanlake.store.blocks.trace_columns import SLICE_START

_SERVER, _CLIENT = 2, 3


def split_shared_ids(spans: pa.Table) -> pa.Table:
    """Give ids of their own to server spans that share one with a client span; other equal ids stay."""
    if pc.count_distinct(spans["span_id"]).as_py() == spans.num_rows:
        return spans
    ids, parents, kinds = (spans[name].to_pylist() for name in ("span_id", "parent_span_id", "kind"))
    called = {id_ for id_, kind in zip(ids, kinds, strict=True) if kind == _CLIENT}
    servers = [row for row, (id_, kind) in enumerate(zip(ids, kinds, strict=True)) if kind == _SERVER and id_ in called]
    if not servers:
        return spans
    taken = {id_ for id_ in ids if id_ is not None}
    fresh = dict(zip(servers, _free(taken), strict=False))
    served = {ids[row]: id_ for row, id_ in reversed(fresh.items())}
    parents = [ids[row] if row in fresh else served.get(parent, parent) for row, parent in enumerate(parents)]
    ids = [fresh.get(row, id_) for row, id_ in enumerate(ids)]
    return _with(_with(spans, "span_id", ids), "parent_span_id", parents)


def _free(taken: set[bytes]) -> Iterator[bytes]:
    """Yield ids that no span has, from 1 up."""
    ids = (number.to_bytes(SPAN_ID) for number in count(1))
    return (id_ for id_ in ids if id_ not in taken)


def _with(spans: pa.Table, name: str, values: list[bytes | None]) -> pa.Table:
    index = spans.schema.get_field_index(name)
    field = spans.schema.field(index)
    return spans.set_column(index, field, pa.array(values, field.type))


_HASHED = 8  # ids whose hashes take less time to compare than the ids themselves, if few spans are read
_MANY_SPANS = 1 << 18  # of which those of a few traces are found by hashes first
_MOST_SLICES = 64  # that are named one by one


def trace(
    session: Session, source: BlockScan, trace_id: bytes, rows: Callable[[pa.Table], list[int]] | None = None
) -> pa.Table | None:
    """Return the span table of one trace, each distinct row once, in the order in which spans arrived.

    None if there is none.

    Server spans that share their id with a client span have one of their own. ``rows`` chooses among the spans, which
    it is given as they were sent.

    Raises LimitExceeded when the trace has more spans than one answer may.
    """
    blocks = holding(session, source, [trace_id])
    if not blocks.blocks:
        return None
    found = _whole_rows(session, blocks, trace_id)
    _note_wrong(blocks, found)
    if not found.num_rows:
        return None
    spans = source.with_block_names(_distinct(found))
    told = split_shared_ids(spans)
    return told if rows is None else told.take(pa.array(rows(spans), pa.int64()))


def _whole_rows(session: Session, blocks: BlockScan, trace_id: bytes) -> pa.Table:
    """Return all rows of a trace in some blocks, with every column and ``arrival``.

    On this machine they are found first: a statement that looks for them in 90 columns takes three times as long.
    """
    is_it = exp.EQ(this=exp.column("trace_id"), expression=id_literal(trace_id))  # skips parts of sorted files
    tests = [_hashed([trace_id]), is_it]
    if not blocks.is_far:
        found = _of_traces(session, blocks.table([], row_id=True, where=tests), exp.true())
        if (rows := read_rows(blocks, as_array(found[ROW_ID]))) is not None:
            return rows
    return _of_traces(session, blocks.all_columns(*tests), is_it.copy())


def blocks_with(session: Session, source: BlockScan, trace_id: bytes) -> list[Block]:
    """Return the blocks that hold spans of a trace which they do not hide."""
    return [block for block in may_hold(source, [trace_id]).blocks if _holds(session, source, block, trace_id)]


def _holds(session: Session, source: BlockScan, block: Block, trace_id: bytes) -> bool:
    ids = source.only([block]).table(["trace_id"], where=[_hashed([trace_id])])
    query = exp.select(exp.column("trace_id")).from_(ids.subquery("hashed", copy=False), copy=False)
    query.where(exp.In(this=exp.column("trace_id"), expressions=id_literals([trace_id])), copy=False)
    return session.run(query.limit(1, copy=False)).num_rows > 0


Slices: TypeAlias = Mapping[Block, Mapping[bytes, int]]
"""Of blocks with slices, traces that they are known to hold, each with the start of its slice there."""


def fetch_traces(
    session: Session,
    source: BlockScan,
    columns: Iterable[str],
    trace_ids: Sequence[bytes],
    slices: Slices | None = None,
    computed: Sequence[exp.Expr] = (),
) -> pa.Table:
    """Return all spans of some traces, each once: these columns, ``arrival``, and what is ``computed`` of a span ``s``.

    Without any span the table lacks what is computed. Raises LimitExceeded when there are too many.
    """
    portions = list(_portions(session, source, trace_ids, slices or {}))
    held = {block for portion in portions for block in portion.blocks.blocks}
    blocks = source.only(block for block in source.blocks if block in held)
    if not blocks.blocks:
        return source.empty(columns).append_column(ROW_ID, pa.array([], pa.int64()))
    wanted = {*columns, "trace_id", "span_id"}
    found = _joined(
        [_numbered(_fetched(session, portion, wanted, computed), portion.blocks, blocks) for portion in portions]
    )
    if found.num_rows > session.limits.trace_spans:
        raise _too_many(session)
    repeated = _repeated(session, blocks, found)
    return found if repeated is None else found.filter(pc.invert(pc.is_in(found[ROW_ID], value_set=repeated)))


@dataclass(frozen=True)
class _Portion:
    """Traces that are read from some blocks; where ``slices`` are given, from these alone."""

    blocks: BlockScan
    trace_ids: Sequence[bytes]
    slices: frozenset[int] | None = None

    @property
    def where(self) -> list[exp.Expr]:
        """The test of the slices, by which DuckDB leaves out row groups."""
        if self.slices is None:
            return []
        start = exp.column(SLICE_START)
        if len(self.slices) > _MOST_SLICES:
            return [exp.Between(this=start, low=sql.number(min(self.slices)), high=sql.number(max(self.slices)))]
        return [exp.In(this=start, expressions=[sql.number(one) for one in sorted(self.slices)])]


def _portions(session: Session, source: BlockScan, trace_ids: Sequence[bytes], slices: Slices) -> Iterator[_Portion]:
    """Yield the portions to read: slices that are known, other blocks, and what else may be in blocks with slices."""
    wanted = set(trace_ids)
    known = {
        block: {id_: start for id_, start in slices[block].items() if id_ in wanted}
        for block in source.blocks
        if block in slices
    }
    known = {block: found for block, found in known.items() if found}
    rest = holding(session, source.only(block for block in source.blocks if block not in known), trace_ids)
    if rest.blocks:
        yield _Portion(rest, trace_ids)
    if known:
        starts = frozenset(start for found in known.values() for start in found.values())
        yield _Portion(source.only(known), list({id_: None for found in known.values() for id_ in found}), starts)
    others = {block: [id_ for id_ in trace_ids if id_ not in found] for block, found in known.items()}
    strays = {block: _may_be_in(session, source.only([block]), ids) for block, ids in others.items() if ids}
    strays = {block: ids for block, ids in strays.items() if ids}
    if strays:
        yield _Portion(source.only(strays), list({id_: None for ids in strays.values() for id_ in ids}))


def _may_be_in(session: Session, one: BlockScan, trace_ids: list[bytes]) -> list[bytes]:
    """Return the traces that a block may hold."""
    (block,) = one.blocks
    ids = pa.array(trace_ids, pa.binary())
    may: Any = ids.filter(bloom.may_contain_each(block.trace_filter, bloom.hash_all(ids)))
    found: list[bytes] = may.to_pylist()
    return found if found and holding(session, one, found).blocks else []


def _numbered(found: pa.Table, part: BlockScan, blocks: BlockScan) -> pa.Table:
    """Return the spans of some blocks, their ``arrival`` by the numbers that these have among all."""
    if part.blocks == blocks.blocks:
        return found
    numbers = {block: number for number, block in enumerate(blocks.blocks)}
    arrivals = renumbered(as_array(found[ROW_ID]), [numbers[block] for block in part.blocks])
    return found.set_column(found.schema.get_field_index(ROW_ID), ROW_ID, arrivals)


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Return all rows, each once."""
    if len(tables) == 1:
        return tables[0]
    every = pa.concat_tables(tables)
    arrivals = as_array(every[ROW_ID])
    distinct = pc.unique(arrivals)
    return every if len(distinct) == len(arrivals) else every.take(pc.index_in(distinct, value_set=arrivals))


def _fetched(session: Session, portion: _Portion, columns: set[str], computed: Sequence[exp.Expr]) -> pa.Table:
    blocks, trace_ids = portion.blocks, portion.trace_ids
    if (found := _by_row_group(session, portion, columns, computed)) is not None:
        return found
    select = [*map(exp.column, sorted(columns)), exp.column(ROW_ID), *(column.copy() for column in computed)]
    read = columns | Needs.of(*computed).columns | (set() if portion.slices is None else {SLICE_START})
    is_large = portion.slices is None and blocks.spans >= _MANY_SPANS
    tests = [_hashed(trace_ids)] if len(trace_ids) <= (FEW_TRACES if is_large else _HASHED) else []
    spans = blocks.table(read, row_id=True, where=[*portion.where, *tests])
    if len(trace_ids) <= FEW_TRACES:
        is_any = is_one_of(trace_ids)
    else:
        is_any = is_any_of(trace_ids) if portion.slices is None else is_wanted(trace_ids)
    found = _of_traces(session, spans, is_any, select)
    _note_wrong(blocks, found)
    return found


def _by_row_group(
    session: Session, portion: _Portion, columns: set[str], computed: Sequence[exp.Expr]
) -> pa.Table | None:
    """Read a few row groups without DuckDB; None where that is not possible, or would take longer."""
    if portion.slices is None:
        return None
    types = portion.blocks.empty(columns | Needs.of(*computed).columns).schema
    if not all(is_simple(one, types) for one in computed):
        return None
    found = read_traces(portion.blocks, portion.slices, types, portion.trace_ids)
    if found is None:
        return None
    session.check()
    if found.num_rows > session.limits.trace_spans:
        raise _too_many(session)
    told = found.select([*sorted(columns), ROW_ID])
    for one in computed:
        told = told.append_column(one.alias, evaluated(one, found))
    return told


def _note_wrong(read: BlockScan, found: pa.Table) -> None:
    """Note the blocks of which no span was found."""
    numbers: list[Any] = pc.unique(places(as_array(found[ROW_ID]))[0]).to_pylist()
    held = {read.blocks[number] for number in numbers}
    read.trace_ids.note_wrong(block for block in read.blocks if block not in held)


def _repeated(session: Session, blocks: BlockScan, found: pa.Table) -> Array | None:
    """Return the ``arrival`` of rows that equal an earlier one in every column, asked for or not."""
    ids = found.select(["trace_id", "span_id"])
    counted = ids.group_by(["trace_id", "span_id"]).aggregate([([], "count_all")])
    if counted.num_rows == found.num_rows or (len(blocks.blocks) == 1 and blocks.blocks[0].level):
        return None
    twice: Any = counted.filter(pc.greater(counted["count_all"], int64(1)))["trace_id"].unique()
    doubled: list[bytes] = twice.to_pylist()
    rows = _of_traces(session, blocks.all_columns(_hashed(doubled)), is_one_of(doubled)).sort_by(ROW_ID)
    kept = drop_duplicates(rows, ROW_ID)
    return as_array(rows[ROW_ID].filter(pc.invert(pc.is_in(rows[ROW_ID], value_set=as_array(kept[ROW_ID])))))


def _hashed(trace_ids: Sequence[bytes]) -> exp.Expr:
    """Return a test of the hash of the id, which lets a few other traces through.

    DuckDB applies it while it reads the column and before it reads any other; a test of the id itself it does not.
    """
    hashes = [exp.func("hash", id_) for id_ in id_literals(trace_ids)]
    return exp.In(this=exp.func("hash", exp.column("trace_id")), expressions=hashes)


def _of_traces(
    session: Session, spans: exp.Select, is_of_one: exp.Expr, select: Sequence[exp.Expr] | None = None
) -> pa.Table:
    limit = session.limits.trace_spans
    query = exp.select(*(select or [exp.Star()])).from_(spans.subquery(SPAN, copy=False), copy=False)
    query.where(is_of_one, copy=False)
    found = session.run(query.limit(limit + 1, copy=False))
    if found.num_rows > limit:
        raise _too_many(session)
    return found


def _too_many(session: Session) -> TooManySpans:
    limit = session.limits.trace_spans
    return TooManySpans(f"the traces have more than {limit} spans, the most that one answer is made of")


def _distinct(found: pa.Table) -> pa.Table:
    """Drop repeated rows: a request that was sent twice may have been stored twice."""
    return drop_duplicates(found.sort_by(ROW_ID).drop_columns([ROW_ID]))
