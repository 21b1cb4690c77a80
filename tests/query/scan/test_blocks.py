"""Rows read by row group are those that DuckDB reads, and files that cannot be read are errors of the store."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.query.compile.spans import ROW_ID
from spanlake.query.scan.blocks import BlockScan, RowGroupLimits, read_rows
from spanlake.store.blocks.block import arrival_order
from spanlake.store.blocks.row_groups import RowGroups
from spanlake.store.errors import BlockDamaged, StorageUnavailable
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import MergePolicy
from tests.query.kit import TENANT, At, Lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A merged block of row groups of ten rows, and two fresh ones, one with attributes that no other has."""
    lake = Lake(tmp_path_factory.mktemp("rows"))
    for first in (0, 30):
        lake.add(*(At(n + 1, trace=n + 1, start=n, attributes={"n": n}) for n in range(first, first + 30)))
    blocks = tuple(sorted(scan_of(lake).blocks, key=arrival_order))
    assert Compactor(lake.objects, lake.index, merge_policy=MergePolicy(row_group_spans=10)).run(Merge(blocks))
    lake.add(At(100, trace=100, events=[("e", 5, {"k": "v"})], links=[(7, 8, {})], resource={"host": "a"}))
    lake.add(At(101, trace=101, scope={"s": True}, attributes={"list": ["a", "b"], "ratio": 0.5}))
    yield lake
    lake.close()


def scan_of(lake: Lake) -> BlockScan:
    return BlockScan.find(lake.index, lake.objects, TENANT, 0, 2**63 - 1)


def by_duckdb(lake: Lake, scan: BlockScan) -> pa.Table:
    return lake.duck.session().run(scan.all_columns()).sort_by(ROW_ID)


def test_rows_of_several_blocks_equal_those_that_duckdb_reads(lake: Lake) -> None:
    scan = scan_of(lake)
    expected = by_duckdb(lake, scan)
    found = read_rows(scan, expected[ROW_ID].take(pa.array([*range(61, -1, -1)])).combine_chunks(), RowGroupLimits(99))
    assert found is not None
    assert set(found.column_names) == set(expected.column_names)
    assert found.select(expected.column_names).cast(expected.schema) == expected


@pytest.mark.parametrize("rows", [[0], [9, 10], [5, 25, 59], [60, 61]])
def test_some_rows_are_read_from_their_row_groups_alone(lake: Lake, rows: list[int]) -> None:
    scan = scan_of(lake)
    expected = by_duckdb(lake, scan).take(pa.array(rows))
    found = read_rows(scan, expected[ROW_ID].combine_chunks())
    assert found is not None
    assert found["span_id"].to_pylist() == expected["span_id"].to_pylist()


def test_many_or_large_row_groups_are_left_to_duckdb(lake: Lake) -> None:
    scan = scan_of(lake)
    rows = by_duckdb(lake, scan)[ROW_ID].combine_chunks()
    assert read_rows(scan, rows, RowGroupLimits(row_groups=7)) is None
    assert read_rows(scan, rows, RowGroupLimits(row_groups=8, bytes=100)) is None
    assert read_rows(scan, rows, RowGroupLimits(row_groups=8, rows=len(rows) - 1)) is None
    assert read_rows(scan, rows, RowGroupLimits(row_groups=8)) is not None


def test_no_rows_are_none(lake: Lake) -> None:
    found = read_rows(scan_of(lake), pa.array([], pa.int64()))
    assert found is not None
    assert found.num_rows == 0


def test_row_groups_are_told_by_rows(lake: Lake) -> None:
    merged = max(scan_of(lake).blocks, key=lambda block: block.spans)
    file = lake.objects.uri(merged.path)
    assert RowGroups(file, [0, 9, 10, 59]).numbers == [0, 1, 5]


def test_a_file_that_is_gone_may_be_looked_for_again(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="the block gone is gone"):
        RowGroups(str(tmp_path / "gone.parquet"), [0])


def test_a_file_without_a_footer_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    with pytest.raises(BlockDamaged, match="the block cut cannot be read"):
        RowGroups(str(tmp_path / "cut.parquet"), [0])
