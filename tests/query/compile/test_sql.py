"""Arrow tables that are a part of a query."""

import pyarrow as pa
import pytest
from sqlglot import exp

from spanlake.query.compile.sql import bind_rows, is_in, memory_table, memory_tables

ONE, OTHER = pa.table({"n": [1]}), pa.table({"n": [2]})


def test_tables_of_a_query_are_found_in_its_copies_too() -> None:
    query = exp.select("n").from_(memory_table("numbers", ONE)).where(is_in(exp.column("n"), "wanted", OTHER))
    assert query.sql("duckdb") == "SELECT n FROM numbers WHERE n IN (SELECT n FROM wanted)"
    for one in (query, query.copy()):
        assert memory_tables(one) == {"numbers": ONE, "wanted": OTHER}


def test_rows_are_bound_by_name() -> None:
    query = exp.select("n").from_("numbers").join("others", join_type="cross")
    assert memory_tables(bind_rows(query, {"numbers": ONE})) == {"numbers": ONE}


def test_different_rows_of_one_name_are_refused() -> None:
    query = exp.select("n").from_(memory_table("numbers", ONE)).where(is_in(exp.column("n"), "numbers", OTHER))
    with pytest.raises(AssertionError, match="two tables are named numbers"):
        memory_tables(query)
