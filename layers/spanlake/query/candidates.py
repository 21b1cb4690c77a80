"""Finds the ids of traces that may match a query, those with the newest spans first."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import prod
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.blocks_of_traces import FEW_TRACES, is_any_of
from spanlake.query.compile import sql
from spanlake.query.compile.fields import CHILDREN, TRACE, span_column
from spanlake.query.compile.filters import NOTHING_TOLD, Told
from spanlake.query.compile.prefilter import Prefilter
from spanlake.query.compile.search import TRACES, SearchQueries, newest_by_id
from spanlake.query.compile.spans import ROW_ID, Compiled, Needs, compile_spans
from spanlake.query.compile.sql import Sql
from spanlake.query.engine.inputs import run
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan, block_number
from spanlake.query.scan.simple_sql import evaluated, is_simple
from spanlake.query.scan.slice_rows import read_where
from spanlake.query.scan.trace_columns import have_trace_columns, slice_starts
from spanlake.query.scan.unread_blocks import newest_first
from spanlake.query.time_range import TimeRange
from spanlake.query.trace_by_id import Slices
from spanlake.spans.arrow import Array, as_array, distinct, int64
from spanlake.store.blocks.trace_columns import CHILD_COUNT, ROOT_NAME, ROOT_SERVICE, SLICE_START

_START = "start_time_unix_nano"
_DURATION = "duration_nano"
_TRACE = "trace_id"
_TIME = "latest"
_LAST_NS = 2**63 - 1
_SAMPLED_SPANS = 32768
_TOLD: Told = {
    (CHILDREN, "child_count"): CHILD_COUNT,
    (TRACE, "root_name"): ROOT_NAME,
    (TRACE, "root_service"): ROOT_SERVICE,
}
"""Columns of a block that tell of the traces which are whole in it."""


Rank: TypeAlias = tuple[int, bytes]
"""The place of a trace among those of an answer: its negated start and its id. Wanted traces have the smaller ones."""


@dataclass(frozen=True)
class Candidates:
    """Traces that may match, each with the start of one of its spans, the latest first, equal ones by their ids.

    ``bound_ns`` is the latest start of a trace of the same blocks that is not among them, None where they are all; of
    those that start then, ``bound_id`` is the smallest id. Other blocks have traces that start by ``later_ns``. Nearly
    all that are ``is_certain`` match. ``has_more`` is True where a larger limit finds further ones. ``slices`` tells
    where in some blocks their spans are. ``shared`` traces are to be judged before all others: nothing is known of
    them.
    """

    starts: dict[bytes, int]
    bound_ns: int | None
    is_certain: bool = False
    has_more: bool = False
    slices: Slices = field(default_factory=dict)
    shared: tuple[bytes, ...] = ()
    bound_id: bytes = b""
    later_ns: int = 0

    @property
    def bound(self) -> Rank | None:
        """The rank before which there is no other trace of the same blocks; None where there is no other."""
        return None if self.bound_ns is None else (-self.bound_ns, self.bound_id)

    def rank(self, trace_id: bytes) -> Rank:
        """Return the rank that a candidate has at best."""
        return -self.starts[trace_id], trace_id

    def beside(self, start_ns: int) -> "Candidates":
        """Return them with a later bound where other traces of the same blocks may start up to a time."""
        if self.bound_ns is not None and self.bound_ns > start_ns:
            return self
        return replace(self, bound_ns=start_ns, bound_id=b"", has_more=True)


@dataclass(frozen=True)
class CandidateFinder:
    """Looks through blocks for traces, by their spans that start in a window or last until it.

    ``is_newest_first`` is False where the newest traces are of no more use than others.
    """

    session: Session
    source: BlockScan
    probe: Prefilter
    queries: SearchQueries
    is_newest_first: bool = True
    share: float = 1.0  # of all spans, those that meet the probe's test, as far as it was looked at
    share_of_others: float = 1.0  # those that meet all other tests of the probe
    shared: tuple[bytes, ...] | None = None  # traces of which other blocks, or several, have spans; None of all

    def newest(self, window: TimeRange, limit: int, since_ns: int = 0) -> Candidates:
        """Return the traces of the newest spans that meet the test ``one`` of the prefilter.

        ``limit`` spans are looked at, of those that start at ``since_ns`` or later.
        """
        source, test = self.source.overlapping(window.start_ns, window.end_ns), self._test
        source = source.only(source.misses.without(source.blocks, test))
        if not source.blocks:
            return Candidates({}, None)
        self.session.charge(source.blocks)
        found = run(self.session, self._newest(source, window, since_ns), source, limit=limit)
        if since_ns and found.num_rows < limit:
            return _candidates(found, limit, source, is_certain=self.probe.per_span).beside(since_ns)
        if not found.num_rows:
            within = (
                block for block in source.blocks if source.only([block]).is_within(window.start_ns, window.end_ns)
            )
            source.misses.add(within, test)
        return _candidates(found, limit, source, is_certain=self.probe.per_span)

    def of_newest_slices(self, window: TimeRange, limit: int, slices: int = 1) -> Candidates | None:
        """Return the traces of the newest spans of so many slices, as ``newest`` does, read without DuckDB.

        None where that is not possible, or no span of the block meets the test.
        """
        read, source = self.slice_starts[:slices], self.source
        if not read or read[-1] < window.start_ns or not source.misses.without(source.blocks, self._test):
            return None
        columns = {_TRACE, _START, SLICE_START} | Needs.of(self.probe.one).columns
        types = source.empty(sorted(columns)).schema
        if not is_simple(self.probe.one, types):
            return None
        self.session.charge(source.blocks)
        spans = read_where(source, read, types, partial(_meet, self.probe.one, window.end_ns))
        if spans is None:
            return None
        self.session.check()
        lot = _candidates(_newest_of(spans, limit), limit, source, is_certain=self.probe.per_span)
        return lot.beside(read[-1])

    @cached_property
    def _test(self) -> str:
        return self.probe.one.sql(DuckDB)

    @cached_property
    def slice_starts(self) -> list[int]:
        """The starts of the slices of a single large block, the newest first, by some of which traces may be judged.

        Slices that begin after the searched time are not among them.
        """
        starts = slice_starts(self.session, self.source) if self.is_newest_first else []
        return [start for start in starts if start <= self.queries.end_ns]

    @property
    def _is_told(self) -> bool:
        """True where blocks tell of each span what the other spans of its trace do."""
        if self.slice_starts:  # no older version wrote slices
            return True
        return self.shared is not None and have_trace_columns(self.session, self.source)

    def by_trace(self, limit: int, slices: int = 0) -> Candidates:
        """Return traces that match by all spans that they have in the blocks, or in so many slices of a single one.

        ``shared`` ones are among them in any case: where more match than are asked for, those that may be as new.
        """
        if not self.source.blocks:
            return Candidates({}, None)
        self.session.charge(self.source.blocks)
        is_one = len(self.source.blocks) == 1 and _may_have_slices(self.source)
        has_places = is_one and self.session.engine.traits.knows_rows
        places = _slice(exp.Literal.number(0), span_column(SLICE_START)) if has_places else []
        read = (self.slice_starts[slices - 1], self.slice_starts[0]) if slices else None
        source = self.source.once().in_slices(read)
        queried = self.queries.traces(*places, told=_TOLD if self._is_told else NOTHING_TOLD)
        found = run(self.session, queried, source, limit=limit)
        lot = _candidates(found, limit, self.source, is_certain=True)
        lot = lot if read is None else lot.beside(read[0])
        shared = self.shared or ()
        takes_long = self.source.is_far or len(shared) > FEW_TRACES  # to judge all of them
        if lot.has_more and shared and takes_long:
            return self._with_shared(lot, source, shared)
        return replace(lot, shared=shared)

    def _with_shared(self, lot: Candidates, source: BlockScan, shared: tuple[bytes, ...]) -> Candidates:
        """Add the shared traces that may come before the last of those that match."""
        start = span_column(_START)
        tests = [is_any_of(shared), exp.LTE(this=start, expression=sql.number(self.queries.end_ns))]
        compiled = compile_spans([span_column(_TRACE), exp.alias_(exp.Min(this=start.copy()), _TIME)], tests)
        compiled.sql.group_by(span_column(_TRACE), copy=False)
        compiled.sql.having(exp.GTE(this=exp.column(_TIME), expression=sql.number(lot.bound_ns or 0)), copy=False)
        found = run(self.session, replace(compiled, outputs=TRACES), source)
        starts = lot.starts | _candidates(found, found.num_rows + 1, source, is_certain=True).starts
        return replace(lot, starts=dict(sorted(starts.items(), key=lambda one: (-one[1], one[0]))))

    def _newest(self, source: BlockScan, window: TimeRange, since_ns: int) -> Compiled:
        trace, start = span_column(_TRACE), span_column(_START)
        traits = self.session.engine.traits
        time = exp.alias_(start if traits.is_quick else exp.Max(this=start), _TIME)
        is_in_slices = traits.knows_rows and _may_have_slices(source)
        slices = _slice(block_number(span_column(ROW_ID)), span_column(SLICE_START)) if is_in_slices else []
        tests = [self.probe.one.copy(), *_in_window(source, window)]
        if since_ns:
            tests.append(exp.GTE(this=start.copy(), expression=sql.number(since_ns)))
        compiled = compile_spans([trace, time, *slices], tests)
        if not traits.is_quick:
            compiled.sql.group_by(trace.copy(), copy=False)
        compiled.sql.order_by(*newest_by_id(), copy=False)
        return replace(compiled, outputs=TRACES)


def _in_window(source: BlockScan, window: TimeRange) -> Iterator[Sql]:
    start = span_column(_START)
    if not source.is_within(window.start_ns, window.end_ns):
        yield exp.LTE(this=start.copy(), expression=sql.number(window.end_ns))
    if not source.starts_after(window.start_ns):
        since = sql.number(window.start_ns)
        lasting = span_column(_DURATION) >= exp.paren(since - start)
        yield exp.or_(exp.GTE(this=start.copy(), expression=since.copy()), lasting)


def _meet(test: Sql, end_ns: int, spans: pa.Table) -> Array:
    """Tell which spans meet a simple test, and start by a time."""
    in_time = pc.less_equal(as_array(spans[_START]), int64(min(end_ns, _LAST_NS)))
    found: Array = pc.and_kleene(evaluated(test, spans), in_time)
    return found


def _newest_of(spans: pa.Table, limit: int) -> pa.Table:
    """Return the newest spans of a single block as rows of candidates."""
    rows = spans.select([_TRACE, _START]).rename_columns([_TRACE, _TIME])
    rows = rows.append_column("block", pa.repeat(int64(0), len(spans))).append_column("slice", spans[SLICE_START])
    select: Any = pc.select_k_unstable  # of tables, too, which its types do not say
    return rows.take(select(rows, min(limit, len(rows)), [(_TIME, "descending"), (_TRACE, "ascending")]))


def _may_have_slices(source: BlockScan) -> bool:
    """True where a block may have slices."""
    return any(block.level for block in source.blocks)


def _slice(block: exp.Expr, start: exp.Expr) -> list[exp.Expr]:
    return [exp.alias_(block, "block"), exp.alias_(start, "slice")]


def _candidates(found: pa.Table, limit: int, source: BlockScan, *, is_certain: bool) -> Candidates:
    """Return the traces of rows that are ordered by time and id."""
    table = found.combine_chunks()
    ids, times = (as_array(column) for column in table.columns[:2])
    first = pc.index_in(pc.unique(ids), value_set=ids)
    starts: dict[Any, Any] = dict(zip(ids.take(first).to_pylist(), times.take(first).to_pylist(), strict=True))
    has_more = len(times) == limit
    bound = (times[-1].as_py(), ids[-1].as_py()) if has_more else (None, b"")
    slices = _slices(table, first, source) if "slice" in table.column_names else {}
    return Candidates(starts, bound[0], is_certain, has_more, slices, bound_id=bound[1])


def _slices(found: pa.Table, first: Array, source: BlockScan) -> Slices:
    """Return the slices of the traces, of which the first rows are given, in each block."""
    if len(source.blocks) > 1:
        _, first = distinct(as_array(found[_TRACE]), as_array(found["block"]))
    known = found.take(first).filter(pc.field("slice").is_valid())
    ids, numbers, starts = (known[name].to_pylist() for name in (_TRACE, "block", "slice"))
    slices: dict[Any, dict[Any, Any]] = {}
    for id_, number, start in zip(ids, numbers, starts, strict=True):
        slices.setdefault(number, {})[id_] = start
    return {source.blocks[number]: of_block for number, of_block in slices.items()}


def most_selective(session: Session, source: BlockScan, probe: Prefilter) -> tuple[Prefilter, float, float]:
    """Put that test of a probe first which the fewest spans of a sample of the newest block meet.

    Returns the share of spans that meet it as well, and that of those that meet all others; 1 where it is not known.

    A block that is read from S3 by ranges is not sampled: that would take further requests.
    """
    newest = source.only(newest_first(source.blocks)[:1])
    if not probe.others or not newest.blocks or not newest.is_local:
        return probe, 1.0, 1.0
    tests = [probe.one, *probe.others]
    counts = compile_spans([exp.func("count_if", test) for test in tests])
    sample = newest.sampled(1, _SAMPLED_SPANS)
    row = run(session, counts, sample)
    met = sorted((int(column[0].as_py() or 0), n) for n, column in enumerate(row.columns))  # NULL of no spans
    (least, first), *others = ((count / max(sample.spans, 1), n) for count, n in met)
    return replace(probe, one=tests[first]), least, prod(share for share, _ in others)
