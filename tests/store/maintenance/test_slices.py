"""Large blocks have slices by time, the newest first; a merge of them has every row."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spanlake.store.blocks.trace_columns import SLICE_START
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.merge import MergePolicy
from spanlake.store.maintenance.merge_inputs import open_inputs, sorted_runs
from tests.store.maintenance.day_of_blocks import Lake, rows_in_order
from tests.store.tables import NOON, span_table

IN_SLICES = MergePolicy(sliced_spans=1, row_group_spans=10)
UNSLICED = MergePolicy(sliced_spans=1 << 30, row_group_spans=10, stretch_spans=(1, 7))
SECOND = 10**9


def spans(first: int, traces: int, step: int = SECOND) -> pa.Table:
    """Three spans of each trace, whose ids do not follow their times; some are of a trace before."""
    rows = []
    for n in range(traces):
        start = NOON + first * SECOND + n * step
        for k in range(3):
            of = n - 5 if k == 2 and n % 4 == 3 and n >= 5 else n
            trace = (of * 7919 % 251 + first * 1000).to_bytes(16)
            row = {"trace_id": trace, "span_id": (n * 3 + k + 1).to_bytes(8), "start_time_unix_nano": start + k}
            rows.append(row)
    return span_table(rows)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path, IN_SLICES)
    for first in (0, 50, 100):
        lake.add(spans(first, 50))
    return lake


def as_stored(lake: Lake) -> list[str]:
    """The rows of the only block, in order of trace ids."""
    (block,) = lake.live()
    table = lake.table(block)
    return rows_in_order(table.take(pc.array_sort_indices(table["trace_id"].combine_chunks())))


def merge_all(lake: Lake) -> None:
    lake.compactor.run(Merge(tuple(lake.live())))


def test_slices_hold_whole_traces_the_newest_first(lake: Lake) -> None:
    with lake:
        expected = lake.rows()
        merge_all(lake)
        assert as_stored(lake) == expected
        (block,) = lake.live()
        stored = lake.stored(block)
        starts: Any = stored[SLICE_START].to_pylist()
        assert starts == sorted(starts, reverse=True)
        assert len(set(starts)) > 10
        of_traces = stored.group_by("trace_id").aggregate(
            [(SLICE_START, "count_distinct"), ("start_time_unix_nano", "min"), (SLICE_START, "min")]
        )
        assert set(of_traces[f"{SLICE_START}_count_distinct"].to_pylist()) == {1}
        assert pc.all(pc.greater_equal(of_traces["start_time_unix_nano_min"], of_traces[f"{SLICE_START}_min"])).as_py()
        for start in set(starts):
            ids: Any = stored.filter(pc.equal(stored[SLICE_START], start))["trace_id"].to_pylist()
            assert ids == sorted(ids)


def test_row_groups_of_a_slice_are_equal_and_have_its_start_alone(lake: Lake) -> None:
    with lake:
        merge_all(lake)
        (block,) = lake.live()
        metadata = open_inputs(lake.objects, [block])[0].file.metadata
        place = metadata.schema.names.index(SLICE_START)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            assert group.num_rows <= 13
            statistics = group.column(place).statistics
            assert statistics is not None
            assert statistics.min == statistics.max


@pytest.mark.parametrize("policy", [IN_SLICES, UNSLICED])
def test_blocks_with_slices_are_merged_again(lake: Lake, policy: MergePolicy) -> None:
    """With fresh ones, with spans that came twice, and with traces that a block hides."""
    with lake:
        merge_all(lake)
        lake.add(spans(100, 50))
        lake.add(spans(80, 50, SECOND // 7))
        lake.index.mark_deleted(lake.live(), (100_000).to_bytes(16))
        lake.index.mark_deleted(lake.live(), (3 * 7919 % 251).to_bytes(16))
        expected = lake.rows()
        lake.compactor = type(lake.compactor)(lake.objects, lake.index, lambda: lake.now_ns, merge_policy=policy)
        merge_all(lake)
        assert as_stored(lake) == expected
        (block,) = lake.live()
        assert (SLICE_START in lake.stored(block).column_names) == (policy is IN_SLICES)


def test_rows_of_later_slices_that_are_not_held_are_read_again(tmp_path: Path) -> None:
    policy = MergePolicy(sliced_spans=1, row_group_spans=300, held_bytes=0)
    with Lake(tmp_path, policy) as lake:
        for first in (0, 50, 100):
            lake.add(spans(first, 150, SECOND // 3))
        expected = lake.rows()
        merge_all(lake)
        assert as_stored(lake) == expected
        (block,) = lake.live()
        assert len(pc.unique(lake.stored(block)[SLICE_START])) > 2


def test_inputs_that_all_have_spans_of_all_times_are_merged_without_slices(tmp_path: Path) -> None:
    """A row group would have to be read for each slice."""
    with Lake(tmp_path, MergePolicy(sliced_spans=1, row_group_spans=10, held_bytes=0)) as lake:
        for first in range(4):
            lake.add(spans(first, 100))
        expected = lake.rows()
        merge_all(lake)
        assert as_stored(lake) == expected
        (block,) = lake.live()
        assert SLICE_START not in lake.stored(block).column_names


def test_runs_of_row_groups_ascend() -> None:
    ranges = [(b"a", b"c"), (b"b", b"d"), (b"c", b"e"), (b"e", b"e"), (b"a", b"z"), (b"d", b"f")]
    runs = sorted_runs(ranges)
    assert sorted(number for run in runs for number in run) == list(range(len(ranges)))
    for run in runs:
        assert all(ranges[one][1] <= ranges[other][0] for one, other in pairwise(run))
    assert sorted_runs([(b"a", b"b"), None]) == [(0, 1)], "an older block, which is sorted"
