"""Merging blocks: every span once, in order, whatever it holds and however the blocks are cut."""

import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanlake.spans.columns import AttributeColumn, Scope, ValueType, attribute_columns
from spanlake.spans.otlp.encode import to_otlp
from spanlake.store.blocks import bloom
from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.blocks.describe import checksum
from spanlake.store.blocks.trace_columns import TRACE_COLUMNS, add_trace_columns, drop_trace_columns
from spanlake.store.errors import ObjectNotFound, StorageCorrupt
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import MergePolicy, merge_blocks
from spanlake.store.maintenance.merge_inputs import open_inputs
from tests.spans import otlp_requests
from tests.store.maintenance.day_of_blocks import TENANT, Lake, colliding, rows_in_order, sorted_rows
from tests.store.tables import NOON, STATUS, busy_table, span_table

LAW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


TINY_PIECES = MergePolicy(stretch_bytes=1, stretch_spans=(1, 4), row_group_spans=2)
"""Merges go on in steps of a row or two, and row groups have two rows."""


@LAW
@given(requests=st.lists(otlp_requests.requests, min_size=1, max_size=6), again=st.data())
def test_spans_in_are_spans_out(requests: list[ExportTraceServiceRequest], again: st.DataObject) -> None:
    tables = colliding(requests)
    if not tables:
        return
    tables += again.draw(st.lists(st.sampled_from(tables), max_size=3))
    with tempfile.TemporaryDirectory() as directory, Lake(Path(directory)) as lake:
        for table in tables:
            lake.add(table)
        expected = lake.rows()
        lake.settle()
        (block,) = lake.live()
        assert rows_in_order(lake.table(block)) == expected
        assert block.spans == len(expected)


@LAW
@given(requests=st.lists(otlp_requests.requests, min_size=2, max_size=8), cut=st.integers(1, 7))
def test_merged_blocks_are_merged_as_well(requests: list[ExportTraceServiceRequest], cut: int) -> None:
    """Some blocks are merged, then the result with the others, a few rows at a time."""
    tables = colliding(requests)
    with tempfile.TemporaryDirectory() as directory, Lake(Path(directory), TINY_PIECES) as lake:
        for table in tables:
            lake.add(table)
        expected = lake.rows()
        for part in (slice(cut), slice(cut, None), slice(None)):
            blocks = lake.live()[part]
            if blocks:
                assert lake.compactor.run(Merge(tuple(blocks)))
        assert [row for block in lake.live() for row in rows_in_order(lake.table(block))] == expected


@LAW
@given(requests=st.lists(otlp_requests.requests, min_size=1, max_size=4), most=st.integers(0, 4))
def test_attributes_past_the_limit_are_kept_all_the_same(requests: list[ExportTraceServiceRequest], most: int) -> None:
    tables = colliding(requests)
    if not tables:
        return
    with tempfile.TemporaryDirectory() as directory, Lake(Path(directory), MergePolicy(most_columns=most)) as lake:
        for table in tables:
            lake.add(table)
        whole = sorted_rows((lake.table(block), block) for block in lake.live())
        before = to_otlp(decoded_together(lake))
        lake.compactor.run(Merge(tuple(lake.live())))
        (block,) = lake.live()
        table = lake.table(block)
        assert len(attribute_columns(table.schema)) <= most
        assert block.spans == len(whole)
        assert set(otlp_requests.normal(to_otlp(table))) == set(otlp_requests.normal(before))


@pytest.mark.parametrize(("spans", "kept"), [(2, ["a", "b"]), (3, ["a", "b", "c"])])
def test_attributes_of_few_spans_get_no_column_where_attributes_are_many(
    tmp_path: Path, spans: int, kept: list[str]
) -> None:
    with Lake(tmp_path, MergePolicy(most_columns=3)) as lake:
        for count, keys in ((40, "ab"), (spans, "cd")):
            columns = {AttributeColumn(Scope.SPAN, key, ValueType.INT): [1] * count for key in keys}
            lake.add(span_table([{"name": keys}] * count, columns))
        lake.compactor.run(Merge(tuple(lake.live())))
        (block,) = lake.live()
        table = lake.table(block)
        assert [column.key for column in attribute_columns(table.schema)] == kept
        in_rest = [entry["key"] for entries in table["span_rest"].to_pylist() for entry in entries or ()]
        assert Counter(in_rest) == Counter(dict.fromkeys(sorted({*"abcd"} - {*kept}), spans))


