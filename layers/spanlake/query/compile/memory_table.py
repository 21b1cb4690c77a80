"""Arrow tables as tables of a query. The tree of the query holds their rows, so that it says by itself what it reads.

An engine that runs the query asks for the tables with ``memory_tables``. Names are for readers of the SQL; different
rows in one query have different names.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

_ROWS = "rows"


@dataclass(frozen=True, eq=False)
class _Rows:
    """The argument of a node: trees that are compared or copied share it."""

    table: pa.Table


def memory_table(name: str, rows: pa.Table) -> exp.Table:
    """Return a table with these rows, for a FROM or a JOIN."""
    node = exp.table_(name)
    node.set(_ROWS, _Rows(rows))
    return node


def bind_rows(query: exp.Select, tables: Mapping[str, pa.Table]) -> exp.Select:
    """Give the tables of a query their rows, by name; changes the query."""
    for node in query.find_all(exp.Table):
        if node.name in tables:
            node.set(_ROWS, _Rows(tables[node.name]))
    return query


def is_in(column: exp.Column, name: str, rows: pa.Table) -> exp.Expr:
    """Return the test that a column has one of the values of the column of its name in the rows."""
    found = exp.select(exp.column(column.name)).from_(memory_table(name, rows), copy=False)
    return exp.In(this=column, query=found.subquery(copy=False))


def memory_tables(query: exp.Query) -> dict[str, pa.Table]:
    """Return the rows of the Arrow tables that a query reads, by name."""
    found: dict[str, _Rows] = {}
    for node in query.find_all(exp.Table):
        rows = node.args.get(_ROWS)
        if rows is not None:
            known = found.setdefault(node.name, rows)
            assert known is rows or known.table.equals(rows.table), f"two tables are named {node.name}"
    return {name: rows.table for name, rows in found.items()}
