"""Making spans durable: the object first, then the index."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.store.days import day_range
from spanlake.store.index.base import LOST, Block, CatalogEntry, Index, StoredBefore
from spanlake.store.objects.base import Objects
from spanlake.store.write import write_table


def write(objects: Objects, index: Index, tenant: str, table: pa.Table, content_hash: bytes) -> list[Block]:
    """Store the spans of a tenant, durable and found by queries when this returns; the blocks, one a UTC day.

    The hash stands for tenant and requests: writing the same again makes the same blocks. Only the spans of traces
    that were deleted since, and blocks that were removed since, are stored once more, in blocks of their own. When
    this fails nothing is indexed, at most objects without an entry are left behind. Raises StorageUnavailable and
    ValueError (see write_table).
    """
    blocks: list[Block] = []
    catalog: dict[tuple[str, date], frozenset[CatalogEntry]] = {}
    for fresh in write_table(tenant, table, content_hash, time.time_ns()):
        objects.put(fresh.block.path, fresh.data)
        blocks.append(fresh.block)
        catalog[tenant, fresh.block.date] = fresh.catalog
    if blocks:
        stored_before = index.add(blocks, catalog)
        lost = [stored.block for stored in stored_before if stored.created_ns == LOST]
        deleted = _deleted(index, [stored for stored in stored_before if stored.created_ns != LOST])
        blocks += write_deleted(objects, index, tenant, table, content_hash, deleted)
        for block in lost:
            again = hashlib.sha256(content_hash + b"lost").digest()
            blocks += write(objects, index, tenant, _of_day(table, block), again)
    return blocks


def write_deleted(
    objects: Objects, index: Index, tenant: str, table: pa.Table, content_hash: bytes, deleted: Mapping[bytes, int]
) -> list[Block]:
    """Store those spans again whose traces were deleted after the table was stored; the blocks.

    ``deleted`` has the time of the deletion by trace id. Time and trace are part of the ids of the blocks, so that the
    spans are stored once for each deletion, however often this is repeated. Raises as ``write`` does.
    """
    blocks: list[Block] = []
    for trace_id in _present(table, deleted):
        named = hashlib.sha256(content_hash + trace_id + b"%d" % deleted[trace_id]).digest()
        spans = table.filter(pc.equal(table["trace_id"], pa.scalar(trace_id, table["trace_id"].type)))
        blocks += write(objects, index, tenant, spans, named)
    return blocks


def _deleted(index: Index, stored_before: Sequence[StoredBefore]) -> dict[bytes, int]:
    """The traces of which spans in these blocks are deleted, with the time of the deletion."""
    deleted: dict[bytes, int] = {}
    for stored in stored_before:
        recorded = index.deletions(stored.block.tenant, stored.created_ns)
        if stored.hidden is not None:  # an older version hid traces without a record
            recorded = {trace_id: recorded.get(trace_id, stored.created_ns) for trace_id in stored.hidden}
        deleted |= recorded
    return deleted


def _of_day(table: pa.Table, block: Block) -> pa.Table:
    """The spans of a table that are a block's."""
    start = table["start_time_unix_nano"]
    first, last = (pa.scalar(bound, pa.int64()) for bound in day_range(block.date))
    return table.filter(pc.and_(pc.greater_equal(start, first), pc.less_equal(start, last)))


def _present(table: pa.Table, deleted: Mapping[bytes, int]) -> list[bytes]:
    """The deleted traces that have spans in a table, in order."""
    if not deleted:
        return []
    trace_ids = pc.unique(table["trace_id"])
    there = trace_ids.filter(pc.is_in(trace_ids, pa.array(deleted, trace_ids.type)))
    return sorted(trace_id for trace_id in there.to_pylist() if trace_id is not None)
