"""Writes span tables as blocks: the object first, then the index."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.store.blocks import bloom
from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.blocks.demoted import without_columns
from spanlake.store.blocks.describe import catalog_entries, checksum, latest_end
from spanlake.store.blocks.trace_columns import add_trace_columns_to_fresh
from spanlake.store.days import day_range, utc_day
from spanlake.store.index.base import LOST, Index, StoredBefore
from spanlake.store.index.catalog import has_column, standing_for
from spanlake.store.objects.base import Objects

_START = "start_time_unix_nano"


@dataclass(frozen=True, slots=True)
class FreshBlock:
    """A block that is not stored yet."""

    block: Block
    data: pa.Buffer  # the Parquet file
    catalog: frozenset[CatalogEntry]


Beyond = Callable[[str, date, frozenset[CatalogEntry]], frozenset[CatalogEntry]]
"""Returns the entries for which the catalog of a tenant's day has no room (see ``Index.beyond_catalog``)."""


def _all_fit(_tenant: str, _day: date, _entries: frozenset[CatalogEntry]) -> frozenset[CatalogEntry]:
    return frozenset()


def write_table(
    tenant: str, table: pa.Table, content_hash: bytes, now_ns: int, beyond: Beyond = _all_fit
) -> Iterator[FreshBlock]:
    """Make the blocks of a span table whose spans are valid, one at a time, with the order of the rows kept.

    Attributes for which the catalog has no room are in the rest columns.

    The hash stands for the content: the same hash gives blocks of the same ids. Raises ValueError for an id that is
    not 16 or 8 bytes long.
    """
    from spanlake.store.blocks.parquet import encode  # drags in pyarrow.parquet

    for day, whole in _by_day(table):
        every = catalog_entries(whole)
        left = beyond(tenant, day, every)
        spans = without_columns(whole, _columns_of(left)) if left else whole
        data = encode(add_trace_columns_to_fresh(spans))
        block = _describe(tenant, day, spans, content_hash, data, now_ns)
        yield FreshBlock(block, data, (every - left) | standing_for(left))


def _columns_of(entries: frozenset[CatalogEntry]) -> list[AttributeColumn]:
    """Return the columns of these entries, in one order."""
    columns = filter(has_column, entries)
    return sorted(AttributeColumn(Scope(entry.scope), entry.key, ValueType(entry.type)) for entry in columns)


def block_id(tenant: str, day: date, content_hash: bytes) -> str:
    """Return the id of a block, the same whenever the same content is stored for a tenant and a day: 32 hex digits."""
    text = f"{tenant}\n{day.isoformat()}\n".encode()  # neither holds a line break
    return hashlib.blake2b(text + content_hash, digest_size=16).hexdigest()


def _describe(tenant: str, day: date, spans: pa.Table, content_hash: bytes, data: pa.Buffer, now_ns: int) -> Block:
    return Block(
        tenant=tenant,
        date=day,
        id=block_id(tenant, day, content_hash),
        level=0,
        start_ns=pc.min(spans[_START]).as_py(),
        end_ns=latest_end(spans),
        spans=spans.num_rows,
        size=data.size,
        created_ns=now_ns,
        trace_filter=bloom.build(spans["trace_id"]),
        uncompressed_size=spans.get_total_buffer_size(),  # nbytes takes 15 times as long
        checksum=checksum(data),
    )


