"""Spans of traces in slices, read by row group, are those that DuckDB reads."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.query.compile.spans import ROW_ID
from spanlake.query.scan.blocks import BlockScan, RowGroupLimits
from spanlake.query.scan.slice_rows import read_traces
from spanlake.store.blocks.block import arrival_order
from spanlake.store.blocks.row_groups import PickedGroups
from spanlake.store.blocks.trace_columns import SLICE_START
from spanlake.store.errors import StorageUnavailable
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import MergePolicy
from tests.query.kit import SECOND, TENANT, At, Lake, trace_id

COLUMNS = ["trace_id", "span_id", "name", "start_time_unix_nano", "status_code", "span_n___int"]
ALL = RowGroupLimits(row_groups=99)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Thirty traces of three spans, merged in slices of about ten spans."""
    lake = Lake(tmp_path_factory.mktemp("slices"))
    every = range(90)
    spans = [At(n + 1, trace=n // 3 + 1, start=n * SECOND, attributes={"n": n} if n % 2 else {}) for n in every]
    lake.add(*spans[::2])
    lake.add(*spans[1::2])
    blocks = tuple(sorted(scan_of(lake).blocks, key=arrival_order))
    policy = MergePolicy(sliced_spans=1, row_group_spans=10)
    assert Compactor(lake.objects, lake.index, merge_policy=policy).run(Merge(blocks))
    yield lake
    lake.close()


def scan_of(lake: Lake) -> BlockScan:
    return BlockScan.find(lake.index, lake.objects, TENANT, 0, 2**63 - 1)


def rows_of(lake: Lake) -> pa.Table:
    scan = scan_of(lake)
    return lake.duck.session().run(scan.table([*COLUMNS, SLICE_START], row_id=True)).sort_by(ROW_ID)


def slices_of(lake: Lake, numbers: range) -> set[int]:
    ids = {trace_id(number) for number in numbers}
    rows = rows_of(lake).select(["trace_id", SLICE_START]).to_pylist()
    return {row[SLICE_START] for row in rows if row["trace_id"] in ids}


def types(lake: Lake) -> pa.Schema:
    return scan_of(lake).empty(COLUMNS).schema


@pytest.mark.parametrize("numbers", [range(1, 2), range(4, 9), range(1, 31), range(30, 99)])
def test_traces_are_those_that_duckdb_reads(lake: Lake, numbers: range) -> None:
    ids = [trace_id(number) for number in numbers]
    rows = rows_of(lake).select([*COLUMNS, ROW_ID])
    expected = rows.filter(pa.array([row["trace_id"] in ids for row in rows.to_pylist()]))
    found = read_traces(scan_of(lake), slices_of(lake, numbers), types(lake), ids, ALL)
    assert found is not None
    assert found.num_rows == 3 * len(set(numbers) & set(range(1, 31)))
    assert found.sort_by(ROW_ID) == expected.cast(found.schema)


def test_a_column_that_the_file_lacks_is_empty(lake: Lake) -> None:
    wanted = types(lake).append(pa.field("span_other", pa.string()))
    found = read_traces(scan_of(lake), slices_of(lake, range(1, 2)), wanted, [trace_id(1)], ALL)
    assert found is not None
    assert found["span_other"].to_pylist() == [None] * 3


def test_slices_that_are_nowhere_have_no_rows(lake: Lake) -> None:
    found = read_traces(scan_of(lake), [-1], types(lake), [trace_id(1)], ALL)
    assert found is not None
    assert found.num_rows == 0
    assert found.column_names == [*COLUMNS, ROW_ID]


def test_what_is_not_read_by_row_group_is_left_to_duckdb(lake: Lake) -> None:
    scan, ids, slices = scan_of(lake), [trace_id(1)], slices_of(lake, range(1, 31))
    (block,) = scan.blocks
    hiding = scan.only([replace(block, hidden=frozenset(ids))])
    others = (hiding, scan.in_slices((0, 1)), scan.with_spans_of(scan, ids), scan.only([block, block]))
    assert [read_traces(other, slices, types(lake), ids, ALL) for other in others] == [None] * 4
    assert read_traces(scan, slices, scan.empty(["events"]).schema, ids, ALL) is None
    assert read_traces(scan, slices, types(lake), ids, RowGroupLimits(row_groups=len(slices) - 1)) is None
    assert read_traces(scan, slices, types(lake), ids, replace(ALL, bytes=100)) is None
    assert read_traces(scan, slices, types(lake), ids, replace(ALL, row_groups=len(slices))) is not None


def test_only_row_groups_with_the_slices_are_picked(lake: Lake) -> None:
    (block,) = scan_of(lake).blocks
    file = lake.objects.uri(block.path)
    starts = sorted(slices_of(lake, range(1, 31)), reverse=True)
    assert PickedGroups(file, SLICE_START, starts[:1]).numbers == [0]
    assert PickedGroups(file, SLICE_START, starts[1:3]).numbers == [1, 2]


def test_a_file_that_is_gone_may_be_looked_for_again(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="the block gone is gone"):
        PickedGroups(str(tmp_path / "gone.parquet"), SLICE_START, [0])
