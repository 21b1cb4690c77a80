"""Runs a search: which traces match a query, the newest first.

A search looks for traces that may match, in the newest blocks first, fetches them whole from all blocks that hold spans
of them, and judges them. It ends when no trace that it has not seen can be among the newest. What a trace may start
at latest is known of its spans: no trace starts after one of its spans.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

from spanlake.query.blocks_of_traces import shared_traces
from spanlake.query.candidates import CandidateFinder, Candidates, most_selective
from spanlake.query.compile.search import SearchQueries
from spanlake.query.engine.session import Session
from spanlake.query.judge import TRACES_MARGIN, Judge
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.scan.offload import Offload, offload_if_large, split_by_limit
from spanlake.query.scan.unread_blocks import note_unread
from spanlake.query.search import Search
from spanlake.query.search_results import TraceResult
from spanlake.query.spanning_traces import SpanningTraces
from spanlake.query.time_range import TimeRange
from spanlake.store.blocks.block import Block

_MOST_TRACES = 512  # that are judged by their spans however few spans there are
_SHARE = 8  # of all spans one in so many is fetched to judge traces; beyond it one query of all traces takes less time
_SHARE_OF_PROBED = 32  # the same where that query is a probe
_FAR = 4  # times the traces that are wanted, to be judged by their spans in S3: some are looked for in vain in blocks
_TIME_MARGIN = 1.5  # of the time that is looked at, over that which should hold as many spans as are wanted
_GROWTH = 4
_LEAST_GROWTH, _MOST_GROWTH = 2, 8  # of the slices that are looked at
_MOST_BLOCKS = 1000  # of a part
_FEW_SLICES = 3  # that are read without DuckDB to look for candidates


def search(session: Session, source: BlockScan, wanted: Search, offload: Offload | None = None) -> list[TraceResult]:
    """Return the matching traces, in the order that is wanted. ``source`` has all blocks of the tenant.

    Traces that the newest blocks do not hold are looked for outside, where that is possible. Raises LimitExceeded.
    """
    if not source.blocks:
        return []
    queries = wanted.compiled(source.known)
    found = _BlocksToSearch.of(session, source, wanted, queries, offload)
    judge = Judge(session, source, wanted, queries, worth_judging=found.worth_judging, fewest=found.fewest)
    for lot in found.lots(judge):
        if judge.is_done(lot):
            break
    judge.judge_held()
    if session.is_half_over and len(source.blocks) > session.policy.search.many_blocks:  # there are few such traces
        return judge.best
    stretched = SpanningTraces(session, source.with_history, wanted.start_ns, wanted.end_ns)
    for ids, bound_ns in stretched.traces(judge.least_start_ns):
        judge.judge(ids)
        if judge.is_settled(None if bound_ns is None else (-bound_ns, b"")):
            break
    return judge.best


@dataclass(frozen=True)
class _BlocksToSearch:
    """The blocks that a search looks through: those of the finder, then ``far`` ones, which an engine outside reads.

    ``source`` has all blocks of the tenant.
    """

    source: BlockScan
    wanted: Search
    finder: CandidateFinder
    far: BlockScan
    offload: Offload | None

    @classmethod
    def of(
        cls, session: Session, source: BlockScan, wanted: Search, queries: SearchQueries, offload: Offload | None
    ) -> "_BlocksToSearch":
        concerned = source.overlapping(wanted.window.start_ns, wanted.window.end_ns)
        near, far = split_by_limit(concerned, offload, session.limits.blocks, wanted.end_ns)
        probe, share, others = most_selective(session, near, queries.spans.prefilter)
        finder = CandidateFinder(session, near, probe, queries, wanted.is_newest_first, share, others)
        return cls(source, wanted, finder, far, offload)

    @property
    def worth_judging(self) -> int:
        """Number of traces to judge by their spans at most; the newest slices alone take little time."""
        probe, policy = self.finder.probe, self.finder.session.policy.search
        if probe.per_span:
            return _MOST_TRACES
        if self.finder.source.is_far and self.source.trace_ids.are_told(self.source.blocks):
            return _FAR * self.wanted.enough
        of_all = self.source.spans // policy.spans_per_trace // (_SHARE_OF_PROBED if probe.per_trace else _SHARE)
        return max(_MOST_TRACES, 2 * self.wanted.limit, 0 if self.finder.slice_starts else of_all)

    @property
    def fewest(self) -> int:
        """Number of traces to judge at once at least: of spans that meet one test as many should meet the others."""
        fewest = self.finder.session.policy.search.fewest_traces
        if self.finder.probe.per_span:
            return fewest
        if self.wanted.plan.only_filter is not None:
            likely = TRACES_MARGIN * self.wanted.limit / max(self.finder.share_of_others, 1 / _MOST_TRACES)
            fewest = max(fewest, min(int(likely), _MOST_TRACES))
        # A filter is wrong for one of so many traces, and each that it lets pass is a request over the network.
        return min(fewest, self.wanted.enough) if self.finder.source.is_far else fewest

    def lots(self, judge: Judge) -> Iterator[Candidates]:
        """Yield traces that may match, some at a time; a trace may come again."""
        in_range = (
            block for block in self.far.blocks if self.offload is not None or block.start_ns <= self.wanted.end_ns
        )
        later_ns = max((block.end_ns for block in in_range), default=0)
        yield from _Lots(self.finder, self.wanted, self.source, judge, later_ns)
        if self.offload is None:
            note_unread(len(self.finder.source.blocks), self.far.blocks)
        elif self.far.blocks:
            yield from _batches(partial(self._outside, self.offload), self.wanted.limit)

    def _outside(self, offload: Offload, limit: int) -> Candidates:
        """Find candidates in more blocks than may be read in this process."""
        near, far = self.finder.source.blocks, self.far
        source = far if self.finder.probe.per_span else self.source.only((*near, *far.blocks))
        # What is left may be little; that the newest blocks were read already does not make it less to read.
        size = source.size + offload.above_bytes
        question = partial(_on_engine, self.finder, self.wanted.window, limit)
        return offload_if_large(offload, self.finder.session, source, size, question)


def _on_engine(
    finder: CandidateFinder, window: TimeRange, limit: int, session: Session, source: BlockScan
) -> Candidates:
    """Find candidates as the finder does, on the session's engine."""
    there = replace(finder, session=session, source=source)
    return there.newest(window, limit) if finder.probe.per_span else there.by_trace(limit)


