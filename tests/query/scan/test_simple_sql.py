"""SQL that is evaluated in Arrow means what DuckDB makes of it; all other SQL is left to DuckDB."""

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from spanlake.query.scan.simple_sql import evaluated, is_simple

SPANS = pa.table(
    {
        "name": pa.array(["a", "b", None, "", "Ä", "a"], pa.string()),
        "start": pa.array([1, -(2**63), None, 2**63 - 1, 0, -5], pa.int64()),
        "status": pa.array([0, 1, 2, None, -1, 2**31 - 1], pa.int32()),
        "retry": pa.array([True, False, None, True, None, False], pa.bool_()),
        "ratio": pa.array([0.5, None, float("nan"), float("inf"), 1.0, -0.0], pa.float64()),
    }
)
SIMPLE = (
    "COALESCE(TRUE, FALSE)",
    "COALESCE(s.status = 2, FALSE)",
    "s.status = 2",
    "s.status <> 2 AND s.name = 'a'",
    "(s.status > 0 OR s.name = 'Ä') AND NOT s.retry",
    "s.retry = TRUE OR s.status >= -1",
    "NOT COALESCE(s.name <> 'a', FALSE)",
    "s.start < -5",
    "s.start <= 9223372036854775807",
    "s.start > s.status",
    "s.status = 9223372036854775807",
    "COALESCE(s.status, 0)",
    "COALESCE(s.start, -1)",
    "COALESCE(s.name, '')",
    "s.name = s.name",
    "s.ratio",
    "s.name",
    "TRUE AND s.retry",
    "'x'",
)
LEFT_TO_DUCKDB = (
    "s.ratio = 0.5",
    "s.ratio > 1",
    "COALESCE(s.ratio, 0)",
    "s.status = 0.5",
    "s.name = 1",
    "s.name > 'a'",
    "s.name LIKE 'a%'",
    "s.status + 1 = 2",
    "s.retry > FALSE",
    "s.status AND TRUE",
    "NOT s.status",
    "s.name IS NULL",
    "s.missing = 1",
    "p.status = 1",
    "COALESCE(s.status, 2147483648)",
    "COALESCE(s.status, 'a')",
    "s.start = 9223372036854775808",
    "REGEXP_FULL_MATCH(s.name, 'a')",
    "s.status IN (1, 2)",
    "- s.status",
)


def parsed(text: str) -> exp.Expr:
    return exp.select(sqlglot.parse_one(f"{text} AS told", read="duckdb")).expressions[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("text", SIMPLE)
def test_simple_sql_has_the_values_and_types_of_duckdb(text: str) -> None:
    sql = parsed(text)
    connection = duckdb.connect()
    connection.register("spans", SPANS)
    expected = connection.execute(f"SELECT {text} AS told FROM spans AS s").to_arrow_table()
    assert is_simple(sql, SPANS.schema)
    found = evaluated(sql, SPANS)
    assert found.type == expected["told"].type
    assert str(found.to_pylist()) == str(expected["told"].to_pylist())


@pytest.mark.parametrize("text", LEFT_TO_DUCKDB)
def test_other_sql_is_left_to_duckdb(text: str) -> None:
    assert not is_simple(parsed(text), SPANS.schema)
