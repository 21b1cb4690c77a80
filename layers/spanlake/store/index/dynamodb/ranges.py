"""Blocks and tombstones of a day in a DynamoDB index, those of a range of ids."""

from collections.abc import Iterator, Sequence
from typing import Any

from spanlake.store.index.base import ALL_IDS, IdRange
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import DAY_ITEM, TOMBSTONE

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
