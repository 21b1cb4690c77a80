"""Search: which traces match a query, the newest hours first.

A search runs in two steps. The first looks for the ids of matching traces in windows of time, newest first, and stops
when it has enough. The second fetches those few traces whole and judges them again, so that every answer rests on all
spans of a trace wherever they lie. Of the traces of one hour those with the smallest ids are taken, which is what Tempo
does within a block; with the hint ``most_recent=true`` it is those that start last.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.found import FoundTrace, Header, read_headers, read_spansets
from spanlake.query.source import Source
from spanlake.query.traces import fetch_traces
from spanlake.query.windows import HOUR_NS, Window, windows
from spanlake.store.index import Block
from spanlake.traceql.fields import Fields
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.relation import columns_needed, needs_arrival
from spanlake.traceql.shown import columns_of

TRACE_SLACK_NS = 60 * 1_000_000_000  # how far outside the range a span of a trace that touches it is looked for
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


@dataclass(frozen=True)
class Search:
    """What to look for; times in Unix nanoseconds, inclusive. ``spans`` 0 shows every span of a set."""

    plan: SearchPlan
    start_ns: int
    end_ns: int
    limit: int = 20
    spans: int = 3
    most_recent: bool = False


@dataclass
class _Found:
    """Trace ids in the order they were found."""

    limit: int
    ids: dict[bytes, None] = field(default_factory=dict)

    def add(self, ids: list[bytes]) -> None:
        for trace_id in ids:
            if len(self.ids) < self.limit:
                self.ids.setdefault(trace_id)

    @property
    def is_full(self) -> bool:
        return len(self.ids) >= self.limit


def search(session: Session, source: Source, wanted: Search) -> list[FoundTrace]:
    """The matching traces, those that start last first.

    ``source`` must reach TRACE_SLACK_NS beyond the range on both sides. Raises LimitExceeded.
    """
    ids = _candidates(session, source, wanted)
    if not ids:
        return []
    spans = _fetch(session, source, wanted, ids)
    session.register("spans", spans)
    headers = {header.trace_id: header for header in read_headers(session)}
    found = [
        FoundTrace(headers[trace_id], tuple(sets))
        for trace_id, sets in read_spansets(session, wanted.plan, source.known, wanted.spans).items()
        if _touches(headers[trace_id], wanted)
    ]
    return sorted(found, key=lambda trace: (-trace.header.start_ns, trace.header.trace_id))


def _touches(header: Header, wanted: Search) -> bool:
    return header.start_ns <= wanted.end_ns and header.end_ns >= wanted.start_ns


# the first step


def _candidates(session: Session, source: Source, wanted: Search) -> list[bytes]:
    found = _Found(wanted.limit)
    for window, part in _parts(source, wanted):
        found.add(_matching(session, part, wanted, window, wanted.limit + len(found.ids)))
        if found.is_full:
            break
    return list(found.ids)


def _parts(source: Source, wanted: Search) -> Iterator[tuple[Window, Source]]:
    """Windows of time with the blocks to read for each, newest first; one window when whole traces must be judged."""
    bounds = Window(wanted.start_ns - TRACE_SLACK_NS, wanted.end_ns + TRACE_SLACK_NS)
    if _needs_whole_traces(source, wanted):
        yield bounds, source
        return
    for window in windows(bounds, source.blocks):
        yield window, source.within(block for block in source.blocks if _overlaps(block, window))


def _needs_whole_traces(source: Source, wanted: Search) -> bool:
    fields = Fields(source.known)
    wanted.plan.select(fields, [fields.column("trace_id")])
    return fields.needs.whole_traces


def _overlaps(block: Block, window: Window) -> bool:
    return block.start_ns <= window.end_ns and block.end_ns >= window.start_ns


def _matching(session: Session, source: Source, wanted: Search, window: Window, limit: int) -> list[bytes]:
    """Ids of traces with a match in the window, in the order in which they are taken."""
    fields = Fields(source.known)
    start = fields.column("start_time_unix_nano")
    low, high = exp.Literal.number(window.start_ns), exp.Literal.number(window.end_ns)
    inside = exp.Between(this=start, low=low, high=high)
    columns = [fields.column("trace_id"), exp.alias_(start if wanted.most_recent else _hour(start), "time")]
    matching = wanted.plan.select(fields, columns, where=inside)
    spans = source.table(columns_needed(fields.needs), arrival=needs_arrival(fields.needs))
    query = (
        exp.select("trace_id")
        .with_("spans", as_=spans)
        .from_(matching.subquery("matching"))
        .group_by("trace_id")
        .order_by(exp.Ordered(this=exp.Max(this=exp.column("time")), desc=True), "trace_id")
        .limit(limit)
    )
    return [row["trace_id"] for row in session.table(query).to_pylist()]


def _hour(start: exp.Expr) -> exp.Expr:
    return exp.IntDiv(this=start, expression=exp.Literal.number(HOUR_NS))


# the second step


def _fetch(session: Session, source: Source, wanted: Search, ids: list[bytes]) -> pa.Table:
    """All spans of the traces, with the columns that judging and showing them takes."""
    fields = Fields(source.known)
    wanted.plan.select(fields, columns_of(wanted.plan.shown(fields), "shown"))
    columns = columns_needed(fields.needs) | set(_HEADER_COLUMNS)
    return fetch_traces(session, source, columns, ids)
