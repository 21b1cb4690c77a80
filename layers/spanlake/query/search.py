"""Search: which traces match a query, the newest first.

A search looks for traces that may match, in the newest blocks first, fetches them whole from all blocks that hold spans
of them, and judges them. It ends when no trace that it has not seen can be among the newest. What a trace may start
at latest is known of its spans: no trace starts after one of its spans.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from math import sqrt

import pyarrow as pa
from sqlglot import exp

from spanlake.query.blocks_of_traces import shared_traces
from spanlake.query.candidates import CandidateFinder, Candidates, most_selective
from spanlake.query.compile.search import SearchQueries, compile_search
from spanlake.query.engine.session import Session
from spanlake.query.limits import TooManySpans
from spanlake.query.plan import SearchPlan
from spanlake.query.scan.block_budget import note_unread
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.scan.offload import Offload, OffloadingFinder, split_by_limit
from spanlake.query.scan.parts import in_parts
from spanlake.query.search_results import TraceResult, TraceSummary, read_spansets, read_summaries
from spanlake.query.spanning_traces import REACH_NS, SpanningTraces
from spanlake.query.time_range import TimeRange
from spanlake.query.trace_by_id import fetch_traces
from spanlake.store.blocks.block import Block
from spanlake.traceql import ast
from spanlake.traceql.errors import Unsupported

_SPARE = 8  # one more trace for each eight that are wanted: those found after the last one may start later than it does
_MOST_TRACES = 512  # that are judged by their spans however few spans there are
_SHARE = 8  # of all spans one in so many is fetched to judge traces; beyond it one query of all traces takes less time
_SHARE_OF_PROBED = 32  # the same where that query is a probe
_MARGIN = 1.5  # of the traces that are judged, over those that are needed by what matched so far
_GROWTH = 4
_NEAR_SLICES = 4  # that are read for candidates which are not certain, unless more are needed
_HEADER_COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "start_time_unix_nano",
    "duration_nano",
    "name",
    "service_name",
    "status_code",
)


class Order(StrEnum):
    """The sort keys of traces."""

    START = "start"
    DURATION = "duration"


@dataclass(frozen=True)
class Ranking:
    """The sort key of traces, largest first unless ``ascending``."""

    order: Order = Order.START
    ascending: bool = False

    @classmethod
    def of(cls, query: ast.Query) -> "Ranking":
        """Return the ranking that a query's hints ask for, as in ``with (order=duration, asc)``; raises Unsupported."""
        order, ascending = query.hint("order", ast.Type.STRING), query.hint("asc", ast.Type.BOOL)
        if order is not None and order.value not in list(Order):
            names = " or ".join(Order)
            raise Unsupported(f"traces are ordered by {names}, as in `with (order=duration)`", query.text, order.at)
        is_ascending = ascending is not None and ascending.value is True
        return cls(Order.START if order is None else Order(str(order.value)), is_ascending)


@dataclass(frozen=True)
class Search:
    """A search: its plan and range. Times are Unix nanoseconds, inclusive. ``spans`` 0 shows every span of a set.

    Of more traces than the limit the first by the ``ranking`` are kept.
    """

    plan: SearchPlan
    start_ns: int
    end_ns: int
    limit: int = 20
    spans: int = 3
    ranking: Ranking = Ranking()

    @property
    def is_newest_first(self) -> bool:
        """True where the traces that start last are kept."""
        return self.ranking == Ranking()

    @property
    def window(self) -> TimeRange:
        """The time in which the spans of traces that run in the range are read at first."""
        return TimeRange(self.start_ns - REACH_NS, self.end_ns + REACH_NS)

    def compiled(self, source: BlockScan) -> SearchQueries:
        """Return the queries of the search over blocks."""
        return compile_search(self.plan, source.known, self.window.end_ns, self.spans)

    def rank(self, header: TraceSummary) -> tuple[int, bytes]:
        """Return the sort key of a trace; wanted traces come first."""
        is_by_start = self.ranking.order is Order.START
        value = header.start_ns if is_by_start else header.end_ns - header.start_ns
        return (value if self.ranking.ascending else -value), header.trace_id

    def is_in_range(self, header: TraceSummary) -> bool:
        """True where a trace runs in the range."""
        return header.start_ns <= self.end_ns and header.end_ns >= self.start_ns


