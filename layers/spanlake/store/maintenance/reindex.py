"""Rebuilds the index from the blocks."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int64
from spanlake.store.blocks.block import MAX_REPLACED, Block
from spanlake.store.blocks.bloom import hashed, may_contain_any
from spanlake.store.blocks.entry import BlockFacts, open_block, read_facts
from spanlake.store.blocks.paths import by_day
from spanlake.store.catalog_room import listed
from spanlake.store.days import day_range
from spanlake.store.deletions import deletions_by_block
from spanlake.store.errors import ObjectNotFound, StorageCorrupt
from spanlake.store.index.base import Index
from spanlake.store.objects.base import ObjectInfo, Objects

_KEY = ("trace_id", "span_id", "parent_span_id", "start_time_unix_nano", "duration_nano", "name", "resource_id")
_MOST_BYTES = 512 << 20  # of spans' keys at hand
_SAMPLE = 8  # trace ids


class SpanSets:
    """Tells whether all spans of a block stand in others; spans of deleted traces do not count."""

    def __init__(self, objects: Objects, hidden: Mapping[str, frozenset[bytes]]) -> None:
        self._objects = objects
        self._hidden = hidden
        self._keys: OrderedDict[str, Array] = OrderedDict()  # the last one was needed last
        self._size = 0

    def stands_in(self, candidate: Block, others: Sequence[Block], sample: Sequence[bytes]) -> bool:
        """True where all spans of a block stand in the others; the sample are ids of traces that it shows."""
        near = [one for one in others if one.start_ns <= candidate.end_ns and one.end_ns >= candidate.start_ns]
        ids = [hashed([trace_id]) for trace_id in sample[:_SAMPLE]]
        if not all(any(may_contain_any(one.trace_filter, id_) for one in near) for id_ in ids):
            return False
        left = self._of(candidate)
        for other in near:
            if len(left) and (not ids or any(may_contain_any(other.trace_filter, id_) for id_ in ids)):
                left = left.filter(pc.invert(pc.is_in(left, value_set=self._of(other))))
        return not len(left)

    def _of(self, block: Block) -> Array:
        """A key for each span that the block shows."""
        if block.path not in self._keys:
            keys = self._read(block)
            self._keys[block.path] = keys
            self._size += keys.nbytes
            while self._size > _MOST_BYTES and len(self._keys) > 1:
                self._size -= self._keys.popitem(last=False)[1].nbytes
        self._keys.move_to_end(block.path)
        return self._keys[block.path]

    def _read(self, block: Block) -> Array:
        table = open_block(self._objects.get(block.path)).read(columns=list(_KEY))
        hidden = block.hidden | self._hidden.get(block.path, frozenset())
        if hidden:
            trace_ids = table["trace_id"]
            table = table.filter(pc.invert(pc.is_in(trace_ids, value_set=pa.array(sorted(hidden), trace_ids.type))))
        texts = [
            table[name].cast(pa.string()).cast(pa.binary()) if _is_number(table[name]) else table[name] for name in _KEY
        ]
        parts: list[Any] = [*(text.cast(pa.binary()) for text in texts), b"\0"]
        return pc.binary_join_element_wise(*parts, null_handling="replace").combine_chunks()


def with_shared_traces(blocks: Iterable[BlockFacts]) -> set[str]:
    """Paths of the blocks all of whose traces have spans in another one of the blocks as well."""
    blocks = list(blocks)
    if not blocks:
        return set()
    counted = pa.chunked_array([facts.trace_ids for facts in blocks]).value_counts()
    shared = counted.field("values").filter(pc.greater(counted.field("counts"), int64(1)))
    return {facts.block.path for facts in blocks if pc.all(pc.is_in(facts.trace_ids, value_set=shared)).as_py()}


def _is_number(values: Array) -> bool:
    return pa.types.is_integer(values.type)


_log = logging.getLogger(__name__)

_AT_ONCE = 40  # blocks in one transaction


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
    """The blocks of a tenant and day."""

    known: frozenset[str]  # ids of the blocks that are or were live
    live: dict[str, Block]  # by id
    there: frozenset[str]  # ids of all blocks in storage
    unknown: list[BlockFacts] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def reindex(
    objects: Objects,
    index: Index,
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Reindexed:
    """Take blocks that have no entry into the index; safe beside running servers, and to repeat when it was ended.

    ``progress`` is told how many blocks are done. Raises StorageUnavailable.
    """
    done = Reindexed()
    hidden = deletions_by_block(objects)
    for tenant, day, blocks in by_day(objects):
        done += _reindex_day(objects, index, tenant, day, blocks, hidden, dry_run=dry_run)
        progress(len(blocks))
    return done


def _reindex_day(
    objects: Objects,
    index: Index,
    tenant: str,
    day: date,
    blocks: Sequence[tuple[str, ObjectInfo]],
    hidden: dict[str, frozenset[bytes]],
    *,
    dry_run: bool,
) -> Reindexed:
    known = index.known_ids(tenant, day)  # after the listing: what got its entry meanwhile is among them
    live = {block.id: block for block in index.find(tenant, *day_range(day)) if block.date == day}
    there = frozenset(id_ for id_, _ in blocks)
    found = _Day(known, live, there)
    for id_, info in blocks:
        if id_ not in known:
            _read(objects, info, found)
    missing = tuple(block.path for id_, block in live.items() if id_ not in there)
    if not found.unknown:
        return Reindexed(len(blocks) - len(found.damaged), damaged=tuple(found.damaged), missing=missing)
    chosen, swaps, replaced = _choose(objects, found, hidden)
    if not dry_run:
        _put(index, chosen, swaps, hidden)
    restored = {block.path for facts in swaps for block in _replaced_live(facts, found)}
    return Reindexed(
        len(blocks) - len(found.unknown) - len(found.damaged),
        tuple(facts.block.path for facts in (*chosen, *swaps)),
        tuple(facts.block.path for facts in replaced),
        tuple(found.damaged),
        tuple(path for path in missing if path not in restored),
    )


def _read(objects: Objects, info: ObjectInfo, found: _Day) -> None:
    try:
        found.unknown.append(read_facts(objects, info))
    except ObjectNotFound:  # compaction was quicker
        pass
    except StorageCorrupt as error:
        found.damaged.append(str(error))
        _log.error("block damaged", extra={"reason": str(error)})


def _choose(
    objects: Objects, found: _Day, hidden: dict[str, frozenset[bytes]]
) -> tuple[list[BlockFacts], list[BlockFacts], list[BlockFacts]]:
    """The blocks to add, those to put in the place of live entries whose objects are gone, and those to leave out."""
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
            replaced += filter(None, [chosen.pop(id_, None)])
    kept = _without_same_spans(objects, found, list(chosen.values()), swaps, hidden)
    kept_ids = {facts.block.id for facts in kept}
    replaced += [facts for id_, facts in chosen.items() if id_ not in kept_ids]
    return kept, swaps, replaced


def _replaced_live(facts: BlockFacts, found: _Day) -> list[Block]:
    """The live entries that a block replaces, if the object of one of them is gone; otherwise none."""
    inputs = [found.live[id_] for id_ in (facts.lineage.replaces if facts.lineage else ()) if id_ in found.live]
    return inputs if any(block.id not in found.there for block in inputs) else []


def _without_same_spans(
    objects: Objects,
    found: _Day,
    candidates: list[BlockFacts],
    swaps: list[BlockFacts],
    hidden: dict[str, frozenset[bytes]],
) -> list[BlockFacts]:
    """The candidates but those whose spans all stand in others: what older versions merged does not say so."""
    spans = SpanSets(objects, hidden)
    shared = with_shared_traces([*candidates, *swaps])
    taken = [block for block in found.live.values() if block.id in found.there] + [facts.block for facts in swaps]
    merged = {facts.block.id for facts in (*candidates, *swaps) if facts.may_be_merged}
    kept = []
    for facts in sorted(candidates, key=lambda facts: (-facts.block.spans, facts.block.id)):
        others = taken if facts.block.path in shared else [block for block in taken if block.id in found.live]
        if not facts.may_be_merged:  # what is there twice in fresh blocks, compaction drops
            others = [block for block in others if block.level or block.id in merged]
        # Blocks of deleted traces alone get an entry too, or an index of nothing else would stay empty.
        if _is_hidden(facts, hidden) or not spans.stands_in(facts.block, others, _shown(facts, hidden)):
            kept.append(facts)
            taken.append(facts.block)
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
    for first in range(0, len(chosen), _AT_ONCE):
        some = chosen[first : first + _AT_ONCE]
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
    """The block without traces that were deleted since it was made: a block that no entry named hid none of them."""
    block = _with_hidden(facts.block, hidden)
    since = index.deletions(block.tenant, block.created_ns)
    if not since:
        return block
    return replace(block, hidden=block.hidden | (since.keys() & set(facts.trace_ids.to_pylist())))


def _with_hidden(block: Block, hidden: dict[str, frozenset[bytes]]) -> Block:
    return replace(block, hidden=hidden.get(block.path, frozenset()))