def decoded_together(lake: Lake) -> pa.Table:
    return pa.concat_tables([lake.table(block) for block in lake.live()], promote_options="default")


def test_a_large_merge_has_full_row_groups_and_every_row(tmp_path: Path) -> None:
    """More rows than are taken at a time, fresh blocks beside one that is merged already."""
    with Lake(tmp_path) as lake:
        for seed in range(3):
            lake.add(busy_table(30_000, seed))
        expected = lake.rows()
        first, *others = lake.live()
        lake.compactor.run(Merge((first,)))
        in_pieces = Compactor(lake.objects, lake.index, merge_policy=MergePolicy(stretch_spans=(1, 20_000)))
        in_pieces.run(Merge((lake.live()[0], *others)))
        (block,) = lake.live()
        assert rows_in_order(lake.table(block)) == expected
        file = open_inputs(lake.objects, [block])[0].file.metadata
        groups = [file.row_group(number).num_rows for number in range(file.num_row_groups)]
        assert groups == [16_384] * 5 + [90_000 - 5 * 16_384]


def test_the_entry_tells_what_is_in_the_block(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        for start in (5, 3):
            lake.add(span_table([{"start_time_unix_nano": NOON + start, "duration_nano": 100 - start}]))
        first, second = lake.live()
        merged = merge_blocks(lake.objects, Merge((first, second)))
        assert merged is not None
        block = merged.block
        assert (block.tenant, block.date, block.level) == (TENANT, first.date, 1)
        assert (block.start_ns, block.end_ns) == (NOON + 3, NOON + 100)
        assert (block.spans, block.size, block.created_ns) == (2, merged.data.size, first.created_ns)
        assert bloom.may_contain(block.trace_filter, (1).to_bytes(16, "big"))
        assert block.hidden == frozenset()
        again = merge_blocks(lake.objects, Merge((second, first)))
        assert again is not None
        assert again.block.id == block.id
        alone = merge_blocks(lake.objects, Merge((first,)))
        assert alone is not None
        assert alone.block.id not in {block.id, first.id}


def test_hidden_traces_are_left_out(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        lake.add(span_table([{}, {}, {}]))
        lake.add(span_table([{}, {}]))
        first, second = (number.to_bytes(16, "big") for number in (1, 2))
        lake.index.mark_deleted(lake.live(), first)
        lake.index.mark_deleted(lake.live()[:1], second)
        expected = lake.rows()
        assert len(expected) == 2
        lake.settle()
        (block,) = lake.live()
        assert rows_in_order(lake.table(block)) == expected
        assert not block.hidden


def test_a_block_whose_spans_are_all_hidden_goes(tmp_path: Path) -> None:
    with Lake(tmp_path) as lake:
        lake.add(span_table([{}]))
        lake.index.mark_deleted(lake.live(), (1).to_bytes(16, "big"))
        assert merge_blocks(lake.objects, Merge(tuple(lake.live()))) is None
        assert lake.settle() == 1
        assert lake.live() == []


def test_zero_and_negative_zero_are_different_values(tmp_path: Path) -> None:
    ratio = AttributeColumn(Scope.SPAN, "ratio", ValueType.DOUBLE)
    same = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "start_time_unix_nano": NOON}
    with Lake(tmp_path) as lake:
        lake.add(span_table([same] * 5, {ratio: [0.0, -0.0, float("nan"), float("nan"), None]}))
        lake.add(span_table([same]))
        lake.settle()
        (block,) = lake.live()
        assert [repr(value) for value in lake.table(block)["span_ratio___double"].to_pylist()] == [
            "0.0",
            "-0.0",
            "nan",
            "None",
        ]


def test_what_loses_its_column_is_told_to_the_catalog(tmp_path: Path) -> None:
    with Lake(tmp_path, MergePolicy(most_columns=0)) as lake:
        lake.add(span_table([{}], {STATUS: [200]}))
        lake.compactor.run(Merge(tuple(lake.live())))
        (block,) = lake.live()
        assert lake.table(block)["span_rest"].to_pylist() == [
            [{"key": "http.status_code", "value": '{"intValue":"200"}'}]
        ]
        assert lake.index.catalog(TENANT, NOON, NOON) >= {CatalogEntry("span", "http.status_code", "rest")}


@pytest.mark.parametrize(("content", "error"), [(b"no Parquet", StorageCorrupt), (None, ObjectNotFound)])
def test_what_cannot_be_read_is_reported(tmp_path: Path, content: bytes | None, error: type[Exception]) -> None:
    with Lake(tmp_path) as lake:
        (block,) = lake.add(span_table([{}]))
        lake.objects.delete(block.path)
        if content:
            lake.objects.put(block.path, content)
        with pytest.raises(error):
            merge_blocks(lake.objects, Merge((block,)))


@LAW
@given(requests=st.lists(otlp_requests.requests, min_size=2, max_size=6), cut=st.integers(1, 5))
def test_what_is_noted_of_traces_is_that_of_the_whole_block(
    requests: list[ExportTraceServiceRequest], cut: int
) -> None:
    """However often the spans are merged, and wherever a merge cuts its inputs."""
    tables = colliding(requests)
    with tempfile.TemporaryDirectory() as directory, Lake(Path(directory)) as lake:
        for table in tables:
            lake.add(_related(table))
        for part in (slice(cut), slice(cut, None), slice(None)):
            blocks = lake.live()[part]
            if blocks:
                assert lake.compactor.run(Merge(tuple(blocks)))
        for block in lake.live():
            stored = lake.stored(block)
            expected = add_trace_columns(drop_trace_columns(stored))
            assert stored.select(TRACE_COLUMNS.names).to_pylist() == expected.select(TRACE_COLUMNS.names).to_pylist()


def _related(table: pa.Table) -> pa.Table:
    """Spans of which all but the first have a parent, the same one."""
    parents = pa.array([None, *([bytes([0] * 8)] * (table.num_rows - 1))], pa.binary())
    return table.set_column(table.schema.get_field_index("parent_span_id"), "parent_span_id", parents)


# Runs in a process of its own. Its peak is VmHWM: ru_maxrss begins with the memory of the process that started it.
MERGE_ALL = """
import re, sys
from pathlib import Path
from tests.store.maintenance.day_of_blocks import Lake

lake = Lake(Path(sys.argv[1]))
merges = lake.settle()
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(merges, len(lake.live()), int(peak[1]) >> 10)
"""


def test_merge_of_small_files_that_are_large_in_memory_is_bounded(tmp_path: Path) -> None:
    """Each file has some 200 KB, which are 48 MiB in memory: together they are twice as much as is allowed."""
    lake = Lake(tmp_path)
    for number in range(24):
        texts = [f"{number} {row} {'x' * 60_000}" for row in range(800)]
        table = span_table([{"trace_id": bytes([number, row // 256, row % 256] + [1] * 13)} for row in range(800)],
                           {AttributeColumn(Scope.SPAN, "exception.stacktrace", ValueType.STRING): texts})  # fmt: skip
        (block,) = lake.add(table)
        assert block.uncompressed_size > 45 << 20
    done = subprocess.run([sys.executable, "-c", MERGE_ALL, tmp_path], capture_output=True, text=True, check=True)
    merges, blocks, peak = map(int, done.stdout.split())
    assert blocks == 2, "what has half of a GiB in memory stays"
    assert merges >= 25
    assert peak < 700


def test_blocks_whose_ids_are_of_fixed_length_are_merged_with_new_ones(tmp_path: Path) -> None:
    """As earlier versions wrote them, in Parquet's FIXED_LEN_BYTE_ARRAY."""
    with Lake(tmp_path) as lake:
        lake.add(busy_table(20))
        (new,) = lake.live()
        older = with_fixed_ids(lake.objects.get(new.path))
        lake.objects.put(new.path, older)
        lake.index.add([replace(new, size=older.size, checksum=checksum(older))], {})
        lake.add(busy_table(30))
        expected = lake.rows()
        assert lake.compactor.run(Merge(tuple(lake.live())))
        (block,) = lake.live()
        assert rows_in_order(lake.table(block)) == expected
        merged = pq.ParquetFile(pa.BufferReader(lake.objects.get(block.path))).schema
        assert {merged.column(number).physical_type for number in range(3)} == {"BYTE_ARRAY"}


def with_fixed_ids(data: bytes) -> pa.Buffer:
    file = pq.ParquetFile(pa.BufferReader(data))
    fixed = {"trace_id": pa.binary(16), "span_id": pa.binary(8), "parent_span_id": pa.binary(8)}
    schema = pa.schema([field.with_type(fixed.get(field.name, field.type)) for field in file.schema_arrow])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, store_schema=False) as writer:
        writer.write_table(file.read().cast(schema))
        metadata = file.metadata.metadata or {}
        writer.add_key_value_metadata({key.decode(): value.decode() for key, value in metadata.items()})
    return sink.getvalue()
