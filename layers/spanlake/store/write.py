"""Span tables made into blocks: one for each UTC day on which a span of the table starts."""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.store.attributes import catalog_entries
from spanlake.store.blocks import bloom
from spanlake.store.blocks.trace_columns import with_facts_of_fresh
from spanlake.store.days import MAX_NS, utc_day
from spanlake.store.index.base import Block, CatalogEntry

_START = "start_time_unix_nano"


@dataclass(frozen=True, slots=True)
class FreshBlock:
    """A block that is not stored yet."""

    block: Block
    data: pa.Buffer  # the Parquet file
    catalog: frozenset[CatalogEntry]


def write_table(tenant: str, table: pa.Table, content_hash: bytes, now_ns: int) -> Iterator[FreshBlock]:
    """Make the blocks of a span table whose spans are valid, one at a time, with the order of the rows kept.

    The hash stands for the content: the same hash gives blocks of the same ids. Raises ValueError for an id that is
    not 16 or 8 bytes long.
    """
    from spanlake.store.blocks.parquet import encode  # drags in pyarrow.parquet

    for day, spans in _by_day(table):
        data = encode(with_facts_of_fresh(spans))
        block = _describe(tenant, day, spans, content_hash, data, now_ns)
        yield FreshBlock(block, data, catalog_entries(spans))


def block_id(tenant: str, day: date, content_hash: bytes) -> str:
    """The id of a block, the same whenever the same content is stored for a tenant and a day: 32 hex digits."""
    text = f"{tenant}\n{day.isoformat()}\n".encode()  # neither holds a line break
    return hashlib.blake2b(text + content_hash, digest_size=16).hexdigest()


def checksum(data: pa.Buffer | bytes) -> int:
    """The CRC-32 of a block's object, as Parquet has it of pages."""
    return zlib.crc32(data)


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


def latest_end(spans: pa.Table) -> int:
    """The latest end, no later than an int64 can tell; spans that end before they start end when they start."""
    start: Array = spans[_START]
    room = pc.subtract(_i64(MAX_NS), pc.max_element_wise(start, _i64(0)))
    length = pc.max_element_wise(pc.min_element_wise(spans["duration_nano"], room), _i64(0))
    return int(pc.max(pc.add(start, length)).as_py())


def _by_day(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """The rows of each UTC day, days in order."""
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


def _i64(value: int) -> pa.Int64Scalar:
    return pa.scalar(value, pa.int64())
