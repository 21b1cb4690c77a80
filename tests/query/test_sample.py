"""What a sample tells of columns."""

import pyarrow as pa

from spanlake.query.sample import SAMPLE, dependent, is_scattered

ROWS = SAMPLE
METHODS = ["GET", "PUT", "GET", "POST"] * (ROWS // 4)
ROUTES = [f"/{method}" for method in METHODS]
CODES = [200, 204, 200, 201] * (ROWS // 4)
RARE = [f"{n}" if n < 40 else None for n in range(ROWS)]


def column(values: list[object]) -> "pa.ChunkedArray[pa.Scalar[pa.DataType]]":
    """The values as a column of a sample."""
    return pa.table({"x": values})["x"]


def test_columns_that_depend_on_each_other_are_found() -> None:
    assert dependent(pa.table({"method": METHODS, "route": ROUTES, "code": CODES}), ROWS) == [
        ["method", "route", "code"]
    ]


def test_columns_that_say_nothing_of_each_other_are_apart() -> None:
    """Unless they have very few values."""
    shards = [f"{n % 31}" for n in range(ROWS)]
    zones = [f"{n % 3}" for n in range(ROWS)]
    table = pa.table({"method": METHODS, "route": ROUTES, "shard": shards, "zone": zones})
    assert dependent(table, ROWS) == [["method", "route", "zone"], ["shard"]]


def test_columns_that_make_too_many_rows_together_are_left_out() -> None:
    table = pa.table({"a": [n % 31 for n in range(ROWS)], "b": [n % 37 for n in range(ROWS)], "method": METHODS})
    assert dependent(table, ROWS) == [["method"], ["a"]]


def test_a_rare_value_that_never_comes_again_spoils_no_set() -> None:
    """There are forty of it in the sample, but many more in all rows."""
    table = pa.table({"method": METHODS, "route": ROUTES, "code": CODES, "rare": RARE})
    assert dependent(table, ROWS) == [["method", "route", "code"]]


def test_columns_are_left_out_of_which_a_sample_lacks_many_values() -> None:
    """Of ten thousand rows one in a hundred is few, of a hundred million many."""
    often = pa.table({"id": [f"{n}" if n % 100 == 0 else "none" for n in range(ROWS)]})
    assert dependent(often, 10**4) == [["id"]]
    assert dependent(often, 10**8) == []


def test_values_are_countless_where_hardly_two_rows_share_one_and_there_are_many() -> None:
    ids = column([f"{n}" for n in range(ROWS)])
    assert is_scattered(ids, 10**6)
    assert not is_scattered(ids, 10**5)  # so many are counted
    assert not is_scattered(column([f"{n % 5000}" for n in range(ROWS)]), 10**6)
    assert not is_scattered(column(list(RARE)), 10**9)  # too few to tell
