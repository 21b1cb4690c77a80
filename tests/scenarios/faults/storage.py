"""Storage that fails now and then: it refuses, or does what it was told and says it has not, or is slow.

What fails and how follows from a seed. There is trouble as long as a file is there, and none without it.
"""

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from threading import Lock
from typing import TypeVar

import pyarrow as pa

from spanlake.store.blocks.block import Block, CatalogEntry, DaySummary
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.base import ALL_IDS, Catalog, IdRange, Index, MergeKey, StoredBefore, UnfinishedMerge
from spanlake.store.objects.base import ObjectInfo, Objects

_SLOW_SECONDS = 0.3

T = TypeVar("T")


class Trouble:
    """Strikes a share of what is done."""

    def __init__(self, file: Path, seed: int, share: float) -> None:
        self._file = file
        self._share = share
        self._chance = random.Random(seed)
        self._lock = Lock()

    def around(self, action: Callable[[], T]) -> T:
        """Do it, or not."""
        with self._lock:
            kind, seconds = self._chance.random() / self._share, self._chance.uniform(0, _SLOW_SECONDS)
        if kind >= 1 or not self._file.exists():
            return action()
        if kind < 0.3:
            raise StorageUnavailable("throttled")
        if kind < 0.6:
            action()
            raise StorageUnavailable("no answer in time")
        time.sleep(seconds)
        return action()


class TroubledObjects:
    """Objects in trouble."""

    def __init__(self, objects: Objects, trouble: Trouble) -> None:
        self._objects = objects
        self._trouble = trouble

    def put(self, path: str, data: bytes | pa.Buffer) -> None:
        """As Objects has it."""
        self._trouble.around(lambda: self._objects.put(path, data))

    def get(self, path: str) -> bytes:
        """As Objects has it."""
        return self._trouble.around(lambda: self._objects.get(path))

    def open(self, path: str) -> pa.NativeFile:
        """As Objects has it."""
        return self._trouble.around(lambda: self._objects.open(path))

    def delete(self, path: str) -> None:
        """As Objects has it."""
        self._trouble.around(lambda: self._objects.delete(path))

    def delete_all(self, paths: Sequence[str]) -> None:
        """As Objects has it; there may be trouble in the middle."""
        for path in paths:
            self.delete(path)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """As Objects has it; there may be trouble in the middle."""
        for info in self._trouble.around(lambda: self._objects.list(prefix)):
            self._trouble.around(lambda: None)
            yield info

    def service_time(self) -> int | None:
        """As Objects has it."""
        return self._trouble.around(self._objects.service_time)

    @property
    def name(self) -> str:
        """As Objects has it."""
        return self._objects.name

    def uri(self, path: str) -> str:
        """As Objects has it, or the name of an object that cannot be read."""
        try:
            return self._trouble.around(lambda: self._objects.uri(path))
        except StorageUnavailable:
            return self._objects.uri(f"{path}-in-trouble")


class TroubledIndex:
    """An index in trouble."""

    def __init__(self, index: Index, trouble: Trouble) -> None:
        self._index = index
        self._trouble = trouble

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> list[StoredBefore]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.add(blocks, catalog))

    def beyond_catalog(
        self, tenant: str, day: date, entries: frozenset[CatalogEntry], most: int | None = None
    ) -> frozenset[CatalogEntry]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.beyond_catalog(tenant, day, entries, most))

    def replace(self, added: Sequence[Block], removed: Sequence[Block], *, lost: bool = False) -> None:
        """As Index has it."""
        self._trouble.around(lambda: self._index.replace(added, removed, lost=lost))

    def mark_deleted(self, blocks: Sequence[Block], trace_id: bytes) -> None:
        """As Index has it."""
        self._trouble.around(lambda: self._index.mark_deleted(blocks, trace_id))

    def deletions(self, tenant: str, since_ns: int) -> dict[bytes, int]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.deletions(tenant, since_ns))

    def known_ids(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> frozenset[str]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.known_ids(tenant, day, ids))

    def archive_replaced(self, before: int) -> None:
        """As Index has it."""
        self._trouble.around(lambda: self._index.archive_replaced(before))

    def service_time(self) -> int | None:
        """As Index has it."""
        return self._trouble.around(self._index.service_time)

    def days(self, tenant: str) -> list[date]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.days(tenant))

    def get_property(self, name: str) -> str | None:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.get_property(name))

    def claim_property(self, name: str, value: str) -> str:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.claim_property(name, value))

    def set_property(self, name: str, value: str) -> None:
        """As Index has it."""
        self._trouble.around(lambda: self._index.set_property(name, value))

    @property
    def name(self) -> str:
        """As Index has it."""
        return self._index.name

    def keep_for(self, retention: timedelta | None) -> None:
        """As Index has it."""
        self._trouble.around(lambda: self._index.keep_for(retention))

    def replaced_before(self, before: int) -> list[Block]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.replaced_before(before))

    def purge(self, blocks: Sequence[Block]) -> None:
        """As Index has it."""
        self._trouble.around(lambda: self._index.purge(blocks))

    def entries(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> list[Block]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.entries(tenant, day, ids))

    def live(self, tenant: str, day: date, ids: IdRange = ALL_IDS) -> list[Block]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.live(tenant, day, ids))

    def find(self, tenant: str, start_ns: int, end_ns: int) -> list[Block]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.find(tenant, start_ns, end_ns))

    def catalog(self, tenant: str, start_ns: int, end_ns: int) -> frozenset[CatalogEntry]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.catalog(tenant, start_ns, end_ns))

    def look_up(self, tenant: str, start_ns: int, end_ns: int) -> tuple[list[Block], frozenset[CatalogEntry]]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.look_up(tenant, start_ns, end_ns))

    def tenants(self) -> list[str]:
        """As Index has it."""
        return self._trouble.around(self._index.tenants)

    def summary(self) -> list[DaySummary]:
        """As Index has it."""
        return self._trouble.around(self._index.summary)

    def expire(self, before: date, tenants: Collection[str] | None = None) -> list[Block]:
        """As Index has it."""
        return self._trouble.around(lambda: self._index.expire(before, tenants))

    def begin_merge(self, merge: MergeKey) -> None:
        """As Index has it."""
        self._trouble.around(lambda: self._index.begin_merge(merge))

    def end_merge(self, merge: MergeKey, failure: str = "") -> None:
        """As Index has it."""
        self._trouble.around(lambda: self._index.end_merge(merge, failure))

    def unfinished_merges(self) -> list[UnfinishedMerge]:
        """As Index has it."""
        return self._trouble.around(self._index.unfinished_merges)

    def unready_reason(self) -> str | None:
        """As Index has it."""
        return self._index.unready_reason()

    def close(self) -> None:
        """As Index has it."""
        self._index.close()