@dataclass(frozen=True)
class _Lots:
    """Candidates of the finder's blocks, those of the newest blocks first; all other blocks end by ``later_ns``."""

    finder: CandidateFinder
    wanted: Search
    source: BlockScan
    judge: Judge
    later_ns: int

    def __iter__(self) -> Iterator[Candidates]:
        """Yield the candidates of one part after the other, until whole traces are found in less time."""
        session, policy = self.finder.session, self.finder.session.policy.search
        parts = list(in_parts(self.finder.source.blocks, policy.part_spans, policy.part_blocks))
        if len(parts) == 1 and not self.finder.probe.per_span and self._begins_with_traces:
            yield from self._whole_traces(self.finder, self.later_ns)
            return
        for n, blocks in enumerate(parts):
            rest = [block for part in parts[n + 1 :] for block in part]
            if n and session.is_half_over and len(self.finder.source.blocks) > policy.many_blocks:
                note_unread(sum(map(len, parts[:n])), [*blocks, *rest])
                return
            part = replace(self.finder, source=self.finder.source.only(blocks))
            end_ns = max(self.later_ns, *(block.end_ns for block in rest), 0)
            shared = self._shared(part)
            takes_long = False
            if shared is None:
                yield from self._until_settled(self._newest(part), end_ns)
                takes_long = not (part.probe.per_span or self.judge.is_promising)
                shared = self._shared_if_far(part) if takes_long else None
            if shared is not None:
                yield from self._whole_traces(replace(part, shared=shared), end_ns)
                spans = self.finder.source.spans
                takes_long = bool(rest) and self.judge.misses_most(spans - sum(block.spans for block in rest), spans)
            if takes_long:
                yield from self._whole_traces(self.finder, self.later_ns)
                return

    @property
    def _begins_with_traces(self) -> bool:
        """True where whole traces are soon judged, or where no test of single spans tells which to judge."""
        probe = self.finder.probe
        if self.finder.slice_starts:
            return probe.per_trace or not probe.has_span_test
        return probe.per_trace and probe.is_quick

    def _shared(self, part: CandidateFinder) -> tuple[bytes, ...] | None:
        """Return the traces of a part of which other blocks may hold spans: all others are whole in the part.

        None where they are not few or not known, or where single spans tell which traces to judge.
        """
        probe = part.probe
        if probe.per_span or (probe.has_span_test and not probe.per_trace):
            return None
        if part.source.is_far:
            return self._shared_if_far(part)
        if part.queries.spans.relates_spans:
            return None
        return self._few_shared(part, part.session.policy.search.fewest_traces)

    def _shared_if_far(self, part: CandidateFinder) -> tuple[bytes, ...] | None:
        """Return the shared traces of a part in S3, where judging it alone saves requests; None elsewhere."""
        return self._few_shared(part, _MOST_TRACES) if part.source.is_far else None

    def _few_shared(self, part: CandidateFinder, most: int) -> tuple[bytes, ...] | None:
        lasting = bool(part.slice_starts)
        found = shared_traces(part.session, part.source, self.source.with_history, is_lasting=lasting)
        return tuple(found) if found is not None and len(found) <= most else None

    def _newest(self, part: CandidateFinder) -> Iterator[Candidates]:
        """Yield the candidates of a part's newest spans, then of ever more of them, as long as that is promising.

        Only the time is looked at that should have so many if they come as often as those before.
        """
        since_ns, size, traces = 0, self._first_spans, -1
        if (first := self._of_newest_slices(part, size)) is not None:
            yield first
        while True:
            lot = part.newest(self._window, size, since_ns)
            yield lot
            if lot.bound_ns is None or not (part.probe.per_span or self.judge.is_promising):
                return
            needed = self.judge.needed * part.session.policy.search.spans_per_trace
            found, size = size, max(_GROWTH * size, 0 if lot.is_certain else needed)
            covered_ns = max(lot.starts.values(), default=lot.bound_ns) - lot.bound_ns
            since_ns = lot.bound_ns - int(covered_ns * _TIME_MARGIN * size / found)
            is_rare = len(lot.starts) == traces
            if not covered_ns or is_rare or since_ns < self._window.start_ns:
                since_ns = 0
            traces = len(lot.starts)

    @property
    def _window(self) -> TimeRange:
        """The time in which candidates have spans: without a test of spans, the first of each is in the range."""
        window = self.wanted.window
        return window if self.finder.probe.has_span_test else TimeRange(window.start_ns, self.wanted.end_ns)

    def _of_newest_slices(self, part: CandidateFinder, size: int) -> Candidates | None:
        """Return the candidates of the newest slices where a few have enough of them."""
        needed = self.wanted.enough if part.probe.per_span else self.judge.needed
        for slices in (1, _FEW_SLICES):
            lot = part.of_newest_slices(self._window, size, slices)
            if lot is None or len(lot.starts) >= needed:
                return lot
            if _FEW_SLICES * len(lot.starts) < slices * needed:
                return None
        return None

    @property
    def _first_spans(self) -> int:
        """Number of spans of a part to look at first."""
        policy, limit, probe = self.finder.session.policy.search, self.wanted.limit, self.finder.probe
        spans = policy.spans_per_match if probe.per_span and probe.has_span_test else policy.spans_per_trace
        traces = limit if probe.per_span else max(policy.fewest_traces, limit)
        size = min(traces * spans, policy.first_spans)
        return max(min(size, int(self.finder.share * policy.part_spans)), min(limit * spans, size))

    def _whole_traces(self, finder: CandidateFinder, later_ns: int) -> Iterator[Candidates]:
        """Yield traces that match by all their spans in some blocks: of the newest slices, if enough match there.

        Traces of all other blocks start by ``later_ns``.
        """
        limit, slices = self.wanted.limit, 1
        while 2 * slices < len(finder.slice_starts):
            lot = finder.by_trace(2 * limit, slices)
            if len(lot.starts) >= limit:
                yield replace(lot, later_ns=later_ns)
                if self.judge.is_settled(lot.bound):
                    return
            surely = len(lot.starts) - sqrt(len(lot.starts))  # found in so many slices, by the chance of small numbers
            likely = int(slices * limit / max(surely, 0.25))
            most = _MOST_GROWTH * slices if lot.starts else len(finder.slice_starts)
            slices = min(max(_LEAST_GROWTH * slices, likely), most)
        yield from self._until_settled(_batches(finder.by_trace, 2 * limit), later_ns)

    def _until_settled(self, lots: Iterable[Candidates], later_ns: int) -> Iterator[Candidates]:
        """Yield candidates of some blocks until no other trace of these blocks can be among the best.

        Traces of all other blocks start by ``later_ns``.
        """
        for lot in lots:
            yield replace(lot, later_ns=later_ns)
            if self.judge.is_settled(lot.bound):
                return


def _batches(find: Callable[[int], Candidates], size: int) -> Iterator[Candidates]:
    """Yield what is found with a limit, then with ever larger limits, until nothing more is found."""
    while True:
        lot = find(size)
        yield lot
        if lot.bound_ns is None:
            return
        size *= _GROWTH


def in_parts(blocks: Sequence[Block], size: int, most: int) -> Iterator[tuple[Block, ...]]:
    """Yield all blocks in parts, those that end last first.

    The first part ends at ``size`` spans or ``most`` blocks; each next one has four times as many, and at most 1,000
    blocks.
    """
    gathered: list[Block] = []
    spans = 0
    for block in sorted(blocks, key=lambda block: (block.end_ns, block.id), reverse=True):
        gathered.append(block)
        spans += block.spans
        if spans >= size or len(gathered) >= most:
            yield tuple(gathered)
            gathered, spans, size, most = [], 0, size * _GROWTH, min(most * _GROWTH, _MOST_BLOCKS)
    if gathered:
        yield tuple(gathered)
