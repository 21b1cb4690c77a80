"""The entry of a block, made from its object alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.spans.columns import attribute_columns
from spanlake.store.blocks import bloom
from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.blocks.describe import catalog_entries, checksum, latest_end
from spanlake.store.blocks.paths import BlockPath
from spanlake.store.blocks.schema import UNREADABLE, Lineage, from_parquet
from spanlake.store.blocks.trace_columns import BEFORE_FORMAT_3, CHILD_COUNT
from spanlake.store.errors import StorageCorrupt
from spanlake.store.objects.base import ObjectInfo, Objects

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_READ = ("trace_id", "start_time_unix_nano", "duration_nano")
_NESTED = ("resource_rest", "span_rest", "scope_rest", "events", "links")  # the catalog has to know what is in them


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """The facts of a block that its object alone gives."""

    block: Block
    catalog: frozenset[CatalogEntry]
    lineage: Lineage | None  # None of fresh blocks, and of those that an older version merged
    trace_ids: Array  # each once
    may_be_merged: bool  # false for certain of small fresh blocks


def read_facts(objects: Objects, info: ObjectInfo) -> BlockFacts:
    """Read a block from end to end and describe it; checksums of pages are compared.

    Raises ObjectNotFound, StorageUnavailable, and StorageCorrupt, which names the block, when it is damaged.
    """
    path = BlockPath.parse(info.path)
    if path is None:
        raise StorageCorrupt(f"{info.path} is not the path of a block")
    data = objects.get(info.path)
    try:
        return _facts(path, info, data)
    except UNREADABLE as error:
        raise StorageCorrupt(f"the block {info.path} is damaged: {error}") from error


def check_content(block: Block, data: bytes) -> None:
    """Compare the content of an object with the block's entry, and read all of it; raises StorageCorrupt."""
    try:
        file = open_block(data)
        rows = sum(file.read_row_group(number).num_rows for number in range(file.num_row_groups))
    except UNREADABLE as error:
        raise StorageCorrupt(f"the block {block.path} is damaged: {error}") from error
    if rows != block.spans:
        raise StorageCorrupt(f"the block {block.path} holds {rows} spans, its entry says {block.spans}")
    check_checksum(block, data)


def check_checksum(block: Block, data: bytes) -> None:
    """Raise StorageCorrupt where the content of an object is not what its block's entry says."""
    if block.checksum is not None and checksum(data) != block.checksum:
        raise StorageCorrupt(f"the block {block.path} is damaged: its checksum is not that of its index entry")


def open_block(data: bytes) -> "pq.ParquetFile":
    """Return the Parquet file of a block, whose checksums are compared when it is read.

    Raises as pyarrow and from_parquet.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    from_parquet(file.schema_arrow.names, file.metadata.metadata or {})
    return file


def _facts(path: BlockPath, info: ObjectInfo, data: bytes) -> BlockFacts:
    file = open_block(data)
    metadata = file.metadata.metadata or {}
    schema = from_parquet(file.schema_arrow.names, metadata)
    lineage = Lineage.of(metadata)
    groups = list(_groups(file, schema))
    if not groups:
        raise StorageCorrupt("it holds no spans")
    trace_ids = pc.unique(pa.concat_arrays([pc.unique(group["trace_id"].combine_chunks()) for group in groups]))
    columns = {CatalogEntry(str(column.scope), column.key, str(column.type)) for column in attribute_columns(schema)}
    return BlockFacts(
        _block(path, info, data, file.metadata, lineage, groups, bloom.build(trace_ids)),
        frozenset(columns).union(*map(_nested_entries, groups)),
        lineage,
        trace_ids,
        may_be_merged(metadata, schema.names),
    )


def _block(
    path: BlockPath,
    info: ObjectInfo,
    data: bytes,
    footer: "pq.FileMetaData",
    lineage: Lineage | None,
    groups: Sequence[pa.Table],
    trace_filter: bytes,
) -> Block:
    return Block(
        tenant=path.tenant,
        date=path.date,
        id=path.id,
        level=lineage.level if lineage else 0,
        start_ns=min(pc.min(group["start_time_unix_nano"]).as_py() for group in groups),
        end_ns=max(latest_end(group) for group in groups),
        spans=footer.num_rows,
        size=len(data),
        created_ns=lineage.created_ns if lineage else int(info.modified.timestamp() * 10**9),
        trace_filter=trace_filter,
        uncompressed_size=sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups)),
        checksum=checksum(data),
    )


def may_be_merged(metadata: Mapping[bytes, bytes], columns: Iterable[str]) -> bool:
    """False for certain of small fresh blocks, by what the footer of a block says."""
    noted = {CHILD_COUNT, *BEFORE_FORMAT_3.names}
    is_old = metadata.get(b"spanlake.format") == b"1"
    return is_old or Lineage.of(metadata) is not None or not noted.isdisjoint(columns)


def _groups(file: "pq.ParquetFile", schema: pa.Schema) -> Iterator[pa.Table]:
    names = [name for name in schema.names if name in {*_READ, *_NESTED}]
    for number in range(file.num_row_groups):
        table = file.read_row_group(number, columns=names)
        if table.num_rows:
            yield table


def _nested_entries(group: pa.Table) -> frozenset[CatalogEntry]:
    table = group
    for name in _NESTED:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return catalog_entries(table)