def search(session: Session, source: BlockScan, wanted: Search, offload: Offload | None = None) -> list[TraceResult]:
    """Return the matching traces, in the order that is wanted. ``source`` has all blocks of the tenant.

    Traces that the newest blocks do not hold are looked for outside, where that is possible. Raises LimitExceeded.
    """
    if not source.blocks:
        return []
    queries = wanted.compiled(source)
    judge = _Judge(session, source, wanted, queries)
    for lot in _lots(session, source, wanted, queries, offload, judge):
        if judge.is_done(lot):
            break
    judge.judge_held()
    if session.is_half_over and len(source.blocks) > session.policy.search.many_blocks:  # there are few such traces
        return judge.best
    stretched = SpanningTraces(session, source.with_history, wanted.start_ns, wanted.end_ns)
    for ids, bound_ns in stretched.traces(judge.least_start_ns):
        judge.judge(ids)
        if judge.is_settled(bound_ns):
            break
    return judge.best


class _Judge:
    """Judges traces, and keeps the best."""

    def __init__(self, session: Session, source: BlockScan, wanted: Search, queries: SearchQueries) -> None:
        self._session = session
        self._policy = session.policy.search
        self._source = source
        self._wanted = wanted
        self._queries = queries
        self._seen: set[bytes] = set()
        self._slices: dict[Block, dict[bytes, int]] = {}
        self._worth_judging = _MOST_TRACES
        self._fewest = self._policy.fewest_traces
        self._held = Candidates({}, None, is_certain=True)
        self.best: list[TraceResult] = []

    def is_done(self, lot: Candidates) -> bool:
        """Judge candidates, those with the newest spans first; true as soon as others cannot be among the best.

        Candidates that are not certain are judged as long as the judge ``is_promising``. Certain ones wait until they
        are enough: to judge a few takes nearly as long.
        """
        for block, slices in lot.slices.items():
            self._slices.setdefault(block, {}).update(slices)
        if lot.is_certain:
            lot = self._with_held(lot)
            if len(self.best) + len(lot.starts) < self._wanted.limit:
                self._held = lot
                return False
        shared = [trace_id for trace_id in lot.shared if trace_id not in self._seen]
        fresh = [trace_id for trace_id in lot.starts if trace_id not in self._seen]
        size = self._enough if lot.is_certain else self._portion(lot, fresh)
        while shared or fresh:
            now, fresh = [*shared, *fresh[:size]], fresh[size:]
            shared = []
            self.judge(now)
            bound_ns = lot.starts[fresh[0]] if fresh else lot.bound_ns
            if self.is_settled(max(bound_ns or 0, lot.bound_ns or 0)):
                return True
            size = 2 * size if lot.is_certain else self._portion(lot, fresh)
            if not lot.is_certain and ((len(fresh) < size and lot.has_more) or not self.is_promising):
                return False  # a larger lot holds the rest of this one, too
        return self.is_settled(lot.bound_ns)

    def _with_held(self, lot: Candidates) -> Candidates:
        """Return certain candidates together with those that wait, which then wait no more."""
        held, self._held = self._held, replace(self._held, starts={}, shared=())
        both = {id_: start for id_, start in {**held.starts, **lot.starts}.items() if id_ not in self._seen}
        starts = dict(sorted(both.items(), key=lambda one: -one[1]))
        return replace(lot, starts=starts, shared=(*held.shared, *lot.shared))

    def judge_held(self) -> None:
        """Judge the candidates that wait for others."""
        held = self._with_held(replace(self._held, starts={}, shared=()))
        self.judge([*held.shared, *held.starts])

    def shared_traces(self, part: CandidateFinder) -> tuple[bytes, ...] | None:
        """Return the traces of a part of which other blocks may hold spans: all others are whole in the part.

        None where they are not few or not known, or where single spans tell which traces to judge.
        """
        probe = part.probe
        if probe.per_span or not (probe.per_trace or probe.one == exp.true()) or part.queries.spans.relates_spans:
            return None
        found = shared_traces(self._session, part.source, self._source.with_history)
        return tuple(found) if found is not None and len(found) <= self._policy.fewest_traces else None

    def _portion(self, lot: Candidates, fresh: list[bytes]) -> int:
        """Return how many candidates to judge at once: as many as are needed, or fewer that lie in a few slices."""
        starts = {id_: start for slices in lot.slices.values() for id_, start in slices.items()}
        near: set[int] = set()
        for number, id_ in enumerate(fresh[: self.needed] if starts else ()):
            near.add(starts.get(id_, 0))
            if len(near) > _NEAR_SLICES and number >= max(self._enough, self._likely):
                return number
        return self.needed

    @property
    def _enough(self) -> int:
        """Number of traces to judge where all match."""
        return self._wanted.limit + max(self._wanted.limit // _SPARE, 1)

    @property
    def _likely(self) -> int:
        """Number of traces to judge until enough match, if those to come match as often as those so far."""
        missing = self._wanted.limit - len(self.best)
        return int(_MARGIN * len(self._seen) * missing / (len(self.best) or 0.25))

    @property
    def needed(self) -> int:
        """Number of traces to judge next."""
        return max(self._fewest, self._likely)

    @property
    def needed_spans(self) -> int:
        """Number of spans to look at for as many traces."""
        return self.needed * self._policy.spans_per_trace

    def expect(self, finder: CandidateFinder) -> None:
        """Learn how traces are judged if not by their spans: the newest slices alone take little time."""
        if finder.probe.per_span:
            return
        if self._wanted.plan.only_filter is not None:  # of spans that meet one test as many should meet the others
            likely = _MARGIN * self._wanted.limit / max(finder.share_of_others, 1 / _MOST_TRACES)
            self._fewest = max(self._fewest, min(int(likely), _MOST_TRACES))
        if finder.source.is_far:  # a filter is wrong for one of so many traces, and what it lets pass is a request
            self._fewest = min(self._fewest, self._enough)
        traces = self._source.spans // self._policy.spans_per_trace
        of_all = traces // (_SHARE_OF_PROBED if finder.probe.per_trace else _SHARE)
        self._worth_judging = max(_MOST_TRACES, 2 * self._wanted.limit, 0 if finder.slice_starts else of_all)

    def misses_most(self, spans: int, of_all: int) -> bool:
        """Return True where more than half of all spans should have to be read, by what was found in so many."""
        return 2 * spans * self._wanted.limit > of_all * (len(self.best) + len(self._held.starts))

    @property
    def is_promising(self) -> bool:
        """True where so many of the traces judged so far match that few more need to be judged."""
        return self.needed <= self._worth_judging or len(self._seen) < self._policy.fewest_traces

    def judge(self, ids: Iterable[bytes]) -> None:
        """Judge traces by all their spans."""
        fresh = [trace_id for trace_id in ids if trace_id not in self._seen]
        self._seen.update(fresh)
        found = [*self.best, *self._judged(fresh)]
        found.sort(key=lambda trace: self._wanted.rank(trace.header))
        self.best = found[: self._wanted.limit]

    def _judged(self, ids: list[bytes]) -> list[TraceResult]:
        """Return the traces that match and run in the range, of more than a few perhaps some at a time."""
        try:
            spans = self._fetched(ids)
        except TooManySpans:
            if len(ids) <= self._policy.fewest_traces:
                raise
            half = len(ids) // 2
            return [*self._judged(ids[:half]), *self._judged(ids[half:])]
        if spans is None or not spans.num_rows:
            return []
        return list(_matching(self._session, self._queries, self._wanted, spans))

    def _fetched(self, ids: list[bytes]) -> pa.Table | None:
        """Return all spans of some traces, those of other days too."""
        if not ids:
            return None
        self._source = self._source.with_history
        if self._source.known != self._queries.spans.schema:  # days were looked up that have further attributes
            self._queries = self._wanted.compiled(self._source)
        query = self._queries.span_sets
        columns = query.columns.union(_HEADER_COLUMNS)
        return fetch_traces(self._session, self._source, columns, ids, self._slices, query.computed)

    def is_settled(self, bound_ns: int | None) -> bool:
        """True where no trace that starts by then changes the answer."""
        least = self.least_start_ns
        return least is not None and least > (bound_ns or 0)

    @property
    def least_start_ns(self) -> int | None:
        """The start of the last of enough traces; None while an older one may be wanted."""
        if not self._wanted.is_newest_first or len(self.best) < self._wanted.limit:
            return None
        return self.best[-1].header.start_ns


def _lots(
    session: Session,
    source: BlockScan,
    wanted: Search,
    queries: SearchQueries,
    offload: Offload | None,
    judge: _Judge,
) -> Iterator[Candidates]:
    """Traces that may match, some at a time; a trace may come again."""
    window = wanted.window
    concerned = source.overlapping(window.start_ns, window.end_ns)
    near, far = split_by_limit(concerned, offload, session.limits.blocks, wanted.end_ns)
    probe, share, others = most_selective(session, near, queries.spans.prefilter)
    finder = CandidateFinder(session, near, probe, queries, wanted.is_newest_first, share, others)
    judge.expect(finder)
    in_range = (block for block in far.blocks if offload is not None or block.start_ns <= wanted.end_ns)
    later_ns = max((block.end_ns for block in in_range), default=0)
    yield from _within(finder, window, wanted.limit, later_ns, judge)
    if offload is None:
        note_unread(len(near.blocks), far.blocks)
    elif far.blocks:
        outside = OffloadingFinder(
            replace(finder, source=far if probe.per_span else source.only((*near.blocks, *far.blocks))), offload
        )
        find = partial(outside.newest, window) if probe.per_span else outside.by_trace
        yield from _batches(find, wanted.limit)


def _within(
    finder: CandidateFinder, window: TimeRange, limit: int, later_ns: int, judge: _Judge
) -> Iterator[Candidates]:
    """Candidates of the finder's blocks; all others have spans that end by ``later_ns``."""
    policy = finder.session.policy.search
    parts = list(in_parts(finder.source.blocks, policy.part_spans, policy.part_blocks))
    if len(parts) == 1 and not finder.probe.per_span and _is_told_by_traces(finder):
        yield from _bounded(_wholes(finder, limit), later_ns)
        return
    is_certain = finder.probe.per_span
    spans = policy.spans_per_match if is_certain and finder.probe.one != exp.true() else policy.spans_per_trace
    traces = limit if is_certain else max(policy.fewest_traces, limit)
    size = min(traces * spans, policy.first_spans)
    size = max(min(size, int(finder.share * policy.part_spans)), min(limit * spans, size))
    source_spans = finder.source.spans
    for n, blocks in enumerate(parts):
        if n and finder.session.is_half_over and len(finder.source.blocks) > policy.many_blocks:
            note_unread(sum(map(len, parts[:n])), [block for part in parts[n:] for block in part])
            return
        rest = [block for part in parts[n + 1 :] for block in part]
        end_ns = max(later_ns, *(block.end_ns for block in rest), 0)
        part = replace(finder, source=finder.source.only(blocks))
        if (shared := judge.shared_traces(part)) is not None:
            alone = replace(part, shared=shared)
            yield from _bounded(_batches(alone.by_trace, 2 * limit), end_ns)
            if rest and judge.misses_most(source_spans - sum(block.spans for block in rest), source_spans):
                yield from _bounded(_wholes(finder, limit), later_ns)
                return
            continue
        for lot in _bounded(_newer(part, window, size, judge), end_ns):
            yield lot
            if not (finder.probe.per_span or judge.is_promising):
                yield from _bounded(_wholes(finder, limit), later_ns)
                return


def _bounded(lots: Iterable[Candidates], later_ns: int) -> Iterator[Candidates]:
    """Lots beside which there may be other traces that start by ``later_ns``."""
    return (replace(lot, bound_ns=max(lot.bound_ns or 0, later_ns)) for lot in lots)


def _is_told_by_traces(finder: CandidateFinder) -> bool:
    """True where whole traces are soon judged, or where no test of single spans tells which to judge."""
    probe = finder.probe
    if finder.slice_starts:
        return probe.per_trace or probe.one == exp.true()
    return probe.per_trace and probe.is_quick


def _wholes(finder: CandidateFinder, limit: int) -> Iterator[Candidates]:
    """Traces that match by all their spans in the finder's blocks: of the newest slices, if enough match there."""
    slices = 1
    while 2 * slices < len(finder.slice_starts):
        lot = finder.by_trace(2 * limit, slices)
        if len(lot.starts) >= limit:
            yield lot
        surely = len(lot.starts) - sqrt(len(lot.starts))  # found in so many slices, by the chance of small numbers
        slices = max(2 * slices, int(slices * limit / max(surely, 0.25)))
    yield from _batches(finder.by_trace, 2 * limit)


def _batches(find: Callable[[int], Candidates], size: int) -> Iterator[Candidates]:
    """Yield what is found with a limit, then with ever larger limits, until nothing more is found."""
    while True:
        lot = find(size)
        yield lot
        if lot.bound_ns is None:
            return
        size *= _GROWTH


def _newer(part: CandidateFinder, window: TimeRange, size: int, judge: _Judge) -> Iterator[Candidates]:
    """Yield the candidates of the newest spans, then of ever more of them.

    Only the time is looked at that should have so many if they come as often as those before.
    """
    since_ns = 0
    while True:
        lot = part.newest(window, size, since_ns)
        yield lot
        if lot.bound_ns is None:
            return
        found, size = size, max(_GROWTH * size, 0 if lot.is_certain else judge.needed_spans)
        covered_ns = max(lot.starts.values(), default=lot.bound_ns) - lot.bound_ns
        since_ns = lot.bound_ns - int(covered_ns * _MARGIN * size / found)
        if not covered_ns or since_ns < window.start_ns:
            since_ns = 0


def _matching(session: Session, queries: SearchQueries, wanted: Search, spans: pa.Table) -> Iterator[TraceResult]:
    """Yield the traces that match and run in the range."""
    sets = read_spansets(session, queries.span_sets, spans)
    for header in read_summaries(spans, sets) if sets else ():
        if wanted.is_in_range(header):
            yield TraceResult(header, tuple(sets[header.trace_id]))