def _by_day(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """Yield the rows of each UTC day, days in order."""
    if table.num_rows == 0:
        return
    start: Array = table[_START]
    first, last = (utc_day(bound.as_py()) for bound in pc.min_max(start).values())
    if first == last:
        yield first, table
        return
    days = start.cast(pa.timestamp("ns")).cast(pa.date32(), safe=False)
    order = pc.sort_indices(days)
    done = 0
    for day, count in zip(*days.take(order).value_counts().flatten(), strict=True):
        yield day.as_py(), table.take(order.slice(done, count.as_py()))
        done += count.as_py()


ColumnsOf = Callable[[str], int | None]
"""Returns the limit on entries of a day's catalog that a tenant has; None is the usual one."""


def _usual_columns(_tenant: str) -> None:
    return None


def write(
    objects: Objects,
    index: Index,
    tenant: str,
    table: pa.Table,
    content_hash: bytes,
    *,
    received_ns: int | None = None,
    columns_of: ColumnsOf = _usual_columns,
) -> list[Block]:
    """Store the spans of a tenant, durable and found by queries when this returns; the blocks, one a UTC day.

    The hash stands for tenant and requests: writing the same again makes the same blocks. Only the spans of traces
    that were deleted since, and blocks that were removed since, are stored once more, in blocks of their own; of
    requests that were received at ``received_ns``, the spans of traces that were deleted before. When this fails
    nothing is indexed, at most objects without an entry are left behind. Raises StorageUnavailable and ValueError (see
    write_table).
    """
    blocks: list[Block] = []
    catalog: dict[tuple[str, date], frozenset[CatalogEntry]] = {}
    beyond = partial(index.beyond_catalog, most=columns_of(tenant))
    for fresh in write_table(tenant, table, content_hash, time.time_ns(), beyond):
        objects.put(fresh.block.path, fresh.data)
        blocks.append(fresh.block)
        catalog[tenant, fresh.block.date] = fresh.catalog
    if blocks and (stored_before := index.add(blocks, catalog)):
        deleted = _deleted(index, [stored for stored in stored_before if stored.created_ns != LOST], received_ns)
        blocks += write_deleted(objects, index, tenant, table, content_hash, deleted, columns_of=columns_of)
        again = hashlib.sha256(content_hash + b"lost").digest()
        for stored in stored_before:
            if stored.created_ns == LOST:
                blocks += write(objects, index, tenant, _of_day(table, stored.block), again, columns_of=columns_of)
    return blocks


def write_deleted(
    objects: Objects,
    index: Index,
    tenant: str,
    table: pa.Table,
    content_hash: bytes,
    deleted: Mapping[bytes, int],
    *,
    columns_of: ColumnsOf = _usual_columns,
) -> list[Block]:
    """Store those spans again whose traces were deleted after the table was stored; the blocks.

    ``deleted`` has the time of the deletion by trace id. Time and trace are part of the ids of the blocks, so that the
    spans are stored once for each deletion, however often this is repeated. Raises as ``write`` does.
    """
    blocks: list[Block] = []
    for trace_id in _present(table, deleted):
        named = hashlib.sha256(content_hash + trace_id + b"%d" % deleted[trace_id]).digest()
        spans = table.filter(pc.equal(table["trace_id"], pa.scalar(trace_id, table["trace_id"].type)))
        blocks += write(objects, index, tenant, spans, named, columns_of=columns_of)
    return blocks


def _deleted(index: Index, stored_before: Sequence[StoredBefore], before_ns: int | None) -> dict[bytes, int]:
    """Return the traces of which spans in these blocks are deleted, with its time; only those before a time."""
    deleted: dict[bytes, int] = {}
    for stored in stored_before:
        recorded = index.deletions(stored.block.tenant, stored.created_ns)
        if stored.hidden is not None:  # an older version hid traces without a record
            recorded = {trace_id: recorded.get(trace_id, stored.created_ns) for trace_id in stored.hidden}
        deleted |= recorded
    return {trace_id: at for trace_id, at in deleted.items() if before_ns is None or at < before_ns}


def _of_day(table: pa.Table, block: Block) -> pa.Table:
    """Return the spans of a table that are a block's."""
    start = table["start_time_unix_nano"]
    first, last = (pa.scalar(bound, pa.int64()) for bound in day_range(block.date))
    return table.filter(pc.and_(pc.greater_equal(start, first), pc.less_equal(start, last)))


def _present(table: pa.Table, deleted: Mapping[bytes, int]) -> list[bytes]:
    """Return the deleted traces that have spans in a table, in order."""
    if not deleted:
        return []
    trace_ids = pc.unique(table["trace_id"])
    there = trace_ids.filter(pc.is_in(trace_ids, pa.array(deleted, trace_ids.type)))
    return sorted(trace_id for trace_id in there.to_pylist() if trace_id is not None)
