"""Tests the kernels that Arrow lacks."""

from itertools import groupby
from random import Random
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from spanlake.spans.arrow import as_array, codes, ordered_codes, rows_of

ROWS = st.lists(st.tuples(st.integers(0, 2) | st.none(), st.sampled_from(["a", "b", None]), st.booleans()), max_size=30)


@given(ROWS, st.integers(1, 3))
def test_codes_groups_equal_rows_by_first_row(rows: list[tuple[object, ...]], width: int) -> None:
    """NULL is a value like others; they are numbered by their first rows."""
    keys = [repr(row[:width]) for row in rows]
    numbered = sorted(range(len(rows)), key=lambda row: (keys.index(keys[row]), row))
    expected = [list(same) for _, same in groupby(numbered, key=lambda row: keys[row])]
    numbers = codes(columns_of(rows, width))
    assert rows_of(numbers).to_pylist() == expected
    assert [numbers[same[0]].as_py() for same in expected] == list(range(len(expected)))


@given(ROWS, st.integers(1, 3), st.randoms())
def test_ordered_codes_do_not_depend_on_row_order(rows: list[tuple[object, ...]], width: int, random: Random) -> None:
    shuffled = random.sample(rows, len(rows))
    numbers = [
        dict(zip(some, ordered_codes(columns_of(some, width)).to_pylist(), strict=True)) for some in (rows, shuffled)
    ]
    assert numbers[0] == numbers[1]
    assert sorted(set(numbers[0].values())) == list(range(len({row[:width] for row in rows})))


def columns_of(rows: list[tuple[object, ...]], width: int) -> "list[pa.Array[Any]]":
    types = (pa.int32(), pa.string(), pa.bool_())
    return [pa.array([row[n] for row in rows], type_) for n, type_ in enumerate(types)][:width]


def test_as_array_joins_chunks() -> None:
    assert as_array(pa.chunked_array([[1], [2, 3]])).to_pylist() == [1, 2, 3]
    assert as_array(pa.chunked_array([], pa.int8())).type == pa.int8()
