"""What a sample tells of columns: which go together, and which have countless values."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

SAMPLE = 8192  # rows
_REDUCTION = 64  # rows that a joint row must stand for, for counting rows first to pay
_FEWEST = 3  # columns to count jointly: for fewer it does not pay
_FEW = 16  # of so few values nothing can be said
_TELLING = 512  # values there must be, to tell that there are countless of them
_MOST = 1 << 18  # values to count each, at some hundred bytes, without a thought

Array: TypeAlias = "pa.Array[Any]"
_Coded: TypeAlias = tuple[Array, int]  # small numbers for values, and how many


def is_scattered(column: "pa.ChunkedArray[Any]", rows: int) -> bool:
    """Whether there seem to be too many values to count each, hardly two rows of the sample sharing one."""
    there = len(column) - column.null_count
    if there < _TELLING or there * rows < _MOST * len(column):
        return False
    return bool(10 * pc.count_distinct(column).as_py() > 9 * there)


def dependent(sample: pa.Table) -> list[list[str]]:
    """Sets of columns whose rows repeat often, those of fewest values first.

    Of a column that few rows have, and hardly two of them the same, a sample holds few values, but all rows many.
    """
    names = [name for name in sample.column_names if _repeats(sample[name])]
    coded = {name: _coded(sample[name].combine_chunks()) for name in names}
    left = sorted(coded, key=lambda name: coded[name][1])
    found = []
    while len(left) >= _FEWEST:
        names = _joined(coded, left, max(sample.num_rows // _REDUCTION, 1))
        if len(names) < _FEWEST:
            break
        found.append(names)
        left = [name for name in left if name not in names]
    return found


def _repeats(column: "pa.ChunkedArray[Any]") -> bool:
    there = len(column) - column.null_count
    return bool(2 * pc.count_distinct(column).as_py() <= max(there, _FEW))


def _coded(column: Array) -> _Coded:
    encoded = column.dictionary_encode(null_encoding="encode")
    return pc.cast(encoded.indices, pa.int64()), len(encoded.dictionary)


def _joined(coded: Mapping[str, _Coded], names: list[str], most: int) -> list[str]:
    """The columns, tried in this order, that together make no more than so many different rows."""
    found: list[str] = []
    rows: Array | None = None
    for name in names:
        codes, distinct = coded[name]
        both = codes if rows is None else pc.add(pc.multiply(rows, distinct), codes)
        joined, joined_count = _coded(both)
        if joined_count <= most:
            rows = joined
            found.append(name)
    return found
