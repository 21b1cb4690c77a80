"""Judges the candidates of a search by all spans of their traces, and keeps the best."""

from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from spanlake.query.candidates import Candidates, Rank
from spanlake.query.compile.search import SearchQueries
from spanlake.query.engine.session import Session
from spanlake.query.limits import TooManySpans
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.search import Search
from spanlake.query.search_results import TraceResult, TraceSummary, read_spansets, read_summaries
from spanlake.query.trace_by_id import fetch_traces
from spanlake.store.blocks.block import Block

TRACES_MARGIN = 1.5  # of the traces that are judged, over those that are needed by what matched so far
_AGAIN = 4  # of certain candidates one in so many is judged next at least, where some did not match
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


class Judge:
    """Judges traces, and keeps the best.

    By the share of traces that matched so far it tells how many more to look for, and when nothing older can change the
    answer.
    """

    def __init__(
        self,
        session: Session,
        source: BlockScan,
        wanted: Search,
        queries: SearchQueries,
        *,
        worth_judging: int,
        fewest: int,
    ) -> None:
        """Begin without traces.

        ``worth_judging`` is the number of traces up to which it takes less time to fetch and judge them than to run one
        query over all traces. At least ``fewest`` candidates are looked for at once.
        """
        self._session = session
        self._policy = session.policy.search
        self._source = source
        self._wanted = wanted
        self._queries = queries
        self._worth_judging = worth_judging
        self._fewest = fewest
        self._enough = wanted.enough
        self._seen: set[bytes] = set()
        self._slices: dict[Block, dict[bytes, int]] = {}
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
            if all(map(self.is_settled, (lot.bound, *map(lot.rank, fresh[:1])))):
                break
            size = max(self._likely, self._enough // _AGAIN, 1) if lot.is_certain else self._portion(lot, fresh)
            if not lot.is_certain and ((len(fresh) < size and lot.has_more) or not self.is_promising):
                return False  # a larger lot holds the rest of this one, too
        return self.is_settled(lot.bound) and self.is_settled((-lot.later_ns, b""))

    def _with_held(self, lot: Candidates) -> Candidates:
        """Return certain candidates together with those that wait, which then wait no more."""
        held, self._held = self._held, replace(self._held, starts={}, shared=())
        both = {id_: start for id_, start in {**held.starts, **lot.starts}.items() if id_ not in self._seen}
        starts = dict(sorted(both.items(), key=lambda one: (-one[1], one[0])))
        return replace(lot, starts=starts, shared=(*held.shared, *lot.shared))

    def judge_held(self) -> None:
        """Judge the candidates that wait for others."""
        held = self._with_held(replace(self._held, starts={}, shared=()))
        self.judge([*held.shared, *held.starts])

    def judge(self, ids: Iterable[bytes]) -> None:
        """Judge traces by all their spans."""
        fresh = [trace_id for trace_id in ids if trace_id not in self._seen]
        self._seen.update(fresh)
        found = [*self.best, *self._matching(fresh)] if fresh else self.best
        self.best = sorted(found, key=lambda trace: self._wanted.rank(trace.header))[: self._wanted.limit]

    def _matching(self, ids: list[bytes]) -> list[TraceResult]:
        """Return the traces that match and run in the range, of more than a few perhaps some at a time."""
        try:
            spans = self._fetched(ids)
        except TooManySpans:
            if len(ids) <= self._policy.fewest_traces:
                raise
            half = len(ids) // 2
            return [*self._matching(ids[:half]), *self._matching(ids[half:])]
        sets = read_spansets(self._session, self._queries.span_sets, spans) if spans.num_rows else {}
        headers = read_summaries(spans, sets) if sets else ()
        return [
            TraceResult(header, tuple(sets[header.trace_id])) for header in headers if self._wanted.is_in_range(header)
        ]

    def _fetched(self, ids: list[bytes]) -> pa.Table:
        """Return all spans of some traces, those of other days too."""
        self._source = self._source.with_history
        if self._source.known != self._queries.spans.schema:  # days were looked up that have further attributes
            self._queries = self._wanted.compiled(self._source.known)
        query = self._queries.span_sets
        columns = query.columns.union(_HEADER_COLUMNS)
        return fetch_traces(self._session, self._source, columns, ids, self._slices, query.computed)

    def is_settled(self, bound: Rank | None) -> bool:
        """True where no other trace changes the answer: they have this rank at best, or there are none."""
        last = self._last
        return last is not None and (bound is None or self._wanted.rank(last) <= bound)

    @property
    def least_start_ns(self) -> int | None:
        """The start of the last of enough traces; None while an older one may be wanted."""
        last = self._last
        return None if last is None else last.start_ns

    @property
    def _last(self) -> TraceSummary | None:
        """The last of enough traces; None while an older one may be wanted."""
        is_open = not self._wanted.is_newest_first or len(self.best) < self._wanted.limit
        return None if is_open else self.best[-1].header

    @property
    def needed(self) -> int:
        """Number of traces to judge next."""
        return max(self._fewest, self._likely)

    @property
    def is_promising(self) -> bool:
        """True where so many of the traces judged so far match that few more need to be judged."""
        fewest = min(self._fewest, self._policy.fewest_traces)
        return self.needed <= self._worth_judging or len(self._seen) < fewest

    def misses_most(self, spans: int, of_all: int) -> bool:
        """Return True where more than half of all spans should have to be read, by what was found in so many."""
        return 2 * spans * self._wanted.limit > of_all * (len(self.best) + len(self._held.starts))

    @property
    def _likely(self) -> int:
        """Number of traces to judge until enough match, if those to come match as often as those so far."""
        missing = self._wanted.limit - len(self.best)
        return int(TRACES_MARGIN * len(self._seen) * missing / (len(self.best) or 0.25))

    def _portion(self, lot: Candidates, fresh: list[bytes]) -> int:
        """Return how many candidates to judge at once: as many as are needed, or fewer that lie in a few slices."""
        needed = self.needed
        starts = {id_: start for slices in lot.slices.values() for id_, start in slices.items()}
        near: set[int] = set()
        for number, id_ in enumerate(fresh[:needed] if starts else ()):
            near.add(starts.get(id_, 0))
            if len(near) > _NEAR_SLICES and number >= max(self._enough, self._likely):
                return number
        return needed
