"""Reads the spans of a tenant as OTLP messages, a few thousand at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.spans.arrow import Array
from spanlake.spans.otlp.encode import to_otlp
from spanlake.store.blocks.block import Block, arrival_order
from spanlake.store.blocks.entry import check_checksum
from spanlake.store.blocks.schema import UNREADABLE, from_parquet
from spanlake.store.days import MAX_NS, MIN_NS, day_range, utc_day
from spanlake.store.errors import ObjectNotFound, StorageCorrupt, StorageUnavailable
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_WHOLE = 1 << 20  # bytes of an object that is read at once


@dataclass(frozen=True, slots=True)
class MessageSize:
    """Bounds of one message: spans, and their bytes before compression."""

    spans: int = 4096
    bytes: int = 16 << 20


_USUAL_SIZE = MessageSize()


@dataclass(frozen=True, slots=True)
class Selection:
    """Spans of a tenant that start in a range of Unix nanoseconds, bounds included; of some traces, unless of all."""

    tenant: str
    start_ns: int = MIN_NS
    end_ns: int = MAX_NS
    trace_ids: Array | None = None  # binary of 16 bytes each


@dataclass(frozen=True, slots=True)
class Exported:
    """Spans of one block."""

    traces: TracesData
    spans: int
    rows_read: int  # of the block, to have found them


def export(objects: Objects, index: Index, selection: Selection, size: MessageSize = _USUAL_SIZE) -> Iterator[Exported]:
    """Read the selected spans, day after day, those of a block in its order; deleted traces are left out.

    Memory is bounded: by one row group of a block, and one message. A span that is stored twice comes twice, and so
    may one whose block is replaced by compaction meanwhile; none is left out. Raises StorageUnavailable and
    StorageCorrupt.
    """
    for day in _days(index, selection):
        yield from _export_day(objects, index, selection, day, size)


def _days(index: Index, selection: Selection) -> list[date]:
    first, last = utc_day(selection.start_ns), utc_day(selection.end_ns)
    days = {day.date for day in index.summary() if day.tenant == selection.tenant}
    return sorted(day for day in days if first <= day <= last)


def _export_day(
    objects: Objects, index: Index, selection: Selection, day: date, size: MessageSize
) -> Iterator[Exported]:
    done: set[str] = set()
    while pending := [block for block in _blocks(index, selection, day) if block.id not in done]:
        for block in pending:
            try:
                yield from _export_block(objects, block, selection, size)
            except ObjectNotFound:
                if block in _blocks(index, selection, day):
                    raise StorageUnavailable(f"the block {block.path} is live, but its object is gone") from None
                break  # another block has replaced it
            done.add(block.id)


def _blocks(index: Index, selection: Selection, day: date) -> list[Block]:
    """Live blocks of a day with spans in the range."""
    start, end = day_range(day)
    blocks = index.find(selection.tenant, max(start, selection.start_ns), min(end, selection.end_ns))
    return sorted((block for block in blocks if block.date == day), key=arrival_order)


def _export_block(objects: Objects, block: Block, selection: Selection, size: MessageSize) -> Iterator[Exported]:
    import pyarrow.parquet as pq

    with _opened(objects, block) as source:
        try:
            file = pq.ParquetFile(source, page_checksum_verification=True)
            schema = from_parquet(file.schema_arrow.names, file.metadata.metadata or {})
            for batch in file.iter_batches(_rows(block, file.metadata, size), use_threads=False):
                yield _exported(pa.Table.from_batches([batch]).cast(schema), block, selection)
        except UNREADABLE as error:
            raise StorageCorrupt(f"the block {block.path} cannot be read: {error}") from error


def _opened(objects: Objects, block: Block) -> pa.NativeFile:
    """Return the object; a fresh or small one is compared with its checksum, pages of others are."""
    if block.level and block.size > _WHOLE:
        return objects.open(block.path)
    data = objects.get(block.path)
    check_checksum(block, data)
    return pa.BufferReader(data)


def _rows(block: Block, metadata: "pq.FileMetaData", most: MessageSize) -> int:
    """Return the number of spans to read at a time."""
    groups = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    size = max(groups, block.uncompressed_size, 1)
    return max(1, min(most.spans, most.bytes * metadata.num_rows // size))


def _exported(table: pa.Table, block: Block, selection: Selection) -> Exported:
    spans = table.filter(_is_selected(table, block, selection))
    used = [name for name in spans.column_names if spans[name].null_count < spans.num_rows]
    return Exported(to_otlp(spans.select(used)), spans.num_rows, table.num_rows)


def _is_selected(table: pa.Table, block: Block, selection: Selection) -> Array:
    start: Array = table["start_time_unix_nano"]
    found: Array = pc.and_(
        pc.greater_equal(start, pa.scalar(selection.start_ns, pa.int64())),
        pc.less_equal(start, pa.scalar(selection.end_ns, pa.int64())),
    )
    if selection.trace_ids is not None:
        found = pc.and_(found, pc.is_in(table["trace_id"], value_set=selection.trace_ids))
    if block.hidden:
        hidden = pa.array(sorted(block.hidden), pa.binary())
        found = pc.and_(found, pc.invert(pc.is_in(table["trace_id"], value_set=hidden)))
    return found
