"""Every live block read from end to end and compared with its entry; what is damaged can be set aside."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from spanlake.store.blocks.block import Block
from spanlake.store.blocks.entry import check_content
from spanlake.store.blocks.paths import in_parts
from spanlake.store.errors import IndexConflict, ObjectNotFound, StorageCorrupt
from spanlake.store.index.base import Index, id_ranges
from spanlake.store.maintenance.compactor import days_of
from spanlake.store.objects.base import Objects

QUARANTINE = "quarantine/"

_AT_ONCE = 4  # blocks that are read, of 128 MB at most
_LISTED = 1000  # entries and objects in memory; an entry of a large block is of 256 KB


@dataclass(frozen=True, slots=True)
class Fault:
    """A live block and its fault."""

    block: Block
    reason: str  # names the block
    is_missing: bool = False  # whether there is no object to set aside


@dataclass(frozen=True, slots=True)
class Verified:
    """The faults found, and counts of what was checked."""

    blocks: int  # that were read
    faults: tuple[Fault, ...]
    without_entry: int  # objects of blocks that the index does not know


def verify(objects: Objects, index: Index, progress: Callable[[int], None] = lambda _: None) -> Verified:
    """Read all live blocks; ``progress`` is told the spans of each. Raises StorageUnavailable."""
    blocks, faults = 0, []
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="verify") as threads:
        for some in live_blocks(index):
            for block, fault in threads.map(lambda block: (block, _fault(objects, index, block)), some):
                blocks += 1
                faults += [fault] if fault else []
                progress(block.spans)
    return Verified(blocks, tuple(faults), _without_entry(objects, index))


def set_aside(objects: Objects, index: Index, fault: Fault) -> None:
    """Take a block out of the index, having moved its object below ``quarantine/``: the others are served."""
    block = fault.block
    with suppress(ObjectNotFound):
        objects.put(QUARANTINE + block.path, objects.get(block.path))
    with suppress(IndexConflict):  # compaction has replaced it, and can do so with whole blocks only
        index.replace([], [block], lost=True)


def live_blocks(index: Index, most: int = _LISTED) -> Iterator[Sequence[Block]]:
    """Yield all live blocks, the latest day first, about so many at a time."""
    summary = index.summary()
    counts = Counter[tuple[str, date]]()
    for one in summary:
        counts[one.tenant, one.date] += one.blocks
    for tenant, day in days_of(summary):
        yield from (index.live(tenant, day, ids) for ids in id_ranges(counts[tenant, day], most))


def _fault(objects: Objects, index: Index, block: Block) -> Fault | None:
    try:
        check_content(block, objects.get(block.path))
    except ObjectNotFound:
        if not _is_live(index, block):
            return None
        return Fault(block, f"the block {block.path} is in the index, but there is no such object", is_missing=True)
    except StorageCorrupt as error:
        return Fault(block, str(error))
    return None


def _is_live(index: Index, block: Block) -> bool:
    return any(one.path == block.path for one in index.live(block.tenant, block.date, (block.id, block.id)))


def _without_entry(objects: Objects, index: Index) -> int:
    """Counts the objects of blocks that the index does not know."""
    unknown = 0
    for part in in_parts(objects, _LISTED):
        known = index.known_ids(part.tenant, part.date, part.ids)
        unknown += sum(id_ not in known for id_, _ in part.blocks)
    return unknown
