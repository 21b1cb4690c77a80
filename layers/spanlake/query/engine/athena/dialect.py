"""Queries in the dialect of Athena: the one place that knows what DuckDB's functions are called there.

Athena's engine is Trino. What stands in a query and is not in the list below is refused, so that nothing is sent that
means something else there.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.generator import Generator
from sqlglot.generators.trino import TrinoGenerator

from spanlake.query.compile.spans import TIES
from spanlake.query.engine.athena.regex import anchored
from spanlake.query.engine.base import NotSupportedByEngine

RANK_ERROR = 0.005


def printed(query: exp.Query) -> str:
    """Return the text of a query; raises NotSupportedByEngine for what has no counterpart."""
    if any(table.alias == TIES for table in query.find_all(exp.CTE)):
        raise NotSupportedByEngine("parents and children of spans are not supported on Athena")
    for node in query.walk():
        _check(node)
    return query.sql(_Athena, identify=True)


def _check(node: exp.Expr) -> None:
    if isinstance(node, exp.Anonymous):
        if node.name.lower() == "hash":  # by which the spans of a trace find each other
            raise NotSupportedByEngine("structural operators are not supported on Athena")
        if node.name.lower() not in _NAMED:
            raise NotSupportedByEngine(f"it has no function like {node.name.lower()}()")
    elif isinstance(node, exp.Func) and not isinstance(node, _SHARED):
        raise NotSupportedByEngine(f"it has no function like {node.sql_name().lower()}()")


_SHARED = (
    *(exp.And, exp.Or, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Cast, exp.TryCast, exp.Try),
    *(exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.LogicalOr, exp.ArgMin, exp.ArrayAgg, exp.RowNumber),
    *(exp.Greatest, exp.Least, exp.Abs, exp.Pow, exp.Log, exp.Ceil, exp.Round, exp.Hex, exp.Lower, exp.Chr, exp.IsNan),
    *(exp.Array, exp.ArrayFilter, exp.ArrayToString, exp.Length, exp.Struct, exp.StructExtract),
    *(exp.RegexpFullMatch, exp.JSONFormat, exp.Substring),
)


def _full_match(self: Generator, node: exp.RegexpFullMatch) -> str:
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string):
        raise NotSupportedByEngine("it takes no regular expression from a span")
    return self.func("REGEXP_LIKE", node.this, exp.Literal.string(anchored(pattern.this)))


def _logarithm(self: Generator, node: exp.Log) -> str:
    """Write a logarithm to base 2, which Athena has only with two arguments."""
    if node.expression is None or node.this.name != "2":
        raise NotSupportedByEngine("it takes no logarithm but that to base 2")
    return self.func("LOG2", node.expression)


def _power(number: str, nearest: str, is_off: str, step: str) -> str:
    """Return the power of two beside a number, given the nearest one; see DuckDB's macros."""
    power = f"{nearest} + CASE WHEN {number} {is_off} POWER(2, {nearest}) THEN {step} ELSE 0 END"
    return f"CAST(CASE WHEN IS_INFINITE({number}) THEN 1024 ELSE {power} END AS INTEGER)"


def _integer_power_above(self: Generator, number: exp.Expr, nearest: exp.Expr) -> str:
    power, value = self.sql(nearest), self.sql(number)
    less = f"{value} - 1 - BITWISE_RIGHT_SHIFT({value}, 53)"
    is_off = f"BITWISE_RIGHT_SHIFT({less}, CAST({power} AS INTEGER)) > 0"
    return f"CAST({power} + CASE WHEN {is_off} THEN 1 ELSE 0 END AS INTEGER)"


def _nullif(self: Generator, node: exp.Nullif) -> str:
    """Write NULLIF so that NaN equals NaN, which it does not in Athena."""
    if isinstance(node.expression, exp.Cast) and node.expression.this.name == "NaN":
        return f"IF({self.func('IS_NAN', node.this)}, NULL, {self.sql(node.this)})"
    return self.func("NULLIF", node.this, node.expression)


def _least(self: Generator, node: exp.Min) -> str:
    """Return the least of structs. By all members there is none where one can be NULL: it goes by all but the last."""
    if not isinstance(node.this, exp.Struct):
        return self.func("MIN", node.this)
    members = [self.sql(member.expression) for member in node.this.expressions]
    return f"MIN_BY(ROW({', '.join(members)}), ROW({', '.join(members[:-1])}))"


