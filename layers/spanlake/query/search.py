"""Search: which traces match a query, the newest first.

A search runs in two steps. The first looks for the ids of matching traces in some of the blocks, newest first, and
stops when it has enough. The second fetches those few traces whole and judges them again, so that every answer rests on
all spans of a trace wherever they lie. Of the blocks looked at together those traces with the smallest ids are taken,
which is what Tempo does within a block; with the hint ``most_recent=true`` it is those that start last.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

from spanlake.query.duck import Session
from spanlake.query.finder import Finder
from spanlake.query.found import FoundTrace, Header, read_headers, read_spansets
from spanlake.query.source import Source
from spanlake.query.traces import fetch_traces
from spanlake.query.windows import Window, portions, windows
from spanlake.traceql.fields import Fields
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.probe import Probe
from spanlake.traceql.relation import columns_needed
from spanlake.traceql.shown import columns_of

TRACE_SLACK_NS = 60 * 1_000_000_000  # how far outside the range a span of a trace that touches it is looked for
_SPARE = 5  # candidates judged for each trace wanted, where not every candidate matches
_LEAST_JUDGED = 100
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


def search(session: Session, source: Source, wanted: Search) -> list[FoundTrace]:
    """The matching traces, those that start last first.

    ``source`` must reach TRACE_SLACK_NS beyond the range on both sides. Raises LimitExceeded.
    """
    found: dict[bytes, FoundTrace] = {}
    for ids in _candidates(session, source, wanted):
        found |= dict(_judge(session, source, wanted, ids))
        if len(found) >= wanted.limit:
            break
    taken = islice(found.values(), wanted.limit)
    return sorted(taken, key=lambda trace: (-trace.header.start_ns, trace.header.trace_id))


def _candidates(session: Session, source: Source, wanted: Search) -> Iterator[list[bytes]]:
    """Traces that may match, some at a time, in the order in which they are taken; no trace twice."""
    probe = Probe.of(wanted.plan, source.known)
    bounds = Window(wanted.start_ns - TRACE_SLACK_NS, wanted.end_ns + TRACE_SLACK_NS)
    finder = Finder(session, source, wanted.plan, probe, wanted.most_recent)
    if probe.is_trivial and not probe.is_exact:
        yield from _batches(partial(finder.matching, bounds), wanted.limit, set())
        return
    seen: set[bytes] = set()
    if wanted.most_recent and probe.alone and probe.is_exact:
        for window in windows(bounds, source.blocks):
            yield from _batches(partial(finder.probed, window), wanted.limit, seen)
        return
    if probe.alone and probe.is_exact:
        lots = (
            _batches(partial(replace(finder, source=part).probed, bounds), wanted.limit, seen)
            for part in _parts(source, probe, wanted)
        )
        yield from _gathered(chain.from_iterable(lots), wanted.limit)
        return
    for part in _parts(source, probe, wanted):
        if probe.is_exact:
            yield from _batches(partial(replace(finder, source=part).probed, bounds), wanted.limit, seen)
            continue
        most = max(wanted.limit * _SPARE, _LEAST_JUDGED)
        ids = replace(finder, source=part).probed(bounds, most)
        yield [trace_id for trace_id in ids if trace_id not in seen]
        seen.update(ids)
    if not probe.is_exact and len(seen) >= most:
        yield from _batches(partial(finder.matching, bounds), wanted.limit, seen)


def _parts(source: Source, probe: Probe, wanted: Search) -> Iterator[Source]:
    """The blocks to look through, one lot after the other.

    Where a single span tells whether its trace matches, each lot is new. Else the newest lot is tried by itself, and
    if it does not have enough all blocks together, for what makes a trace match may lie in any of them.
    """
    if wanted.most_recent:
        yield source
        return
    for portion in portions(source.blocks):
        yield source.within(portion)
        if not probe.alone:
            break
    if not probe.alone:
        yield source


def _batches(find: Callable[[int], list[bytes]], size: int, seen: set[bytes]) -> Iterator[list[bytes]]:
    """All traces that ``find`` has, the first ``size``, then twice as many each time, without those seen before.

    One batch is seldom enough only where many of its traces turn out to lie beside the range.
    """
    while True:
        most = size + len(seen)
        ids = find(most)
        yield [trace_id for trace_id in ids if trace_id not in seen]
        seen.update(ids)
        if len(ids) < most:
            return
        size *= 2


def _gathered(batches: Iterable[list[bytes]], size: int) -> Iterator[list[bytes]]:
    """Batches put together until they have some size: judging a few traces takes as long as judging twenty."""
    gathered: list[bytes] = []
    for batch in batches:
        gathered += batch
        if len(gathered) >= size:
            yield gathered
            gathered = []
    yield gathered


def _judge(session: Session, source: Source, wanted: Search, ids: list[bytes]) -> Iterator[tuple[bytes, FoundTrace]]:
    """Those of the traces that match and touch the range, in the given order."""
    if not ids:
        return
    fields = Fields(source.known)
    wanted.plan.select(fields, columns_of(wanted.plan.shown(fields), "shown"))
    spans = fetch_traces(session, source, columns_needed(fields.needs) | set(_HEADER_COLUMNS), ids)
    session.register("spans", spans)
    headers = {header.trace_id: header for header in read_headers(session)}
    sets = read_spansets(session, wanted.plan, source.known, wanted.spans)
    for trace_id in ids:
        if trace_id in sets and _touches(headers[trace_id], wanted):
            yield trace_id, FoundTrace(headers[trace_id], tuple(sets[trace_id]))


def _touches(header: Header, wanted: Search) -> bool:
    return header.start_ns <= wanted.end_ns and header.end_ns >= wanted.start_ns
