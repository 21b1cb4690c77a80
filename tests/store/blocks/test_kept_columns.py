"""Columns that are kept are found again, and take no more memory than they may."""

import pyarrow as pa

from spanlake.store.blocks.kept_columns import KeptColumns

COLUMNS = pa.table({"a": pa.array(range(100), pa.int64()), "b": pa.array(range(100), pa.int64())})  # 800 bytes each


def test_columns_are_found_by_file_and_row_group() -> None:
    kept = KeptColumns(8000)
    kept.add("file", 1, COLUMNS)
    assert kept.of("file", 1, ["b", "c"]) == {"b": COLUMNS["b"]}
    assert kept.of("file", 2, ["a"]) == kept.of("other", 1, ["a"]) == {}
    assert kept.size == 1600


def test_what_was_not_asked_for_longest_is_dropped() -> None:
    kept = KeptColumns(8000)
    for number in range(5):
        kept.add("file", number, COLUMNS)
    assert kept.of("file", 0, ["a"])
    kept.add("file", 5, COLUMNS.select(["a"]))
    assert kept.size == 8000
    assert list(kept.of("file", 0, ["a", "b"])) == ["a"]
    assert list(kept.of("file", 1, ["a", "b"])) == ["a", "b"]


def test_a_column_counts_once_and_large_ones_are_not_kept() -> None:
    kept = KeptColumns(6399)
    kept.add("file", 0, COLUMNS)
    assert kept.size == 0
    kept = KeptColumns(6400)
    kept.add("file", 0, COLUMNS)
    kept.add("file", 0, COLUMNS)
    assert kept.size == 1600