def _unfiltered(node: exp.Window) -> exp.Window:
    """Return the same without FILTER, which window functions do not take there."""
    found = node.this
    if not isinstance(found, exp.Filter):
        return node
    function, test = found.this.copy(), found.expression.this
    value = exp.Literal.number(1) if isinstance(function.this, exp.Star) else function.this
    function.set("this", exp.Case(ifs=[exp.If(this=test.copy(), true=value.copy())]))
    plain = node.copy()
    plain.set("this", function)
    return plain


def _anonymous(self: Generator, node: exp.Anonymous) -> str:
    return _NAMED[node.name.lower()](self, *node.expressions)


def _json_text(self: Generator, json: exp.Expr, path: exp.Expr) -> str:
    """Write a path of JSON; one through all items of a list finds a list."""
    start, wildcard, rest = path.name.partition("[*]")
    if not wildcard:
        return self.func("JSON_EXTRACT_SCALAR", json, path)
    items = f"CAST({self.func('JSON_EXTRACT', json, exp.Literal.string(start))} AS ARRAY(JSON))"
    texts = f"TRANSFORM({items}, j -> JSON_EXTRACT_SCALAR(j, '${rest}'))"
    return f"FILTER({texts}, t -> t IS NOT NULL)"


def _quantiles(self: Generator, value: exp.Expr, shares: exp.Expr) -> str:
    """Write quantiles as those of a digest: exact ones would take the memory of all values of a group.

    A digest holds some ten thousand numbers, so that it is exact of small groups, and of large ones a share that is off
    by no more than RANK_ERROR. It gives values that are there; APPROX_PERCENTILE() gives means of neighbours. Where a
    share is a whole number of values it gives the one after them, so it is asked for a little less.
    """
    less = ", ".join(f"GREATEST({self.sql(share)} - 1E-9, 0E0)" for share in shares.expressions)
    digest = self.func("QDIGEST_AGG", value, exp.Literal.number(1), exp.Literal.number(RANK_ERROR))
    return f"VALUES_AT_QUANTILES({digest}, ARRAY[{less}])"


_NAMED: dict[str, Callable[..., str]] = {
    "integer_power": lambda self, base, exponent: (
        f"REDUCE(REPEAT({self.sql(base)}, {self.sql(exponent)}), 0 * {self.sql(base)} + BIGINT '1', "
        "(s, x) -> s * x, s -> s)"
    ),
    "power_above": lambda self, number, nearest: _power(self.sql(number), self.sql(nearest), ">", "1"),
    "power_below": lambda self, number, nearest: _power(self.sql(number), self.sql(nearest), "<", "-1"),
    "integer_power_above": _integer_power_above,
    "log2": lambda self, number: self.func("LOG2", number),
    "row": lambda self, *members: self.func("ROW", *members),
    "list_transform": lambda self, items, change: self.func("TRANSFORM", items, change),
    "list_extract": lambda self, items, at: self.func("ELEMENT_AT", items, at),
    "json_extract_string": _json_text,
    "quantile_disc": _quantiles,
}


class _Athena(Trino):
    class Generator(TrinoGenerator):
        TRANSFORMS: ClassVar[dict[Any, Any]] = {
            **TrinoGenerator.TRANSFORMS,
            exp.Anonymous: _anonymous,
            exp.ArrayFilter: lambda self, node: self.func("FILTER", node.this, node.expression),
            exp.IntDiv: lambda self, node: self.binary(node, "/"),
            exp.Length: lambda self, node: self.func("CARDINALITY", node.this),
            exp.Log: _logarithm,
            exp.Min: _least,
            exp.Nullif: _nullif,
            exp.RegexpFullMatch: _full_match,
            exp.StructExtract: lambda self, node: f'{self.sql(node.this)}."{node.expression.name}"',
        }

        def window_sql(self, expression: exp.Window) -> str:
            """Return a window function."""
            return super().window_sql(_unfiltered(expression))

        def cte_sql(self, expression: exp.CTE) -> str:
            """Leave out MATERIALIZED: Trino decides itself whether a table is computed once."""
            expression.set("materialized", None)
            return super().cte_sql(expression)
