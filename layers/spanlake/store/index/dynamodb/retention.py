"""The time to live of what is in a DynamoDB index, set anew when the retention has changed.

An item says when it expires as it is written. Without this, a retention that is raised would not keep what is there.
"""

from collections.abc import Iterable
from datetime import timedelta

from spanlake.store.index.dynamodb.days import Days, expiry
from spanlake.store.index.dynamodb.items import PRESENT, Item, Update, is_block, key_of
from spanlake.store.index.dynamodb.replacements import BLOCK_SPARE_DAYS
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import DAY_ITEM, EXPIRES, TOMBSTONE, listed_day_key, partition


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
