"""Tests Athena's translation of DuckDB functions that compute differently there."""

import math

import pytest
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.compile import sql
from spanlake.query.compile.arithmetic import Number, compute
from spanlake.query.compile.comparisons import compare_literals
from spanlake.query.compile.metrics import limit, nearest_power, whole_bucket
from spanlake.query.compile.sql import TypedSql
from spanlake.query.engine.athena.dialect import RANK_ERROR, printed
from spanlake.query.engine.base import NotSupportedByEngine
from spanlake.traceql import ast
from tests.trino import Trino

SHARES = (0.0, 0.1, 0.5, 0.9, 0.999, 1.0)
X = exp.column("x")


def of_numbers(column: exp.Expr) -> exp.Select:
    return exp.select(column).from_(exp.to_table("numbers"))


def number_of(column: exp.Expr) -> Number:
    return Number.of((TypedSql(ast.Type.FLOAT, column),))


def quantiles(trino: Trino, count: int) -> list[float]:
    """The quantiles of squares, in an order that is none."""
    shares = exp.Array(expressions=[sql.literal(ast.Static(ast.Type.FLOAT, share)) for share in SHARES])
    text = printed(of_numbers(exp.func("quantile_disc", X, shares)))
    side = min(count, 10_000)  # the longest sequence that Trino makes
    rows = f"UNNEST(sequence(0, {count // side - 1})) a(p), UNNEST(sequence(0, {side - 1})) b(q)"
    numbers = f"SELECT CAST(n * n AS DOUBLE) AS x FROM (SELECT p * {side} + q * 7919 % {side} + 1 AS n FROM {rows})"
    ((found,),) = trino.query(f"WITH numbers AS ({numbers}) {text}").rows
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("count", [1, 2, 10, 1_000, 10_000])
def test_quantiles_of_few_values_are_exact(trino: Trino, count: int) -> None:
    assert quantiles(trino, count) == [max(math.ceil(share * count - 1e-6), 1) ** 2 for share in SHARES]


def test_quantiles_of_many_values_are_close(trino: Trino) -> None:
    count = 300_000
    ranks = [math.sqrt(value) / count for value in quantiles(trino, count)]
    assert all(abs(rank - share) <= RANK_ERROR for rank, share in zip(ranks, SHARES, strict=True))


@pytest.mark.parametrize("is_whole", [False, True])
def test_powers_of_two_are_in_their_own_bucket(trino: Trino, is_whole: bool) -> None:
    numbers = [2**k + more for k in range(2, 62 if is_whole else 48) for more in (-1, 0, 1)]
    name, type_ = ("integer_power_above", "BIGINT") if is_whole else ("power_above", "DOUBLE")
    power = exp.Anonymous(this=name, expressions=[X, nearest_power(X, is_whole=is_whole)])
    listed = ", ".join(f"({type_} '{n}')" for n in numbers)
    rows = trino.query(f"WITH numbers AS (SELECT x FROM (VALUES {listed}) AS t(x)) {printed(of_numbers(power))}").rows
    assert [int(bucket) for (bucket,) in rows] == [(int(float(n)) - 1).bit_length() for n in numbers]


def test_buckets_of_integers_are_those_of_duckdb(trino: Trino) -> None:
    numbers = [*range(-3, 4), *(2**k + more for k in range(2, 62) for more in (-1, 0, 1))]
    text = printed(of_numbers(whole_bucket(X)))
    listed = ", ".join(f"(BIGINT '{n}')" for n in numbers)
    rows = trino.query(f"WITH numbers AS (SELECT x FROM (VALUES {listed}) AS t(x)) {text}").rows
    above = [float(2 ** (int(float(n)) - 1).bit_length()) for n in numbers if n > 0]
    assert [limit(int(bucket)) for (bucket,) in rows] == [-2.0, -2.0, -1.0, 0.0, *above]


def test_computed_floats_are_compared_without_nan(trino: Trino) -> None:
    product = compute(ast.BinaryOperator.MULTIPLY, number_of(X), number_of(exp.cast(exp.Literal.number(2), "DOUBLE")))
    three = [ast.Static(ast.Type.FLOAT, 3.0)]
    for op, expected in (
        (ast.BinaryOperator.GREATER, [False, False, True, True, False]),
        (ast.BinaryOperator.GREATER_EQUAL, [False, True, True, True, False]),
        (ast.BinaryOperator.LESS_EQUAL, [True, True, False, False, False]),
        (ast.BinaryOperator.NOT_EQUAL, [True, False, True, True, False]),
    ):
        test = exp.func("coalesce", compare_literals(op, product.value, three), exp.false())
        listed = ", ".join(f"(DOUBLE '{n}')" for n in ("1", "1.5", "1.6", "Infinity", "NaN"))
        numbers = f"WITH numbers AS (SELECT x FROM (VALUES {listed}) AS t(x))"
        rows = trino.query(f"{numbers} {printed(of_numbers(test))}").rows
        assert [found for (found,) in rows] == expected, op


@pytest.mark.parametrize(
    "column",
    [
        exp.func("hash", X),
        exp.func("approx_top_k", X, exp.Literal.number(3)),
        exp.func("regexp_full_match", X, exp.column("y")),
        exp.func("read_parquet", X),
        exp.func("log", X, dialect=DuckDB),
        exp.func("log10", X, dialect=DuckDB),
    ],
)
def test_what_is_not_known_is_not_sent(column: exp.Expr) -> None:
    with pytest.raises(NotSupportedByEngine, match=r"it |Athena"):
        printed(of_numbers(column))
