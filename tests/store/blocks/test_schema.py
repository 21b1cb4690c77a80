"""A block says which attributes its columns are."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.spans.columns import AttributeColumn, Scope, ValueType, attribute_columns
from spanlake.spans.schema import FIXED
from spanlake.store.blocks.parquet import encode
from spanlake.store.blocks.schema import FORMAT, NEWEST_FORMAT, Lineage, from_parquet, stated_format, to_metadata
from spanlake.store.blocks.trace_columns import BEFORE_FORMAT_3
from spanlake.store.errors import StorageCorrupt
from tests.store.tables import busy_table, span_table

KEYS = st.one_of(
    st.text(max_size=40),
    st.text("abz09._", max_size=12),
    st.sampled_from(["name", "rest", "id", "a___int", "k0123abcd", "a.k0123abcd", "x" * 250]),
)
COLUMNS = st.builds(AttributeColumn, st.sampled_from(Scope), KEYS, st.sampled_from(ValueType))


def schema_of(columns: list[AttributeColumn]) -> pa.Schema:
    return pa.schema([*FIXED, *(column.field() for column in columns)])


def stored(metadata: dict[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in metadata.items()}


@given(st.lists(COLUMNS, max_size=8, unique_by=lambda column: column.name))
def test_every_attribute_comes_back(columns: list[AttributeColumn]) -> None:
    schema = schema_of(columns)
    read = from_parquet(schema.names, stored(to_metadata(schema)))
    assert read.equals(schema, check_metadata=True)
    assert attribute_columns(read) == columns


def test_keys_stand_in_the_metadata_only_when_the_name_does_not_give_them() -> None:
    plain = AttributeColumn(Scope.SPAN, "http.status_code", ValueType.INT)
    odd = AttributeColumn(Scope.SPAN, "HTTP Status", ValueType.INT)
    assert to_metadata(schema_of([plain])) == {"spanlake.format": "3"}
    keys = to_metadata(schema_of([plain, odd]))["spanlake.keys"]
    assert json.loads(keys) == {odd.name: "HTTP Status"}


@pytest.mark.parametrize(
    ("names", "metadata", "reason"),
    [
        ([], {}, "not a spanlake block"),
        ([], {b"spanlake.format": b"one"}, "not a spanlake block"),
        ([], {b"spanlake.format": b"%d" % (NEWEST_FORMAT + 1)}, "newer spanlake"),
        ([], {b"spanlake.format": b"1", b"spanlake.keys": b"{"}, "cannot be read"),
        ([], {b"spanlake.format": b"1", b"spanlake.keys": b"[1]"}, "cannot be read"),
        (["span_a"], {b"spanlake.format": b"1", b"spanlake.keys": b'{"span_a":1}'}, "is not one"),
        (["notes"], {b"spanlake.format": b"1"}, "'notes' is not one"),
        (["span_a___k01234567"], {b"spanlake.format": b"1"}, "is not one"),
    ],
)
def test_what_is_no_block_of_ours_is_reported(names: list[str], metadata: dict[bytes, bytes], reason: str) -> None:
    with pytest.raises(StorageCorrupt, match=reason):
        from_parquet(names, metadata)


def test_schema_of_format_2_accepts_its_trace_columns() -> None:
    names = ["trace_id", *BEFORE_FORMAT_3.names]
    assert from_parquet(names, {b"spanlake.format": b"2"}).names == names


@pytest.mark.parametrize("version", [1, FORMAT, NEWEST_FORMAT + 1, 12345])
@pytest.mark.parametrize("lineage", [None, Lineage(1, 5, ("ab" * 16,) * 30)])
def test_format_is_stated_at_the_end_of_a_block(
    monkeypatch: pytest.MonkeyPatch, version: int, lineage: Lineage | None
) -> None:
    monkeypatch.setattr("spanlake.store.blocks.schema.FORMAT", version)
    table = busy_table(50, 1)
    assert stated_format(encode(table, lineage).to_pybytes()) == version


@pytest.mark.parametrize("data", [b"", b"spanlake.format", b"spanlake.format\x18", b"spanlake.format\x18\x01", b"PAR1"])
def test_format_of_what_is_no_block_is_not_stated(data: bytes) -> None:
    assert stated_format(data) is None


def test_format_is_that_of_the_footer_whatever_spans_hold() -> None:
    hostile = "spanlake.format\x18\x019"
    key = AttributeColumn(Scope.SPAN, hostile, ValueType.STRING)
    table = span_table([{"name": hostile}] * 3, {key: [hostile] * 3})
    assert stated_format(encode(table).to_pybytes()) == FORMAT
