"""Search: which traces match a query, the newest first.

A search runs in two steps. The first looks for the ids of matching traces in some of the blocks, newest first, and
stops when it has enough. The second fetches those few traces whole and judges them again, so that every answer rests on
all spans of a trace wherever they lie, up to TRACE_REACH_NS from where it was found.

Where a single span does not tell whether its trace matches, nor one pass over its spans, the blocks beside those that
are looked at are taken into account, and if that does not yield enough, everything is looked at together. Of the blocks
looked at together those traces with the smallest ids are taken, which is what Tempo does within a block; with the hint
``most_recent=true`` it is those that start last.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from spanlake.query.duck import Session
from spanlake.query.farther import Farther, divided
from spanlake.query.finder import Finder
from spanlake.query.found import FoundTrace, Header, read_headers, read_spansets
from spanlake.query.outside import Engine
from spanlake.query.source import TRACE_REACH_NS, Source
from spanlake.query.traces import fetch_traces
from spanlake.query.windows import Portion, Window, portions, windows
from spanlake.store.index import Block
from spanlake.traceql.fields import Fields
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.probe import Probe
from spanlake.traceql.relation import columns_needed
from spanlake.traceql.shown import columns_of

MATCH_SLACK_NS = 60 * 1_000_000_000  # how far outside the range a matching span of a trace that touches it is found
_MOST_PARTS = 3  # looked at one after the other; then it is quicker to look at everything
_WHERE_ALL_COUNT = 4  # so many times smaller are the parts where no trace can be left out
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


def search(session: Session, source: Source, wanted: Search, engine: Engine | None = None) -> list[FoundTrace]:
    """The matching traces, those that start last first.

    ``source`` must reach TRACE_REACH_NS beyond the range on both sides. Traces that the newest blocks do not hold are
    looked for by the engine. Raises LimitExceeded.
    """
    found: dict[bytes, FoundTrace] = {}
    for lot in _candidates(session, source, wanted, engine):
        around = source.around(lot.blocks, TRACE_REACH_NS) if lot.blocks else source
        found |= dict(_judge(session, around, wanted, lot.ids))
        if len(found) >= wanted.limit:
            break
    taken = islice(found.values(), wanted.limit)
    return sorted(taken, key=lambda trace: (-trace.header.start_ns, trace.header.trace_id))


@dataclass(frozen=True)
class _Lot:
    """Some traces, and the blocks in which they were found, if not anywhere."""

    ids: list[bytes]
    blocks: tuple[Block, ...] = ()


def _candidates(session: Session, source: Source, wanted: Search, engine: Engine | None) -> Iterator[_Lot]:
    """Traces that may match, some at a time, in the order in which they are taken; perhaps a trace twice."""
    probe = Probe.of(wanted.plan, source.known)
    bounds = Window(wanted.start_ns - MATCH_SLACK_NS, wanted.end_ns + MATCH_SLACK_NS)
    near = source.overlapping(bounds.start_ns, bounds.end_ns)
    finder = Finder(session, near, wanted.plan, probe, wanted.most_recent)
    if probe.alone and probe.is_exact:
        yield from _one_by_one(finder, bounds, wanted, engine)
        return
    if not wanted.most_recent:
        parts = _parts(near.blocks, source, probe)
        lots: list[_Lot] = []
        looked_at = (_noted(_near(finder, source, part, bounds, wanted.limit), lots) for part in parts[:_MOST_PARTS])
        yield from _gathered(looked_at, wanted.limit)
        if len(source.blocks) == 1 and 0 < len(parts) == len(lots) and all(len(lot.ids) < wanted.limit for lot in lots):
            return  # those were all parts of the one block there is
    everywhere = Farther(replace(finder, source=source), engine)
    yield from map(_Lot, _batches(partial(everywhere.whole, bounds), wanted.limit, set()))


def _parts(blocks: Sequence[Block], source: Source, probe: Probe) -> list[Portion]:
    """What is looked at first, the newest blocks before others; nothing where one part is all there is."""
    parts = list(portions(blocks, share=_WHERE_ALL_COUNT if probe.is_trivial else 1))
    is_all = [part.ids is None and len(part.blocks) == len(source.blocks) for part in parts]
    return [] if any(is_all) else parts


def _near(finder: Finder, source: Source, part: Portion, bounds: Window, size: int) -> _Lot:
    """Traces that match by their spans in a part of the blocks, and in those beside them; or, where a probe tells, that
    seem to match by those in the part."""
    probed_in = finder.source.within(part.blocks).of_ids(part.ids)
    if finder.probe.members is not None:
        return _Lot(replace(finder, source=probed_in).passing(bounds, size), part.blocks)
    around = source.around(part.blocks, MATCH_SLACK_NS).of_ids(part.ids)
    return _Lot(replace(finder, source=around, probed_in=probed_in).whole(bounds, size), part.blocks)


def _noted(lot: _Lot, noted: list[_Lot]) -> _Lot:
    noted.append(lot)
    return lot


def _one_by_one(finder: Finder, bounds: Window, wanted: Search, engine: Engine | None) -> Iterator[_Lot]:
    """Traces of which one span shows that they match, wherever their other spans lie."""
    seen: set[bytes] = set()
    near, far = divided(finder.source, engine)
    if wanted.most_recent:
        for window in windows(bounds, near.blocks):
            yield from map(_Lot, _batches(partial(replace(finder, source=near).alone, window), wanted.limit, seen))
    else:
        lots = (
            _Lot(ids, part.blocks)
            for part in portions(near.blocks)
            for ids in _batches(partial(_in_part(finder, part).alone, bounds), wanted.limit, seen)
        )
        yield from _gathered(lots, wanted.limit)
    if far.blocks:
        yield from map(
            _Lot, _batches(partial(Farther(replace(finder, source=far), engine).alone, bounds), wanted.limit, seen)
        )


def _in_part(finder: Finder, part: Portion) -> Finder:
    return replace(finder, source=finder.source.within(part.blocks).of_ids(part.ids))


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


def _gathered(lots: Iterable[_Lot], size: int) -> Iterator[_Lot]:
    """Lots put together until they have some size: judging a few traces takes as long as judging twenty."""
    gathered = _Lot([])
    for lot in lots:
        if lot.ids:
            ids = list(dict.fromkeys(gathered.ids + lot.ids))
            gathered = _Lot(ids, tuple({*gathered.blocks, *lot.blocks}))
        if len(gathered.ids) >= size:
            yield gathered
            gathered = _Lot([])
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
