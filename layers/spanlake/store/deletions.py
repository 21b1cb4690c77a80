"""Deletions of traces as storage has them, beside the blocks: an index that is rebuilt must not bring spans back.

Each deletion is an object below ``deletions/`` that names the trace and the blocks that held its spans. Blocks made of
these later do not hold them.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from spanlake.store.blocks.block import Block
from spanlake.store.blocks.paths import TRASH, BlockPath
from spanlake.store.errors import ObjectNotFound, StorageCorrupt
from spanlake.store.objects.base import Objects
from spanlake.store.tenant import escape_tenant

DELETIONS = "deletions/"

_KEPT = timedelta(days=1)  # longer than from the record to the entry that hides the spans


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of a trace."""

    path: str  # of its object
    trace_id: bytes
    blocks: tuple[str, ...]  # paths


def record_deletion(objects: Objects, blocks: Sequence[Block], trace_id: bytes) -> None:
    """Note that the spans that blocks hold of a trace are deleted, durable when this returns."""
    if not blocks:
        return
    content = {"trace": trace_id.hex(), "blocks": [block.path for block in blocks]}
    tenant = escape_tenant(blocks[0].tenant)
    path = f"{DELETIONS}tenant={tenant}/{time.time_ns():020d}-{trace_id.hex()}.json"
    objects.put(path, json.dumps(content).encode())


def deletions_by_block(objects: Objects) -> dict[str, frozenset[bytes]]:
    """Return the ids of deleted traces by the path of a block that held them; raises StorageCorrupt."""
    found: dict[str, set[bytes]] = {}
    for deletion in read_deletions(objects):
        for path in deletion.blocks:
            found.setdefault(path, set()).add(deletion.trace_id)
    return {path: frozenset(trace_ids) for path, trace_ids in found.items()}


class DeletedDays:
    """The tenants and days of which blocks held spans of deleted traces, by the deletions on record.

    A record is read once. Not to be used by two threads at once.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._read: dict[str, frozenset[tuple[str, date]]] = {}  # by path of the record

    def read(self) -> list[tuple[str, date]]:
        """Return the tenants and days, in order; raises StorageCorrupt."""
        there = {info.path for info in self._objects.list(DELETIONS)}
        self._read = {path: days for path, days in self._read.items() if path in there}
        new = there - self._read.keys()
        for deletion in read_deletions(self._objects, new) if new else ():
            parsed = filter(None, map(BlockPath.parse, deletion.blocks))
            self._read[deletion.path] = frozenset((path.tenant, path.date) for path in parsed)
        return sorted(frozenset[tuple[str, date]]().union(*self._read.values()))


def read_deletions(objects: Objects, among: Set[str] | None = None) -> Iterator[Deletion]:
    """Yield all deletions on record, or those ``among`` the paths; raises StorageCorrupt."""
    for info in objects.list(DELETIONS):
        if among is None or info.path in among:
            yield from _read(objects, info.path)


def _read(objects: Objects, path: str) -> Iterator[Deletion]:
    """Yield the deletion on record, unless it is gone."""
    try:
        content = json.loads(objects.get(path))
        yield Deletion(path, bytes.fromhex(content["trace"]), tuple(map(str, content["blocks"])))
    except ObjectNotFound:
        return
    except (ValueError, KeyError, TypeError) as error:
        raise StorageCorrupt(f"{path} cannot be read: {error}") from error


def forget_deletions(objects: Objects, now: datetime, has_time: Callable[[], bool] = lambda: True) -> None:
    """Remove the records whose blocks are all gone, as long as there is time; raises StorageCorrupt."""
    for info in objects.list(DELETIONS):
        if not has_time():
            return
        if now - info.modified > _KEPT:
            for deletion in _read(objects, info.path):
                if not any(_is_there(objects, path) for path in deletion.blocks):
                    objects.delete(deletion.path)


def _is_there(objects: Objects, path: str) -> bool:
    """True for an object that exists, or was collected and may be put back."""
    return any(found.path == place for place in (path, TRASH + path) for found in objects.list(place))
