"""Time to live in a DynamoDB index, set anew when the retention has changed; and deleted traces by time.

Deleted traces are recorded by tenant and time, so that what is sent again is stored again.
"""

import time
from collections.abc import Iterable
from datetime import timedelta

from spanlake.store.index.dynamodb.days import Days, expiry
from spanlake.store.index.dynamodb.items import PRESENT, Item, Update, is_block, key_of
from spanlake.store.index.dynamodb.replacements import BLOCK_SPARE_DAYS
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import DAY_ITEM, DELETED, EXPIRES, TOMBSTONE, listed_day_key, partition

_KEPT_SECONDS = 30 * 86_400  # much longer than tombstones


class Deletions:
    """Records and lists the deletions of traces."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def record(self, tenant: str, trace_id: bytes) -> None:
        """Note that a trace is deleted now."""
        now = time.time_ns()
        expires = self._requests.now() + _KEPT_SECONDS
        self._requests.put([{"pk": _partition(tenant), "sk": f"{_moment(now)}#{trace_id.hex()}", EXPIRES: expires}])

    def since(self, tenant: str, since_ns: int) -> dict[bytes, int]:
        """Traces that were deleted at or after a time, with the time of the last deletion of each, in nanoseconds."""
        found = {}
        for item in self._requests.query(_partition(tenant), since=_moment(since_ns)):
            moment, _, trace_id = item["sk"].partition("#")
            found[bytes.fromhex(trace_id)] = int(moment)
        return found


def _partition(tenant: str) -> str:
    return f"{DELETED}{tenant}"


def _moment(ns: int) -> str:
    return f"{max(ns, 0):020d}"


def renew(requests: Requests, days: Days, tenants: Iterable[str], retention: timedelta | None) -> int:
    """Give all blocks, days and catalogs the time to live of this retention; returns how many items changed."""
    changed = 0
    for tenant in tenants:
        for day in days.listed(tenant):
            life, of_blocks = expiry(day, retention), expiry(day, retention, spare_days=BLOCK_SPARE_DAYS)
            for item in requests.query(partition(tenant, day)):
                if not _is_tombstone(item):
                    changed += _renew(requests, item, of_blocks if is_block(item) else life)
            changed += requests.update(_update(listed_day_key(tenant, day), life, "reach_ns"))
    return changed


def _is_tombstone(item: Item) -> bool:
    return str(item["sk"]).startswith(TOMBSTONE) and not is_block(item)


def _renew(requests: Requests, item: Item, life: dict[str, int]) -> int:
    if "forgotten" in item or item.get(EXPIRES) == life.get(EXPIRES):
        return 0
    present = "start_ns" if is_block(item) else "begun" if item["sk"] == DAY_ITEM else "scope"
    return int(requests.update(_update(key_of(item), life, present)))


def _update(key: tuple[str, str], life: dict[str, int], present: str) -> Update:
    """Sets the time to live of an item, unless it is gone meanwhile."""
    return Update(key, put=life, remove=() if life else (EXPIRES,), where=((PRESENT, present),))
