"""Rebuilds the index from the blocks."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby

from spanlake.store.blocks.block import MAX_REPLACED, Block
from spanlake.store.blocks.entry import BlockFacts, may_be_merged, read_facts
from spanlake.store.blocks.paths import DayPart, folder, in_parts
from spanlake.store.blocks.reader import block_footer
from spanlake.store.days import day_range
from spanlake.store.deletions import deletions_by_block
from spanlake.store.errors import ObjectNotFound, StorageCorrupt
from spanlake.store.index.base import ALL_IDS, IdRange, Index, id_ranges
from spanlake.store.index.catalog import listed
from spanlake.store.maintenance.span_sets import SpanSets, with_shared_traces
from spanlake.store.objects.base import ObjectInfo, Objects

_log = logging.getLogger(__name__)

AT_ONCE = 2000
"""Blocks without an entry whose facts are in memory: some 10 KB each when they are small."""
_THREADS = 4  # that read blocks, of 128 MB at most
_IN_TRANSACTION = 40  # blocks


@dataclass(frozen=True, slots=True)
class Reindexed:
    """Counts of the blocks that were found and added."""

    known: int = 0  # blocks that had an entry
    added: tuple[str, ...] = ()  # paths
    replaced: tuple[str, ...] = ()  # paths of blocks whose spans stand in others
    damaged: tuple[str, ...] = ()  # what is wrong with blocks that cannot be read, and names them
    missing: tuple[str, ...] = ()  # paths of live entries that have no object

    def __add__(self, other: "Reindexed") -> "Reindexed":
        return Reindexed(
            self.known + other.known,
            self.added + other.added,
            self.replaced + other.replaced,
            self.damaged + other.damaged,
            self.missing + other.missing,
        )


@dataclass(slots=True)
class _Day:
    """The blocks of a tenant and day, as far as they matter to those that have no entry."""

    live: dict[str, Block]  # by id, also blocks that get their entries now
    missing: frozenset[str]  # ids of live blocks that have no object
    unknown: list[BlockFacts] = field(default_factory=list)  # those that are looked at
    known: frozenset[str] = frozenset()  # which of the blocks that these replace are or were live
    merged: set[str] = field(default_factory=set)  # ids of blocks that get their entries now and may be merged
    gone: set[str] = field(default_factory=set)  # ids of blocks that were replaced by those that get their entries
    restored: set[str] = field(default_factory=set)  # paths of live blocks in whose place others are put

    def take(self, added: Iterable[BlockFacts], swaps: Iterable[BlockFacts]) -> None:
        """Count blocks as live, those to put in the place of live ones too."""
        for facts in swaps:
            for block in _replaced_live(facts, self):
                self.restored.add(block.path)
                del self.live[block.id]
        for facts in (*added, *swaps):
            self.live[facts.block.id] = facts.block
            self.merged.update([facts.block.id] if facts.may_be_merged else [])


@dataclass(slots=True)
class _Survey:
    """The blocks of a day in storage, compared with the index."""

    blocks: int = 0
    unknown: int = 0  # blocks that have no entry
    first: list[ObjectInfo] = field(default_factory=list)  # of these
    missing: list[Block] = field(default_factory=list)  # live ones that have no object


def reindex(
    objects: Objects,
    index: Index,
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    at_once: int = AT_ONCE,
) -> Reindexed:
    """Take blocks that have no entry into the index; safe beside running servers, and to repeat when it was ended.

    ``progress`` is told how many blocks are done. Of a day's blocks without an entry those that were merged are in
    memory, and so many of the others ``at_once``. Raises StorageUnavailable.
    """
    done = Reindexed()
    hidden = deletions_by_block(objects)
    for (tenant, day), parts in groupby(in_parts(objects, at_once), key=lambda part: (part.tenant, part.date)):
        done += _DayReindex(objects, index, tenant, day, hidden, dry_run, progress, at_once).run(parts)
    return done


@dataclass(frozen=True, slots=True)
class _DayReindex:
    """Takes in the blocks of a tenant and day that have no entry.

    Where they are many, the merged ones come first, as footers tell them: they say which others they have replaced.
    """

    objects: Objects
    index: Index
    tenant: str
    day: date
    hidden: dict[str, frozenset[bytes]]
    dry_run: bool
    progress: Callable[[int], None]
    at_once: int

    def run(self, parts: Iterable[DayPart]) -> Reindexed:
        """Take them in, given the objects of the day."""
        seen = self._survey(parts)
        found = _Day({}, frozenset(block.id for block in seen.missing))
        done = Reindexed()
        if seen.unknown:
            found.live = {block.id: block for block in self.index.live(self.tenant, self.day)}
            few = seen.unknown <= self.at_once
            done = self._add(seen.first, found, seen.blocks) if few else self._add_many(found, seen.blocks)
        if seen.unknown <= self.at_once:
            self.progress(seen.blocks)
        missing = tuple(block.path for block in seen.missing if block.path not in found.restored)
        return done + Reindexed(seen.blocks - seen.unknown, missing=missing)

    def _survey(self, parts: Iterable[DayPart]) -> _Survey:
        seen, last = _Survey(), ""
        for part in parts:
            unknown = self._unknown(part)
            seen.blocks += len(part.blocks)
            seen.unknown += len(unknown)
            seen.first += unknown[: self.at_once - len(seen.first)]
            seen.missing += self._without_object((last, part.ids[1]), {last, *(id_ for id_, _ in part.blocks)})
            last = part.ids[1]
        seen.missing += self._without_object((last, ALL_IDS[1]), {last})
        return seen

    def _unknown(self, part: DayPart) -> list[ObjectInfo]:
        """Return the objects of a part that have no entry, now that they have been listed."""
        known = self.index.known_ids(self.tenant, self.day, part.ids)
        return [info for id_, info in part.blocks if id_ not in known]

    def _without_object(self, ids: IdRange, there: Set[str]) -> list[Block]:
        return [block for block in self.index.live(self.tenant, self.day, ids) if block.id not in there]

    def _add_many(self, found: _Day, blocks: int) -> Reindexed:
        merged = [info for part in self._parts() for info in self._unknown(part) if _may_be_merged(self.objects, info)]
        done = self._add(merged, found, blocks)
        paths = {info.path for info in merged}
        for part in self._parts():
            fresh = [info for info in self._unknown(part) if info.path not in paths]
            left = {info.path for info in fresh if _id(info) in found.gone}
            done += self._add([info for info in fresh if info.path not in left], found, blocks)
            done += Reindexed(replaced=tuple(left))
            self.progress(len(part.blocks))
        return done

    def _parts(self) -> Iterator[DayPart]:
        return in_parts(self.objects, self.at_once, folder(self.tenant, self.day))

    def _add(self, infos: Sequence[ObjectInfo], found: _Day, blocks: int) -> Reindexed:
        """Give these blocks entries, but those whose spans stand in others."""
        damaged: list[str] = []
        found.unknown = list(self._facts(infos, damaged))
        found.known = self._known_inputs(found.unknown, blocks)
        chosen, swaps, replaced = _choose(self.objects, found, self.hidden)
        if not self.dry_run:
            _put(self.index, chosen, swaps, self.hidden)
        found.take(chosen, swaps)
        return Reindexed(
            added=tuple(facts.block.path for facts in (*chosen, *swaps)),
            replaced=tuple(facts.block.path for facts in replaced),
            damaged=tuple(damaged),
        )

    def _facts(self, infos: Sequence[ObjectInfo], damaged: list[str]) -> Iterator[BlockFacts]:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="reindex") as threads:
            for facts in threads.map(lambda info: _read(self.objects, info), infos):
                if isinstance(facts, BlockFacts):
                    yield facts
                elif facts is not None:
                    damaged.append(facts)

    def _known_inputs(self, unknown: Sequence[BlockFacts], blocks: int) -> frozenset[str]:
        """Which of the blocks that these replace the index knows, of a day of about so many blocks."""
        inputs = frozenset(id_ for facts in unknown if facts.lineage for id_ in facts.lineage.replaces)
        if not inputs:
            return inputs
        ranges = id_ranges(blocks, self.at_once)
        return frozenset().union(*(inputs & self.index.known_ids(self.tenant, self.day, ids) for ids in ranges))


def _id(info: ObjectInfo) -> str:
    return info.path.rpartition("/")[2].partition(".")[0]


def _may_be_merged(objects: Objects, info: ObjectInfo) -> bool:
    """True where a block may have replaced others, and for one that is damaged or gone: whoever reads it will tell."""
    try:
        return may_be_merged(*block_footer(objects, info.path))
    except (ObjectNotFound, StorageCorrupt):
        return True


def _read(objects: Objects, info: ObjectInfo) -> BlockFacts | str | None:
    """Return the facts of a block, or what is wrong with it; None when it is gone, since compaction was quicker."""
    try:
        return read_facts(objects, info)
    except ObjectNotFound:
        return None
    except StorageCorrupt as error:
        _log.error("block damaged", extra={"reason": str(error)})
        return str(error)


def _choose(
    objects: Objects, found: _Day, hidden: dict[str, frozenset[bytes]]
) -> tuple[list[BlockFacts], list[BlockFacts], list[BlockFacts]]:
    """Return the blocks to add, to put in the place of live entries whose objects are gone, and to leave out."""
    chosen: dict[str, BlockFacts] = {}
    swaps: list[BlockFacts] = []
    replaced: list[BlockFacts] = []
    unmade = set(found.known)  # blocks in whose place nothing may be put: the index knows where their spans are
    for facts in sorted(found.unknown, key=lambda facts: facts.block.level):
        inputs = set(facts.lineage.replaces) if facts.lineage else set()
        if inputs.isdisjoint(unmade):
            chosen[facts.block.id] = facts
        elif _replaced_live(facts, found):
            swaps.append(facts)
        else:  # its maker did not come to the swap in the index
            replaced.append(facts)
            unmade.add(facts.block.id)
    for facts in (*swaps, *sorted(chosen.values(), key=lambda facts: -facts.block.level)):
        for id_ in facts.lineage.replaces if facts.lineage else ():
            found.gone.add(id_)
            replaced += filter(None, [chosen.pop(id_, None)])
    kept = _without_same_spans(objects, found, list(chosen.values()), swaps, hidden)
    kept_ids = {facts.block.id for facts in kept}
    replaced += [facts for id_, facts in chosen.items() if id_ not in kept_ids]
    return kept, swaps, replaced


def _replaced_live(facts: BlockFacts, found: _Day) -> list[Block]:
    """Return the live entries that a block replaces, if the object of one of them is gone; otherwise none."""
    inputs = [found.live[id_] for id_ in (facts.lineage.replaces if facts.lineage else ()) if id_ in found.live]
    return inputs if any(block.id in found.missing for block in inputs) else []


def _without_same_spans(
    objects: Objects,
    found: _Day,
    candidates: list[BlockFacts],
    swaps: list[BlockFacts],
    hidden: dict[str, frozenset[bytes]],
) -> list[BlockFacts]:
    """Return the candidates but those whose spans all stand in others: what older versions merged does not say so."""
    spans = SpanSets(objects, hidden)
    shared = with_shared_traces([*candidates, *swaps])
    taken = [block for block in found.live.values() if block.id not in found.missing]
    taken += [facts.block for facts in swaps]
    merged = found.merged | {facts.block.id for facts in (*candidates, *swaps) if facts.may_be_merged}
    taken_merged = [block for block in taken if block.level or block.id in merged]
    kept = []
    for facts in sorted(candidates, key=lambda facts: (-facts.block.spans, facts.block.id)):
        # What is there twice in fresh blocks, compaction drops. They are many: each is compared with merged ones only.
        others = taken if facts.may_be_merged else taken_merged
        if facts.block.path not in shared:
            others = [block for block in others if block.id in found.live]
        # Blocks of deleted traces alone get an entry too, or an index of nothing else would stay empty.
        if _is_hidden(facts, hidden) or not spans.stands_in(facts.block, others, _shown(facts, hidden)):
            kept.append(facts)
            taken.append(facts.block)
            taken_merged += [facts.block] if facts.block.id in merged or facts.block.level else []
    return kept


def _is_hidden(facts: BlockFacts, hidden: dict[str, frozenset[bytes]]) -> bool:
    """True where all traces of a block are deleted."""
    deleted = hidden.get(facts.block.path, frozenset())
    return bool(deleted) and deleted.issuperset(facts.trace_ids.to_pylist())


def _shown(facts: BlockFacts, hidden: dict[str, frozenset[bytes]]) -> list[bytes]:
    deleted = hidden.get(facts.block.path, frozenset())
    some = facts.trace_ids.slice(0, len(deleted) + 8).to_pylist()
    return [trace_id for trace_id in some if trace_id is not None and trace_id not in deleted]


def _put(
    index: Index, chosen: Sequence[BlockFacts], swaps: Iterable[BlockFacts], hidden: dict[str, frozenset[bytes]]
) -> None:
    for first in range(0, len(chosen), _IN_TRANSACTION):
        some = chosen[first : first + _IN_TRANSACTION]
        day = some[0].block.tenant, some[0].block.date
        catalog = frozenset().union(*(facts.catalog for facts in some))
        index.add([_with_deleted(index, facts, hidden) for facts in some], {day: listed(index, *day, catalog)})
    for facts in swaps:
        _swap(index, facts, hidden)


def _swap(index: Index, facts: BlockFacts, hidden: dict[str, frozenset[bytes]]) -> None:
    block = facts.block
    assert facts.lineage is not None
    replaces = set(facts.lineage.replaces)
    live = [one for one in index.find(block.tenant, *day_range(block.date)) if one.id in replaces]
    day = block.tenant, block.date
    index.add([], {day: listed(index, *day, facts.catalog)})
    index.replace([_with_hidden(block, hidden)], live[: MAX_REPLACED - 1])


def _with_deleted(index: Index, facts: BlockFacts, hidden: dict[str, frozenset[bytes]]) -> Block:
    """Return the block without traces that were deleted since it was made.

    A block that no entry named hid none of them.
    """
    block = _with_hidden(facts.block, hidden)
    since = index.deletions(block.tenant, block.created_ns)
    if not since:
        return block
    return replace(block, hidden=block.hidden | (since.keys() & set(facts.trace_ids.to_pylist())))


def _with_hidden(block: Block, hidden: dict[str, frozenset[bytes]]) -> Block:
    return replace(block, hidden=hidden.get(block.path, frozenset()))
