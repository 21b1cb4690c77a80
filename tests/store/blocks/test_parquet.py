"""Span tables as Parquet: nothing is lost, few bytes are used, DuckDB reads them."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.schema import FIXED, OPTIONAL
from spanlake.store.blocks.parquet import encode
from spanlake.store.blocks.schema import ROW_GROUP_SPANS, from_parquet
from tests.store.tables import NOON, STATUS, Attributes, busy_table, span_table

LISTS = AttributeColumn(Scope.SPAN, "tags", ValueType.STRINGS)
ODD = AttributeColumn(Scope.RESOURCE, "Größe", ValueType.DOUBLE)

VALUES: list[dict[str, Any]] = [
    {"name": "", "kind": -7, "duration_nano": -(2**63), "end_time_unix_nano": -1, "parent_span_id": b"\xff" * 8},
    {"name": "Ümlaut \x00", "status_code": None, "status_message": None, "start_time_unix_nano": NOON - 5},
    {
        "events": [{"time_unix_nano": 1, "name": "e", "dropped_attributes_count": 0, "attributes": []}],
        "links": [{"trace_id": b"odd", "span_id": b"", "trace_state": "", "flags": 1, "attributes": None}],
        "span_rest": [{"key": "k", "value": "{}"}],
    },
    {"service_name": None, "resource_id": 2**63 - 1, "resource_entity_refs": [{"type": "host", "id_keys": ["a", ""]}]},
]
ATTRIBUTES: Attributes = {
    STATUS: [200, None, 0, -1],
    LISTS: [["a", ""], [], None, None],
    ODD: [0.0, -0.0, float("inf"), None],
}


def decoded(data: pa.Buffer) -> pa.Table:
    """The span table in a block."""
    file = pq.ParquetFile(pa.BufferReader(data))
    table = file.read()
    return table.cast(from_parquet(table.column_names, file.metadata.metadata or {}))


def same(table: pa.Table, other: pa.Table) -> bool:
    """Returns True where tables are equal, an absent column counting as NULL."""
    assert set(table.column_names) <= set(other.column_names)
    return pa.concat_tables([table, other.slice(0, 0)], promote_options="default").select(other.column_names) == other


@pytest.mark.parametrize("times", [1, 500], ids=["a small block", "a larger block"])
def test_all_values_come_back_in_order(times: int) -> None:
    table = pa.concat_tables([span_table(VALUES, ATTRIBUTES)] * times)
    assert same(decoded(encode(table)), table)


def test_attributes_and_lists_without_a_value_are_not_written() -> None:
    attributes: Attributes = {STATUS: [None], LISTS: [[]]}
    table = span_table([{"events": [{"name": "e"}]}], attributes)

    scalars = {*FIXED.names} - OPTIONAL
    assert set(decoded(encode(table)).column_names) == scalars | {"events", LISTS.name}


def test_ids_of_a_wrong_length_are_refused() -> None:
    with pytest.raises(ValueError, match="widths must match"):
        encode(span_table([{"span_id": b"short"}]))


def test_a_row_group_is_what_a_thread_of_duckdb_takes() -> None:
    table = span_table([{}]).take(pa.array([0] * (ROW_GROUP_SPANS + 1)))
    metadata = pq.read_metadata(pa.BufferReader(encode(table)))
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [ROW_GROUP_SPANS, 1]


def test_statistics_tell_what_can_exclude_a_block() -> None:
    group = pq.read_metadata(pa.BufferReader(encode(busy_table(100)))).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    assert [column.path_in_schema for column in columns if column.is_stats_set] == [
        "trace_id",
        "start_time_unix_nano",
        "duration_nano",
        "status_code",
        "service_name",
    ]


def test_a_span_takes_less_than_sixty_bytes() -> None:
    """Of which the random ids take some 18, and the footer of this block 1.5."""
    table = busy_table(4500)
    assert encode(table).size / table.num_rows < 50


@pytest.mark.parametrize("spans", [9, 3000])
def test_duckdb_reads_blocks_with_different_columns(tmp_path: Path, spans: int) -> None:
    tables = [busy_table(spans), pa.concat_tables([span_table(VALUES, ATTRIBUTES)] * 300)]
    for number, table in enumerate(tables):
        (tmp_path / f"{number}.parquet").write_bytes(encode(table))
    files = [str(tmp_path / f"{number}.parquet") for number in range(2)]
    query = "SELECT * EXCLUDE filename FROM read_parquet(?, union_by_name = true, filename = true) ORDER BY filename"
    duckdb.execute("SET threads = 1")
    read = duckdb.execute(query, [files]).to_arrow_table()
    expected = pa.concat_tables(tables, promote_options="default")
    assert read.to_pylist() == expected.select(read.column_names).to_pylist()
    assert set(expected.column_names) - set(read.column_names) == {"scope_rest", "resource_rest"}


def codecs(data: pa.Buffer) -> dict[str, str]:
    """Returns the compression of each column of a block."""
    group = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return {column.path_in_schema: column.compression for column in columns}


def test_long_values_are_compressed_harder_than_short_ones() -> None:
    statement = AttributeColumn(Scope.SPAN, "db.statement", ValueType.STRING)
    method = AttributeColumn(Scope.SPAN, "http.method", ValueType.STRING)
    rows = 2_000
    attributes: Attributes = {statement: ["SELECT " + "x, " * 40] * rows, method: ["GET", "PUT"] * (rows // 2)}
    found = codecs(encode(span_table([{}] * rows, attributes)))
    assert found[statement.name] == "ZSTD"
    assert found[method.name] == "SNAPPY"


def test_small_blocks_do_not_pay_for_zstd() -> None:
    assert "ZSTD" not in codecs(encode(span_table(VALUES, ATTRIBUTES))).values()


@pytest.mark.parametrize("spans", [9, 3000])
def test_columns_have_types_that_athena_documents(spans: int) -> None:
    columns = pq.ParquetFile(pa.BufferReader(encode(busy_table(spans)))).schema
    types = {columns.column(number).physical_type for number in range(len(columns))}
    assert types <= {"BOOLEAN", "INT32", "INT64", "DOUBLE", "BYTE_ARRAY"}
