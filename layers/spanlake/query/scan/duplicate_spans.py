"""Finds spans that blocks hold twice, equal in every column: a client may have sent them again in another request.

A merge drops such rows, so only blocks that were not merged with each other can share them. Equal rows start at the
same time: blocks of different days, or whose times do not overlap, share none. What was found is kept, so that a
process compares a block once.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.compile.spans import ROW_ID, TIE_COLUMNS
from spanlake.query.compile.sql import memory_table
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan, Repeated, places
from spanlake.spans.arrow import Array, as_array, int64, numbers
from spanlake.store.blocks.block import Block, arrival_order

_MOST_SETS = 64  # of blocks that are remembered
_MOST_ROWS = 1 << 20  # that are remembered of a set: 24 MB and the paths
_AT_ONCE = 1 << 22  # spans whose ids are counted by one query
_MOST_PAIRS = 1 << 16  # of a new block and any other, whose times are compared
_KEY, _CANDIDATES = "key", "repeat_candidates"

_Known: TypeAlias = frozenset[tuple[str, frozenset[bytes]]]
"""Blocks by their paths, each with what it hides: a hidden row repeats none."""

_COLUMNS: list[tuple[str, pa.DataType]] = [("group", pa.int64()), ("path", pa.string()), ("row", pa.int64())]
_NONE = pa.schema(_COLUMNS).empty_table()


def _known(blocks: Iterable[Block]) -> _Known:
    return frozenset((block.path, block.hidden) for block in blocks)


@dataclass
class Repeats:
    """The rows that repeat others, of the sets of blocks that were asked for. Safe to share between threads."""

    _found: "OrderedDict[_Known, pa.Table]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def left_out(self, session: Session, source: BlockScan) -> BlockScan:
        """Return the source without the rows that repeat another one. Raises LimitExceeded."""
        others = source.others.blocks if source.others is not None else ()
        repeated = _repeated(self._rows(session, source, (*source.blocks, *others)))
        beside = None if source.others is None else replace(source.others, repeated=repeated)
        return replace(source, repeated=repeated, others=beside)

    def _rows(self, session: Session, source: BlockScan, blocks: Sequence[Block]) -> pa.Table:
        """Find groups of equal rows of some blocks: ``group``, ``path`` and ``row``, in order of arrival in a group.

        The order is that of all queries, in whichever order they read the blocks: groups that are remembered and groups
        that are found later keep the same row of equal ones.
        """
        blocks = sorted(blocks, key=arrival_order)
        wanted = _known(blocks)
        known, found = self._nearest(wanted)
        fresh = [block for block in blocks if (block.path, block.hidden) not in known]
        if fresh:
            found = _joined([_within(found, blocks), _compared(session, source, fresh, blocks)])
            self._keep(wanted, found)
        return _within(found, blocks)

    def _nearest(self, wanted: _Known) -> tuple[_Known, pa.Table]:
        """Return the remembered set that has the most of the wanted blocks, and its rows."""
        with self._lock:
            known = max(self._found, key=lambda one: len(one & wanted), default=None)
            if known is None:
                return frozenset(), _NONE
            self._found.move_to_end(known)
            return known, self._found[known]

    def _keep(self, wanted: _Known, found: pa.Table) -> None:
        if found.num_rows > _MOST_ROWS:
            return
        with self._lock:
            for older in [one for one in self._found if one < wanted]:
                del self._found[older]
            self._found[wanted] = found
            while len(self._found) > _MOST_SETS:
                self._found.popitem(last=False)


def _within(found: pa.Table, blocks: Sequence[Block]) -> pa.Table:
    paths = pa.array([block.path for block in blocks], pa.string())
    return found.filter(pc.is_in(found["path"], value_set=paths)) if found.num_rows else found


def _repeated(found: pa.Table) -> Repeated | None:
    """Return all rows of the groups but the first of each, if there are any."""
    if not found.num_rows:
        return None
    groups = as_array(found["group"])
    first = pc.index_in(pc.unique(groups), value_set=groups)
    repeats = found.filter(pc.invert(pc.is_in(numbers(len(groups)), value_set=first.cast(pa.int64()))))
    if not repeats.num_rows:
        return None
    paths: list[str] = pc.unique(repeats["path"]).to_pylist()  # type: ignore[assignment]  # none is NULL
    name = f"repeated_{crc32(' '.join(sorted(paths)).encode()):08x}_{repeats.num_rows}"
    return Repeated(name, repeats, frozenset(paths))


# how they are found


def _compared(session: Session, source: BlockScan, fresh: Sequence[Block], blocks: Sequence[Block]) -> pa.Table:
    """Return the equal rows that a fresh block shares with any, or has itself."""
    read = source_of(source, _overlapping(fresh, blocks))
    if not read.blocks:
        return _NONE
    portions = -(-read.spans // _AT_ONCE)
    return _joined([_equal_rows(session, read, portion, portions) for portion in range(portions)])


def _joined(found: Sequence[pa.Table]) -> pa.Table:
    """Return the groups of several tables, numbered anew."""
    first, joined = 0, []
    for table in found:
        joined.append(table.set_column(0, "group", pc.add(table["group"], int64(first))))
        first = (pc.max(joined[-1]["group"]).as_py() or 0) + 1 if table.num_rows else first
    return pa.concat_tables(joined)


def source_of(source: BlockScan, blocks: Sequence[Block]) -> BlockScan:
    """Return all rows of some blocks."""
    everything = replace(source, others=None, of_others=(), repeated=None, first_rows=None, slices=None)
    return everything.only(blocks)


def _overlapping(fresh: Sequence[Block], blocks: Sequence[Block]) -> list[Block]:
    """Return the fresh blocks, and those that may have spans of the same time as one of them."""
    if len(fresh) * len(blocks) > _MOST_PAIRS:
        return list(blocks)
    pairs = {block: [one for one in fresh if _overlap(one, block)] for block in blocks}
    alone = {block for block, near in pairs.items() if near == [block] and block.level}
    touched = {one for block, near in pairs.items() for one in near if one is not block}
    return [block for block, near in pairs.items() if near and (block not in alone or block in touched)]


def _overlap(one: Block, other: Block) -> bool:
    return one.date == other.date and one.start_ns <= other.end_ns and other.start_ns <= one.end_ns


def _equal_rows(session: Session, source: BlockScan, portion: int, portions: int) -> pa.Table:
    span = exp.func("hash", exp.column("span_id"))
    is_here = exp.EQ(
        this=exp.Mod(this=span.copy(), expression=exp.Literal.number(portions)), expression=exp.Literal.number(portion)
    )
    ids = _repeated_keys(session, source, ["span_id"], span, *([is_here] if portions > 1 else []))
    if not ids.num_rows:
        return _NONE
    columns = sorted(TIE_COLUMNS)
    most = exp.func("hash", *map(exp.column, columns))
    keys = _repeated_keys(session, source, columns, most, _is_candidate(span, ids))
    return _grouped(session, source, _is_candidate(most, keys)) if keys.num_rows else _NONE


def _repeated_keys(
    session: Session, source: BlockScan, columns: Sequence[str], key: exp.Expr, *where: exp.Expr
) -> pa.Table:
    """Return the hashes that several rows have."""
    of_hidden = {"trace_id"} if any(block.hidden for block in source.blocks) else set()
    rows = source.table({*columns, *of_hidden}, where=where).subquery("rows", copy=False)
    query = exp.select(exp.alias_(key.copy(), _KEY)).from_(rows, copy=False).group_by(exp.column(_KEY), copy=False)
    query.having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)), copy=False)
    return session.run(query, large=True)


def _is_candidate(key: exp.Expr, keys: pa.Table) -> exp.Expr:
    query = exp.select(exp.column(_KEY)).from_(memory_table(_CANDIDATES, keys), copy=False)
    return exp.In(this=key.copy(), query=query.subquery(copy=False))


def _grouped(session: Session, source: BlockScan, is_candidate: exp.Expr) -> pa.Table:
    """Return the candidates that are equal in every column."""
    rows = source.all_columns(is_candidate)
    names = [name for name in session.run(rows.copy().limit(0)).column_names if name != ROW_ID]
    columns = [exp.column(name, quoted=True) for name in names]
    arrivals = exp.func("list_sort", exp.func("list", exp.column(ROW_ID)))
    query = exp.select(exp.alias_(arrivals, "arrivals")).from_(rows.subquery("whole", copy=False), copy=False)
    query.group_by(*columns, copy=False)
    query.having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)), copy=False)
    return _rows_of(source, as_array(session.run(query)["arrivals"]))


def _rows_of(source: BlockScan, arrivals: Array) -> pa.Table:
    groups = pc.list_parent_indices(arrivals).cast(pa.int64())
    files, rows = places(arrivals.flatten().cast(pa.int64()))
    paths = pa.array([block.path for block in source.blocks], pa.string()).take(files)
    return pa.table({"group": groups, "path": paths, "row": rows}, schema=_NONE.schema)
