"""Access to the content of blocks, for queries and tools."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from spanlake.store.blocks.block import Block
from spanlake.store.blocks.schema import UNREADABLE, from_parquet
from spanlake.store.errors import StorageCorrupt
from spanlake.store.objects.base import Objects

if TYPE_CHECKING:
    import pyarrow.parquet as pq


def uris(objects: Objects, blocks: Iterable[Block]) -> list[str]:
    """Name the blocks' objects the way DuckDB's read_parquet reads them, in the order of the blocks."""
    return [objects.uri(block.path) for block in blocks]


def block_schema(objects: Objects, path: str) -> pa.Schema:
    """Return the schema of the span table in a block, read from its footer.

    ``columns.attribute_columns`` tells its attributes.

    Raises ObjectNotFound, StorageUnavailable, and StorageCorrupt when the object is no block of ours.
    """
    metadata = _footer(objects, path)
    try:
        return from_parquet(metadata.schema.to_arrow_schema().names, metadata.metadata or {})
    except StorageCorrupt as error:
        raise StorageCorrupt(f"the block {path} cannot be read: {error}") from error


def block_metadata(objects: Objects, path: str) -> Mapping[bytes, bytes]:
    """Return the key/value metadata of a block; raises as ``block_schema`` does."""
    return _footer(objects, path).metadata or {}


def block_footer(objects: Objects, path: str) -> tuple[Mapping[bytes, bytes], Sequence[str]]:
    """Return the key/value metadata and the columns of a block; raises as ``block_schema`` does."""
    metadata = _footer(objects, path)
    return metadata.metadata or {}, metadata.schema.to_arrow_schema().names


def _footer(objects: Objects, path: str) -> "pq.FileMetaData":
    import pyarrow.parquet as pq

    with objects.open(path) as file:
        try:
            return pq.read_metadata(file)
        except UNREADABLE as error:
            raise StorageCorrupt(f"{path} is not a Parquet file: {error}") from error
