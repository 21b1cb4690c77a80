"""Looks up days in a DynamoDB index: their blocks and attributes, by one query a day."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from spanlake.store import aws_client
from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.days import MAX_NS, utc_day
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.base import ALL_IDS, IdRange
from spanlake.store.index.dynamodb.days import Days, is_begun
from spanlake.store.index.dynamodb.items import Item, is_entry, is_live, is_there, to_block, to_entry
from spanlake.store.index.dynamodb.replacements import Replacements
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import DAY_ITEM, TOMBSTONE, partition

_THREADS = 8
_FEW_DAYS = 3  # are asked for without reading the list of days first


@dataclass(frozen=True)
class Day:
    """The result of one query for a day."""

    begun: bool
    reached_ns: int  # up to when spans of earlier days last
    live: tuple[Block, ...]
    catalog: frozenset[CatalogEntry]


class Lookup:
    """Reads days of tenants, several at once."""

    def __init__(self, requests: Requests, days: Days, replacements: Replacements) -> None:
        self._requests = requests
        self._days = days
        self._replacements = replacements
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="index")

    def days(self, tenant: str, start: int, end: int) -> list[Day]:
        """Return the days whose blocks may touch a range, and perhaps others."""
        first, last = utc_day(start), utc_day(end)
        near = [first + timedelta(number) for number in range((last - first).days + 1)[:_FEW_DAYS]]
        if not near or near[-1] != last:
            return self._read(tenant, self._reaching(tenant, start, last))
        days = self._read(tenant, near)
        if days[0].begun and days[0].reached_ns < start:
            return days
        earlier = [day for day in self._reaching(tenant, start, last) if day < first]
        return [*self._read(tenant, earlier), *days]

    def _reaching(self, tenant: str, start: int, last: date) -> list[date]:
        """Return the days up to the last one whose blocks may reach a time."""
        return [day for day, reach in self._days.listed(tenant).items() if day <= last and reach >= start]

    def _read(self, tenant: str, days: Sequence[date]) -> list[Day]:
        if len(days) == 1:
            return [self._read_day(tenant, days[0])]
        contexts = [copy_context() for _ in days]  # of which the time limit is a part
        return list(self._threads.map(lambda context, day: context.run(self._read_day, tenant, day), contexts, days))

    def _read_day(self, tenant: str, day: date) -> Day:
        items = self._items(tenant, day)
        state = next((item for item in items if item["sk"] == DAY_ITEM), None)
        return Day(
            begun=state is not None and is_begun(state),
            reached_ns=state.get("reached_ns", -MAX_NS) if state else -MAX_NS,
            live=tuple(to_block(item) for item in items if is_live(item)),
            catalog=frozenset(to_entry(item) for item in items if is_entry(item)),
        )

    def _items(self, tenant: str, day: date) -> Sequence[Item]:
        """Return the items of a day that questions need, with every swap shown whole or not at all."""
        for _ in aws_client.attempts():
            found = [item for item in self._requests.query(partition(tenant, day), below=TOMBSTONE) if is_there(item)]
            if not self._replacements.is_torn(found):
                return found
        raise StorageUnavailable(f"blocks of the index table {self._requests.table} are being replaced: try again")

    def close(self) -> None:
        """End the threads that ask for several days at once."""
        self._threads.shutdown()


_AFTER_IDS = "$"  # follows the # that stands before every id


def in_range(
    requests: Requests, where: str, ids: IdRange, names: Sequence[str] = (), *, archived: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield the items of blocks in a day's partition, and those of archived blocks and tombstones if so wanted.

    Blocks that are not archived come first: one that is archived meanwhile is in both places before it leaves the
    first. So an item may come twice.
    """
    if ids == ALL_IDS:
        yield from requests.query(where, below=DAY_ITEM, names=names)
        if archived:
            yield from requests.query(where, begins=TOMBSTONE, names=names)
        return
    for kind in ("", TOMBSTONE) if archived else ("",):
        for level in _levels(requests, where, kind):
            yield from requests.query(where, between=(f"{level}#{ids[0]}", f"{level}#{ids[1]}"), names=names)


def _levels(requests: Requests, where: str, kind: str) -> Iterator[str]:
    """Yield what stands before the ids of each level that there is, one request a level."""
    after, end = f"{kind}0", f"{kind}:"
    while (found := next(requests.query(where, between=(after, end), names=("sk",), most=1), None)) is not None:
        level = str(found["sk"]).partition("#")[0]
        yield level
        after = f"{level}{_AFTER_IDS}"
