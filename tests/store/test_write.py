"""Writing: the object first, then the index; what fails leaves nothing that a query could stumble over."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.httpfs import HttpfsCredentials
from spanlake.spans.columns import attribute_columns
from spanlake.store.blocks.block import Block
from spanlake.store.blocks.reader import block_schema, uris
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.errors import ObjectNotFound, StorageCorrupt, StorageUnavailable
from spanlake.store.index.base import Catalog, Index, StoredBefore
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from spanlake.store.objects.s3 import S3Objects
from spanlake.store.write import write
from tests.store.tables import HOUR, NOON, STATUS, busy_table, span_table

OVER_MIDNIGHT = [{"start_time_unix_nano": NOON}, {"start_time_unix_nano": NOON + 24 * HOUR}]


class FullAfter(LocalObjects):
    """Objects on a disk that is full after some puts."""

    def __init__(self, root: Path, puts: int) -> None:
        super().__init__(root)
        self.left = puts

    def put(self, path: str, data: bytes | pa.Buffer) -> None:
        self.left -= 1
        if self.left < 0:
            raise StorageUnavailable("no space left on device")
        super().put(path, data)


class Throttled(SqliteIndex):
    """An index that refuses to be written to."""

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> list[StoredBefore]:  # noqa: ARG002, the interface's names
        raise StorageUnavailable("slow down")


def found(index: Index) -> list[Block]:
    return index.find("a", MIN_NS, MAX_NS)


def test_what_was_written_is_indexed_and_readable(objects: Objects, index: Index, tmp_path: Path) -> None:
    table = busy_table(90)
    blocks = write(objects, index, "a", table, b"content")
    assert found(index) == blocks
    assert {entry.key for entry in index.catalog("a", NOON, NOON)} >= {"http.method", "service.name"}
    duck = DuckDB([str(tmp_path)], remote=HttpfsCredentials(objects) if isinstance(objects, S3Objects) else None)
    query = f"SELECT span_id FROM read_parquet({uris(objects, blocks)})"
    spans = duck.execute(query, duck.session().check)
    duck.close()
    assert spans["span_id"].to_pylist() == table["span_id"].to_pylist()


def test_a_batch_over_midnight_is_indexed_as_a_whole(objects: Objects, index: Index) -> None:
    blocks = write(objects, index, "a", span_table(OVER_MIDNIGHT, {STATUS: [200, 201]}), b"content")
    assert len(blocks) == 2
    assert found(index) == blocks[::-1]
    assert [info.path for info in objects.list()] == sorted(block.path for block in blocks)


def test_nothing_to_write(objects: Objects, index: Index) -> None:
    assert write(objects, index, "a", span_table([]), b"content") == []
    assert list(objects.list()) == []
    assert index.tenants() == []


def test_a_retry_changes_nothing(objects: Objects, index: Index) -> None:
    table = span_table(OVER_MIDNIGHT)
    first = write(objects, index, "a", table, b"content")
    second = write(objects, index, "a", table, b"content")
    assert [block.id for block in first] == [block.id for block in second]
    assert found(index) == first[::-1]
    assert len(list(objects.list())) == 2


@pytest.mark.parametrize("puts", [0, 1])
def test_without_all_its_objects_nothing_is_indexed(tmp_path: Path, index: Index, puts: int) -> None:
    with pytest.raises(StorageUnavailable):
        write(FullAfter(tmp_path, puts), index, "a", span_table(OVER_MIDNIGHT), b"content")
    assert found(index) == []


def test_what_the_index_refused_can_be_written_again(tmp_path: Path) -> None:
    objects, table = LocalObjects(tmp_path / "objects"), span_table(OVER_MIDNIGHT)
    with pytest.raises(StorageUnavailable):
        write(objects, Throttled(tmp_path / "index.db"), "a", table, b"content")
    index = SqliteIndex(tmp_path / "index.db")
    assert found(index) == []
    blocks = write(objects, index, "a", table, b"content")
    assert found(index) == blocks[::-1]
    assert len(list(objects.list())) == 2


def test_the_schema_of_a_block_tells_its_attributes(objects: Objects, index: Index) -> None:
    table = busy_table(9)
    (block,) = write(objects, index, "a", table, b"content")
    schema = block_schema(objects, block.path)
    assert attribute_columns(schema) == attribute_columns(table.schema)
    assert all(schema.field(name).type == table.schema.field(name).type for name in schema.names)


def test_the_schema_of_what_is_no_block(objects: Objects) -> None:
    objects.put("text", b"this is not Parquet")
    objects.put("nothing", b"")
    with pytest.raises(StorageCorrupt, match="text is not a Parquet file"):
        block_schema(objects, "text")
    with pytest.raises(StorageCorrupt, match="nothing is not a Parquet file"):
        block_schema(objects, "nothing")
    with pytest.raises(ObjectNotFound):
        block_schema(objects, "missing")
