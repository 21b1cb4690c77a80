"""Blocks of a DynamoDB index that were replaced: swapped for others, retired, archived, in the end forgotten.

A retired block stands where it was live, so that a client that repeats its request within minutes cannot make it live
again by a plain conditional write. When no client can do that any more it is archived: it moves to where its tombstone
will be, which queries do not read. Its object is still kept, for a table that is restored to an earlier moment.

A query of DynamoDB is not isolated from a transaction: for a moment it may show a swap in part, blocks as replaced and
not yet what took their place. So a retired block names what took its place, and a reader that does not find it reads
again.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Any

from spanlake.store.blocks.block import Block
from spanlake.store.errors import IndexConflict, StorageUnavailable
from spanlake.store.index.base import LOST, MergeKey, UnfinishedMerge
from spanlake.store.index.dynamodb.days import expiry
from spanlake.store.index.dynamodb.items import (
    ABSENT,
    PRESENT,
    Item,
    Update,
    created_ns_of,
    is_block,
    is_live,
    key_of,
    lasting,
    renewed,
    to_block,
)
from spanlake.store.index.dynamodb.requests import Refused, Requests
from spanlake.store.index.dynamodb.table import (
    ARCHIVED,
    EXPIRES,
    MERGES,
    RETIRED,
    Key,
    archived_key,
    block_key,
    tombstone_key,
)

_TOMBSTONE_SECONDS = 3 * 86_400
_SWAPS_AT_ONCE = 50

SWAP_SECONDS = 60
"""Much longer than a transaction takes."""

BLOCK_SPARE_DAYS = 4
"""Days that entries stay beyond the retention: maintenance removes them before, the bucket removes objects later."""

IS_LIVE = ((PRESENT, "start_ns"), (ABSENT, "replaced"))


class Replacements:
    """Replaces blocks, and remembers those that were."""

    def __init__(self, requests: Requests, retention: timedelta | None, swap_seconds: int = SWAP_SECONDS) -> None:
        self._requests = requests
        self._retention = retention
        self._swap_seconds = swap_seconds

    def swap(self, added: Sequence[Block], removed: Sequence[Block], *, lost: bool = False) -> None:
        """Swap blocks in one transaction, of one action a block; raises IndexConflict."""
        now = self._requests.now()
        by = frozenset(block_key(block)[1] for block in added)
        actions = [_retirement(block, now, by, lost=lost) for block in removed]
        actions += [block_update(block, self._retention) for block in added]
        if removed:
            actions.append(_record(removed, now))
        try:
            self._requests.transact(actions)
        except Refused:
            self._excuse(added, removed)

    def is_torn(self, items: Sequence[Item]) -> bool:
        """True where the items of a day show a swap in part, which was carried out a moment ago."""
        there = {item["sk"] for item in items}
        unseen = {(item["pk"], name): item for item in items for name in item.get("by", ()) if name not in there}
        if not unseen:
            return False
        moved = self._requests.get(map(archived_key, unseen))  # archived or forgotten before what it has replaced
        latest = max((item["replaced"] for key, item in unseen.items() if archived_key(key) not in moved), default=0)
        return bool(latest) and self._requests.now() - latest < self._swap_seconds

    def archive_before(self, before: int) -> None:
        """Move blocks that were replaced before this second to where queries do not read them.

        What is needed stands in both places for a moment, and nothing is lost when this ends at any instant.
        """
        swaps = iter(list(self._requests.query(RETIRED, below=_moment(before))))
        while some := list(islice(swaps, _SWAPS_AT_ONCE)):
            keys = [_parsed(text) for swap in some for text in swap["blocks"]]
            items = [item for item in self._requests.get(keys).values() if item.get("replaced", before) < before]
            self._requests.put(item | {"sk": archived_key(key_of(item))[1]} for item in items)
            self._requests.put(swap | {"pk": ARCHIVED} for swap in some)
            self._requests.delete(map(key_of, items))
            self._requests.delete(map(key_of, some))

    def replaced_before(self, before: int) -> list[Block]:
        """Blocks that were replaced before this second and are not forgotten, archived or not."""
        retired = self._in_swaps(RETIRED, before, lambda key: key)
        return list(
            {block.path: block for block in [*retired, *self._in_swaps(ARCHIVED, before, archived_key)]}.values()
        )

    def _in_swaps(self, where: str, before: int, place: Callable[[Key], Key]) -> list[Block]:
        """Blocks of the swaps in a partition; swaps of which no block is left are forgotten."""
        swaps = list(self._requests.query(where, below=_moment(before)))
        keys = {key_of(swap): [place(_parsed(text)) for text in swap["blocks"]] for swap in swaps}
        found = self._requests.get(key for blocks in keys.values() for key in blocks)
        # Without a tombstone, a block that was forgotten may be live again, or replaced again a moment ago.
        items = {key: item for key, item in found.items() if is_block(item) and item.get("replaced", before) < before}
        self._requests.delete(swap for swap, blocks in keys.items() if items.keys().isdisjoint(blocks))
        return [to_block(item) for item in items.values()]

    def purge(self, blocks: Iterable[Block]) -> None:
        """Leave nothing but tombstones of retired and archived blocks."""
        places = {key: block for block in blocks for key in (block_key(block), tombstone_key(block))}
        gone = {key: item for key, item in self._requests.get(places).items() if "replaced" in item}
        expires = self._requests.now() + _TOMBSTONE_SECONDS
        tombstones = [_tombstone(places[key], created_ns_of(item), expires) for key, item in gone.items()]
        self._requests.put({key_of(item): item for item in tombstones}.values())
        self._requests.delete(key for key in gone if key == block_key(places[key]))

    def _excuse(self, added: Sequence[Block], removed: Sequence[Block]) -> None:
        """Return if the swap has been done before; raise what was wrong with it otherwise."""
        keys = [*map(block_key, (*added, *removed)), *map(tombstone_key, added)]
        items = self._requests.get(keys)
        live = {key: item for key, item in items.items() if is_live(item)}
        known = all(block_key(block) in items or tombstone_key(block) in items for block in added)
        if known and live.keys().isdisjoint(map(block_key, removed)):
            return
        for block in removed:
            _check(block, live.get(block_key(block)))
        raise StorageUnavailable("others have swapped the same blocks, or put them back")


def block_update(block: Block, retention: timedelta | None, *, unless_hidden: bool = False) -> Update:
    """Make a block live, or renews the entry of one that is; not if it is retired, or hides spans if so wanted."""
    where = [(ABSENT, "replaced"), *([(ABSENT, "hidden")] if unless_hidden else [])]
    values = {**renewed(block), **expiry(block.date, retention, spare_days=BLOCK_SPARE_DAYS)}
    return Update(block_key(block), put=values, once=lasting(block), where=where)


def _tombstone(block: Block, created_ns: int, expires: int) -> dict[str, Any]:
    pk, sk = tombstone_key(block)
    return {"pk": pk, "sk": sk, "created_ns": created_ns, EXPIRES: expires}


def not_live(block: Block) -> IndexConflict:
    """Return the error that names a block which should be live."""
    return IndexConflict(f"the block {block.path} is not live")


def _retirement(block: Block, now: int, by: frozenset[str], *, lost: bool) -> Update:
    """Retires a block. What no one asks of it any more goes, since questions about its day still read it."""
    hidden = {"hidden": block.hidden} if block.hidden else {}
    where = IS_LIVE if block.hidden else (*IS_LIVE, (ABSENT, "hidden"))
    gone = ("trace_filter", "hidden")
    put = {"replaced": now} | ({"by": by} if by else {}) | ({"created_ns": LOST} if lost else {})
    return Update(block_key(block), put=put, remove=gone, where=where, equal=hidden)


def _record(removed: Sequence[Block], now: int) -> Update:
    blocks = frozenset(" ".join(block_key(block)) for block in removed)
    return Update((RETIRED, f"{_moment(now)}#{secrets.token_hex(8)}"), put={"blocks": blocks})


def _moment(second: int) -> str:
    return f"{max(second, 0):012d}"


def _parsed(text: str) -> Key:
    pk, _, sk = text.partition(" ")
    return pk, sk


def _check(block: Block, item: dict[str, Any] | None) -> None:
    if item is None:
        raise not_live(block)
    if item.get("hidden", frozenset()) != block.hidden:
        raise IndexConflict(f"the block {block.path} hides other traces by now")


_KEPT_SECONDS = 30 * 86_400
_LONGEST_REASON = 1000  # characters


class Merges:
    """Counts the attempts at merges that have not ended; safe to share between threads."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def begin(self, merge: MergeKey) -> None:
        """Count an attempt."""
        now = int(time.time())
        put = {"seconds": now, EXPIRES: now + _KEPT_SECONDS}
        self._requests.update(Update(_key(merge), put=put, add={"attempts": 1}))

    def end(self, merge: MergeKey, failure: str) -> None:
        """Forget the attempts, or record why the last one failed."""
        if failure:
            put = {"seconds": int(time.time()), "reason": failure[:_LONGEST_REASON]}
            self._requests.update(Update(_key(merge), put=put))
        else:
            self._requests.delete([_key(merge)])

    def unfinished(self) -> list[UnfinishedMerge]:
        """Return all merges that have begun and have not ended."""
        return [
            UnfinishedMerge(_merge(item["sk"]), item.get("attempts", 0), item.get("reason", ""), item["seconds"])
            for item in self._requests.query(MERGES)
        ]


def _key(merge: MergeKey) -> Key:
    return MERGES, f"{merge.tenant}#{merge.date.isoformat()}#{merge.id}"


def _merge(name: str) -> MergeKey:
    tenant, day, id_ = name.split("#")
    return MergeKey(tenant, date.fromisoformat(day), id_)
