"""Everything that can be asked about stored spans, one method a question. Blocking; share it between threads.

A tenant of a query may be several, as in ``a|b``: the answer is that of a tenant with the spans of all of them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TypeVar

import duckdb
import pyarrow as pa

from spanlake.query import tag_names as tags
from spanlake.query import tag_values, trace_by_id, trace_search
from spanlake.query.blocks_of_traces import may_hold
from spanlake.query.engine.block_cache import BlockCache
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.session import USUAL_POLICY, Cancellation, QueryPolicy, Session
from spanlake.query.filtered_trace import SpanFilter
from spanlake.query.metrics.evaluate import metrics_series
from spanlake.query.plan import MetricsPlan
from spanlake.query.scan.block_memo import KnownValues, Misses
from spanlake.query.scan.blocks import HISTORY_NS, BlockScan
from spanlake.query.scan.checksums import BlockChecks
from spanlake.query.scan.duplicate_spans import Repeats
from spanlake.query.scan.offload import Offload, offload_if_large
from spanlake.query.scan.trace_ids import TraceIds
from spanlake.query.scan.unread_blocks import MissingBlocks, affordable
from spanlake.query.search import Search
from spanlake.query.search_results import TraceResult
from spanlake.query.selected_spans import SelectedSpans
from spanlake.query.series import Series
from spanlake.query.tag_values import TagValue
from spanlake.query.time_range import Steps, TimeRange
from spanlake.store.blocks.block import Block
from spanlake.store.blocks.entry import check_content
from spanlake.store.days import day_range, utc_day
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.deletions import record_deletion
from spanlake.store.errors import BlockDamaged, IndexConflict, StorageCorrupt, StorageTimeout, StorageUnavailable
from spanlake.store.index.base import Index
from spanlake.store.maintenance.clock import trusted_time
from spanlake.store.objects.base import Objects
from spanlake.store.tenant import tenants_in
from spanlake.traceql import ast
from spanlake.traceql.parser.lenient import filters
from spanlake.traceql.validate import SizeLimits

ALWAYS = TimeRange(0, 2**63 - 1)
_DELETE_ATTEMPTS = 5
_FIND_ATTEMPTS = 5

T = TypeVar("T")


@dataclass(frozen=True)
class Querier:
    """Answers questions from the live blocks of an index."""

    index: Index
    objects: Objects
    duck: DuckDB
    sizes: SizeLimits
    offload: Offload | None = None  # for ranges of too many bytes for this process
    copies: BlockCache | None = None  # of blocks, for those that take long to reach
    is_index_far: bool = False  # a day of it is a request
    checks: BlockChecks = field(default_factory=BlockChecks)
    missing: MissingBlocks = field(default_factory=MissingBlocks)
    repeats: Repeats = field(default_factory=Repeats)
    misses: Misses = field(default_factory=Misses)
    values: KnownValues = field(default_factory=KnownValues)
    trace_ids: TraceIds = field(default_factory=TraceIds)
    policy: QueryPolicy = USUAL_POLICY

    def trace(
        self,
        tenant: str,
        trace_id: bytes,
        when: TimeRange = ALWAYS,
        cancellation: Cancellation | None = None,
        wanted: SpanFilter | None = None,
    ) -> pa.Table | None:
        """Return the span table of a whole trace of which some span may lie in the range, or the wanted part of it.

        None if there is no such trace.
        """
        question = partial(_trace, trace_id, when, wanted)
        return self._ask(tenant, when, cancellation, question, reach_ns=HISTORY_NS)

    def delete(self, tenant: str, trace_id: bytes, cancellation: Cancellation | None = None) -> bool:
        """Hide a trace from all answers from now on; whether there was one. Raises StorageUnavailable."""
        question = partial(trace_by_id.blocks_with, trace_id=trace_id)
        for _ in range(_DELETE_ATTEMPTS):
            blocks = self._ask(tenant, ALWAYS, cancellation, question)
            record_deletion(self.objects, blocks, trace_id)
            try:
                with limited(REQUEST_SECONDS):
                    self.index.mark_deleted(blocks, trace_id)
            except IndexConflict:  # compaction has just put another block in place of one of them
                continue
            return bool(blocks)
        raise StorageUnavailable("the blocks of the trace are being rewritten all the time: try again")

    def search(self, tenant: str, wanted: Search, cancellation: Cancellation | None = None) -> list[TraceResult]:
        """Return the traces that match."""
        when = TimeRange(wanted.start_ns, wanted.end_ns)
        question = partial(trace_search.search, wanted=wanted, offload=self.offload)
        return self._ask(tenant, when, cancellation, question, reach_ns=HISTORY_NS)

    def tag_names(
        self, tenant: str, scope: str, q: str, when: TimeRange = ALWAYS, cancellation: Cancellation | None = None
    ) -> dict[str, list[str]]:
        """Return attribute names by scope; ``q`` may be a broken query, and counts as far as it can be understood."""
        question = partial(self._tag_names, tenant, scope, q, when)
        return self._ask(tenant, when, cancellation, question, reach_ns=HISTORY_NS, is_history_rare=True)

    def _tag_names(
        self, tenant: str, scope: str, q: str, when: TimeRange, session: Session, source: BlockScan
    ) -> dict[str, list[str]]:
        if not q and self._covers_days(tenant, when):
            return tags.tag_names(session, source, source.catalog, None, scope)
        source = self._affordable(source)
        session.charge(source.blocks)
        return tags.tag_names(session, source, source.catalog, SelectedSpans(when, filters(q)), scope)

    def _covers_days(self, tenant: str, when: TimeRange) -> bool:
        """True where the range covers all blocks of the days that it touches, so that their catalogs are exact."""
        if when.is_all:
            return True
        start, end = day_range(utc_day(when.start_ns))[0], day_range(utc_day(when.end_ns))[1]
        blocks = [block for each in tenants_in(tenant) for block in self.index.find(each, start, end)]
        return all(when.start_ns <= block.start_ns and block.end_ns <= when.end_ns for block in blocks)

    def tag_values(
        self,
        tenant: str,
        fields: Sequence[ast.Field],
        q: str,
        when: TimeRange = ALWAYS,
        cancellation: Cancellation | None = None,
        *,
        most: int | None = None,
    ) -> list[TagValue]:
        """Return the distinct values of some fields, ``most`` at most; ``q`` as in ``tag_names``.

        Without a time range all words of status and kind are among them, as in Tempo.
        """
        words = [word for field in fields for word in tag_values.every_word(field)] if when.is_all else []
        question = partial(self._tag_values, fields, SelectedSpans(when, filters(q)), most)
        return words[:most] or self._ask(
            tenant, when, cancellation, question, reach_ns=HISTORY_NS, is_history_rare=True
        )

    def _tag_values(
        self,
        fields: Sequence[ast.Field],
        selected: SelectedSpans,
        most: int | None,
        session: Session,
        source: BlockScan,
    ) -> list[TagValue]:
        source = self._affordable(source)
        session.charge(source.blocks)
        return tag_values.tag_values(session, source, fields, selected, most)

    def metrics(
        self,
        tenant: str,
        plan: MetricsPlan,
        steps: Steps,
        cancellation: Cancellation | None = None,
        *,
        exemplars: int = 0,
    ) -> list[Series]:
        """Return the series of a metrics query, with so many exemplars at most."""
        when = TimeRange(steps.first_ns, steps.last_ns)
        question = partial(self._metrics, plan, steps, exemplars)
        return self._ask(tenant, when, cancellation, question, reach_ns=HISTORY_NS, scanned=True)

    def _metrics(
        self, plan: MetricsPlan, steps: Steps, exemplars: int, session: Session, source: BlockScan
    ) -> list[Series]:
        needed = source.overlapping(steps.since_ns, steps.last_ns)
        chosen = self._affordable(needed)
        source = source if chosen is needed else chosen
        size = source.overlapping(steps.since_ns, steps.last_ns).size
        question = partial(metrics_series, plan=plan, steps=steps, exemplars=exemplars)
        return offload_if_large(self.offload, session, source, size, question)

    def about_spans(
        self,
        tenant: str,
        when: TimeRange,
        question: Callable[[Session, BlockScan], T],
        cancellation: Cancellation | None = None,
    ) -> T:
        """Return the answer of a question about all spans of a range, which reads their blocks from end to end."""
        in_range = partial(_of_range, when, question)
        return self._ask(tenant, when, cancellation, in_range, reach_ns=HISTORY_NS, scanned=True, is_history_rare=True)

    def about_trace(
        self,
        tenant: str,
        trace_ids: Sequence[bytes],
        question: Callable[[Session, Sequence[pa.Table]], T],
        cancellation: Cancellation | None = None,
    ) -> T | None:
        """Return the answer of a question about whole traces, given their span tables.

        None if one of them is not stored.
        """
        return self._ask(tenant, ALWAYS, cancellation, partial(_of_traces, trace_ids, question))

    def _ask(
        self,
        tenant: str,
        when: TimeRange,
        cancellation: Cancellation | None,
        question: Callable[[Session, BlockScan], T],
        reach_ns: int = 0,
        *,
        scanned: bool = False,
        is_history_rare: bool = False,
    ) -> T:
        """Ask the blocks of a range, and of as much time on both sides of it, perhaps reading them from end to end.

        The time on both sides is looked up when it is asked for, where that takes requests or is rare.

        Blocks whose objects have gone since they were found, replaced or expired, are looked up once more.
        """
        wide = TimeRange(max(when.start_ns - reach_ns, ALWAYS.start_ns), min(when.end_ns + reach_ns, ALWAYS.end_ns))
        is_whole_days = reach_ns and self.is_index_far
        near = when if is_history_rare else _whole_days(when) if is_whole_days else wide
        session = self.duck.session(cancellation, self.policy)
        find = partial(self._find, session, tenant, near, wide, scanned=scanned)
        source = find()
        try:
            return question(session, source)
        except StorageUnavailable as error:
            return question(session, self._found_again(find, source, error))
        except duckdb.Error as error:
            self._blame(session, source, error)
            raise

    def _found_again(self, find: Callable[[], BlockScan], source: BlockScan, error: StorageUnavailable) -> BlockScan:
        """Return the blocks that have taken the place of some that could not be read; raises the error without any."""
        if isinstance(error, StorageTimeout):  # what does not answer would not answer the next time
            raise error
        present = _present(find, partial(self.missing.judge, now_ns=self._trusted_time))
        if present.blocks == source.blocks:
            raise error
        return present

    def _find(self, session: Session, tenant: str, near: TimeRange, wide: TimeRange, *, scanned: bool) -> BlockScan:
        """Find the blocks of a range, which know how to find those of a wider one."""
        with limited(REQUEST_SECONDS):
            found = BlockScan.find(self.index, self.objects, tenant, near.start_ns, near.end_ns)
        wider = lru_cache(partial(self._find, session, tenant, wide, wide, scanned=scanned))
        return replace(
            found,
            wider=None if near == wide else wider,
            locate=partial(self._files, session, scanned=scanned),
            find_repeats=partial(self.repeats.left_out, session),
            misses=self.misses,
            values=self.values,
            trace_ids=self.trace_ids,
        )

    def _trusted_time(self) -> int | None:
        with limited(REQUEST_SECONDS):
            return trusted_time(self.objects, self.index)

    def _affordable(self, source: BlockScan) -> BlockScan:
        """Restrict the source to its newest blocks where there are too many and answers may be partial."""
        return affordable(source, self.duck.limits.blocks) if self.missing.left_out and self.offload is None else source

    def _files(self, session: Session, blocks: Sequence[Block], *, scanned: bool) -> list[str]:
        """Return the files of blocks for DuckDB; raises BlockDamaged for a block that differs from what was stored."""
        if self.copies is None:
            files = [self.objects.uri(block.path) for block in blocks]
        else:
            files = self.copies.paths(blocks, session.check, sequential=scanned)
        self.checks.compare(blocks, files, session.check)
        return files

    def _blame(self, session: Session, source: BlockScan, error: Exception) -> None:
        """Raise BlockDamaged for a block that is damaged, where DuckDB says no more than that it cannot read."""
        for block in source.blocks:
            session.check()
            try:
                check_content(block, self.objects.get(block.path))
            except StorageCorrupt as reason:
                raise BlockDamaged(str(reason)) from error


def _trace(
    trace_id: bytes, when: TimeRange, wanted: SpanFilter | None, session: Session, source: BlockScan
) -> pa.Table | None:
    if not may_hold(source.overlapping(when.start_ns, when.end_ns), [trace_id]).blocks:
        return None
    whole = source.with_history
    rows = None if wanted is None else partial(wanted.rows, session, whole, trace_id)
    return trace_by_id.trace(session, whole, trace_id, rows)


def _of_range(when: TimeRange, question: Callable[[Session, BlockScan], T], session: Session, source: BlockScan) -> T:
    return question(session, source.overlapping(when.start_ns, when.end_ns))


def _of_traces(
    trace_ids: Sequence[bytes],
    question: Callable[[Session, Sequence[pa.Table]], T],
    session: Session,
    source: BlockScan,
) -> T | None:
    found = [trace_by_id.trace(session, source, trace_id) for trace_id in trace_ids]
    tables = [table for table in found if table is not None]
    return question(session, tables) if len(tables) == len(trace_ids) else None


def _whole_days(when: TimeRange) -> TimeRange:
    """Return the days that a range touches: what the index tells of a part of a day costs as much as the day."""
    return TimeRange(day_range(utc_day(when.start_ns))[0], day_range(utc_day(when.end_ns))[1])


def _present(find: Callable[[], BlockScan], judge: Callable[[Iterable[Block]], None]) -> BlockScan:
    """Return the blocks that are live and have objects.

    Raises StorageUnavailable when they change as fast as they are found.

    A live block without an object is left out if it has expired, and the bucket was quicker than the index; see
    MissingBlocks. One that is not live any more when its object is missed was replaced, and what took its place has to
    be found.
    """
    for _ in range(_FIND_ATTEMPTS):
        found = find()
        with limited(REQUEST_SECONDS):
            present = found.with_objects()
        missing = set(found.blocks) - set(present.blocks)
        if not missing:
            return present
        if missing <= set(find().blocks):
            judge(missing)
            return present
    raise StorageUnavailable("blocks are replaced faster than they can be read: try again")
