"""Adds blocks to a DynamoDB index, unless they are there or were replaced before."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from spanlake.store.blocks.block import Block
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.base import StoredBefore
from spanlake.store.index.dynamodb.items import Action, Missing, created_ns_of, is_live
from spanlake.store.index.dynamodb.replacements import block_update
from spanlake.store.index.dynamodb.requests import Refused, Requests
from spanlake.store.index.dynamodb.table import block_key, tombstone_key

_TRANSACTION_BLOCKS = 45  # each an update and a condition, of 100 actions
_TRANSACTION_BYTES = 3 << 20  # of 4 MB

# A block is forgotten no sooner than compaction's grace time after it was added. A client that sends spans so young
# can not be retrying after that, so one write will do; for older ones the tombstone is looked for in the same request,
# at four times the price. (A client whose clock is ahead may slip through: compaction drops its duplicates.)
_YOUNG_NS = 300 * 10**9


class Additions:
    """Makes blocks live."""

    def __init__(self, requests: Requests, retention: timedelta | None) -> None:
        self._requests = requests
        self._retention = retention

    def add(self, blocks: Sequence[Block]) -> list[StoredBefore]:
        """Make blocks live, in as few transactions as may be; returns those of which spans may be deleted."""
        return [found for some in transactions(blocks) for found in self._add(some)]

    def _add(self, blocks: Sequence[Block]) -> list[StoredBefore]:
        """Make blocks live in one request, but those that were replaced; returns these, and those that hide spans."""
        refused = self._try_to_add(blocks)
        rest = [block for block in blocks if block not in refused]
        return [*self._stored_before(refused), *(self._add(rest) if refused and rest else [])]

    def _try_to_add(self, blocks: Sequence[Block]) -> list[Block]:
        """Make all of the blocks live, or none and return those that stand in the way."""
        actions = [(block, action) for block in blocks for action in self._addition(block)]
        if len(actions) == 1:
            update = block_update(blocks[0], self._retention, unless_hidden=True)
            return [] if self._requests.update(update) else list(blocks)
        try:
            self._requests.transact([action for _, action in actions])
        except Refused as refused:
            paths = {actions[number][0].path for number in refused.actions}
            return [block for block in blocks if block.path in paths]
        return []

    def _stored_before(self, blocks: Sequence[Block]) -> Iterator[StoredBefore]:
        """Yield blocks that were replaced or hide spans; the entries of live blocks are renewed."""
        for block in blocks:
            keys = block_key(block), tombstone_key(block)  # queried, which whoever adds blocks may do
            items = (next(self._requests.query(pk, begins=sk), None) for pk, sk in keys)
            item = next(filter(None, items), None)
            if item is None:
                raise StorageUnavailable(f"the entry of the block {block.path} expired meanwhile")
            hidden = item.get("hidden", frozenset()) if is_live(item) else None
            if hidden is not None:
                self._requests.update(block_update(block, self._retention))
            yield StoredBefore(block, created_ns_of(item), hidden)

    def _addition(self, block: Block) -> Iterator[Action]:
        yield block_update(block, self._retention, unless_hidden=True)
        if block.end_ns < time.time_ns() - _YOUNG_NS:
            yield Missing(tombstone_key(block))


def transactions(blocks: Sequence[Block]) -> Iterator[Sequence[Block]]:
    """Yield the blocks in as few transactions as may be, nearly always in one."""
    some: list[Block] = []
    size = 0
    for block in blocks:
        if len(some) == _TRANSACTION_BLOCKS or size + len(block.trace_filter) > _TRANSACTION_BYTES:
            yield some
            some, size = [], 0
        some.append(block)
        size += len(block.trace_filter)
    if some:
        yield some
