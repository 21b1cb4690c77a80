"""Counts how often values occur, of many columns in one pass: by value and cell, the most frequent values only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.duck import Session
from spanlake.query.limits import LimitExceeded
from spanlake.traceql.values import case

CELLS = "cells"  # the table that is counted: a number named ``cell``, and the columns
ROWS = "rows"  # the same, each row standing for ``n`` of them
CELL = "cell"
WIDEST = 48  # columns in one query: GROUPING() takes no more than 64
_CANDIDATES = 100  # on each side; DuckDB watches three times as many values

# Of many values, most are never shown: they are told apart by hashes, and only the frequent ones are written as text.
_FREQUENT = """
    SELECT which, value, cell % 2 AS side FROM counted GROUP BY which, value, side
    QUALIFY RANK() OVER (PARTITION BY which, side ORDER BY SUM(n) DESC) <= {top}
"""
_WRITTEN = """
    SELECT c.which, cell, n, text AS value FROM counted AS c JOIN frequent AS f
    ON f.which = c.which AND f.value = c.value AND f.side = c.cell % 2
"""
_TOTALS_AND_TOPS = """
    SELECT which, value, side, cells, counts FROM (
      SELECT which, value, cell % 2 AS side, LIST(cell) AS cells, LIST(n) AS counts, SUM(n) AS total
      FROM written GROUP BY which, value, side
      QUALIFY ROW_NUMBER() OVER (PARTITION BY which, side ORDER BY total DESC, value) <= {top}
    )
    UNION ALL
    SELECT which, NULL, cell % 2, LIST(cell), LIST(n) FROM (
      SELECT which, cell, CAST(SUM(n) AS BIGINT) AS n FROM counted GROUP BY which, cell
    ) GROUP BY which, cell % 2
"""


@dataclass(frozen=True)
class Tally:
    """How often a value of a column, or with ``value`` None any, occurs in each cell of a side: cells differ from
    each other by two, those of side 1 are odd. Values are written as text."""

    column: str
    side: int
    value: str | None
    counts: dict[int, int]


def tally(session: Session, query: exp.Select, columns: list[str], top: int) -> Iterator[Tally]:
    """Count columns, up to ``WIDEST`` of them, of the table ``rows`` or else ``cells`` that the query defines.

    Raises LimitExceeded for too many values.
    """
    limit = session.limits.values
    is_many = not _has_rows(query)
    query.with_("counted", as_=_counted(columns, is_many), materialized=True, copy=False)
    if is_many:
        query.with_("frequent", as_=_parsed(_FREQUENT.format(top=top)), copy=False)
    query.with_("written", as_=_written(columns) if is_many else _parsed("SELECT * FROM counted"), copy=False)
    tops = _parsed(_TOTALS_AND_TOPS.format(top=top)).subquery("found", copy=False)
    query.select(exp.Star(), copy=False).from_(tops, copy=False).limit(limit + 1, copy=False)
    found = session.table(query)
    if found.num_rows > limit:
        raise LimitExceeded(f"compare() finds more than {limit} values: ask for fewer of each attribute")
    codes = {_code(n, len(columns)): column for n, column in enumerate(columns)}
    for row in found.to_pylist():
        yield _read(row, codes)


def totals(session: Session, query: exp.Select, columns: list[str]) -> Iterator[Tally]:
    """How often the columns of the table ``cells`` that the query defines have a value."""
    counts = [exp.alias_(exp.Count(this=exp.column(name)), name) for name in columns]
    query.select(exp.column(CELL), *counts, copy=False).from_(exp.to_table(CELLS), copy=False)
    table = session.table(query.group_by(exp.column(CELL), copy=False)).to_pydict()
    for name in columns:
        for side in (0, 1):
            pairs = zip(table[CELL], table[name], strict=True)
            yield Tally(name, side, None, {cell: n for cell, n in pairs if n and cell % 2 == side})


def candidates(session: Session, query: exp.Select, columns: list[str], most: int) -> dict[str, list[Any]]:
    """For columns of the table ``cells`` that the query defines: values among which the most frequent ones are.

    That holds of values that make up more than a three hundredth of the column. It takes little memory, however many
    values there are.
    """
    found = [_frequent(name, side, most) for name in columns for side in (0, 1)]
    query.select(*found, copy=False).from_(exp.to_table(CELLS), copy=False)
    (row,) = session.table(query).to_pylist()
    return {name: [*(row[f"{name}_0"] or ()), *(row[f"{name}_1"] or ())] for name in columns}


def _frequent(column: str, side: int, least: int) -> exp.Expr:
    most = exp.Literal.number(max(least, _CANDIDATES))
    top = exp.Anonymous(this="approx_top_k", expressions=[exp.column(column), most])
    is_side = exp.EQ(this=exp.column(CELL) % 2, expression=exp.Literal.number(side))
    there = exp.and_(is_side, _is_there(exp.column(column)))
    return exp.alias_(exp.Filter(this=top, expression=exp.Where(this=there)), f"{column}_{side}")


def with_rows(
    query: exp.Select,
    columns: list[str],
    keys: list[str] | None = None,
    only: Sequence[exp.Expr] = (),
    *,
    sparse: bool = False,
) -> exp.Select:
    """Define the table ``rows``: rows of ``cells`` as one that are equal, or of which the ``keys`` tell that they are.

    Then counting is much less work for columns that have few values, or whose values depend on each other. ``only``
    are the values of the one column that are counted, if not all. ``sparse`` leaves out rows without any value.
    """
    grouped = [exp.column(name) for name in (CELL, *(columns if keys is None else keys))]
    others = [] if keys is None else [exp.alias_(exp.AnyValue(this=exp.column(name)), name) for name in columns]
    count = exp.alias_(exp.Count(this=exp.Star()), "n")
    rows = exp.select(*grouped, *others, count).from_(exp.to_table(CELLS)).group_by(*grouped)
    if only:
        rows.where(exp.In(this=exp.column(columns[0]), expressions=list(only)), copy=False)
    if sparse:
        rows.where(exp.or_(*(_is_there(exp.column(name)) for name in columns)), copy=False)
    return query.with_(ROWS, as_=rows, copy=False)


def with_weighted_rows(query: exp.Select, column: str, weight: str) -> exp.Select:
    """Define the table ``rows``: rows of ``cells`` as one that are equal in one column. They count by their weights."""
    grouped = [exp.column(CELL), exp.column(column)]
    count = exp.alias_(exp.cast(exp.Sum(this=exp.column(weight)), "BIGINT"), "n")
    return query.with_(ROWS, as_=exp.select(*grouped, count).from_(exp.to_table(CELLS)).group_by(*grouped), copy=False)


def _has_rows(query: exp.Select) -> bool:
    return any(table.alias == ROWS for table in query.args["with_"].expressions)


def _parsed(text: str) -> exp.Query:
    return _remembered(text).copy()


@lru_cache(maxsize=64)
def _remembered(text: str) -> exp.Query:
    found: exp.Expr = exp.maybe_parse(text, dialect=DuckDB)
    assert isinstance(found, exp.Query)
    return found


def _written(columns: list[str]) -> exp.Query:
    found = _parsed(_WRITTEN)
    for column in list(found.find_all(exp.Column)):
        if column.name == "text":
            column.replace(_texts(columns, table="c"))
    return found


def _texts(columns: list[str], table: str | None = None) -> exp.Expr:
    """The text of the one that is not NULL."""
    return _first([_text(exp.column(name, table=table)) for name in columns])


def _read(row: dict[str, Any], codes: dict[int, str]) -> Tally:
    return Tally(codes[row["which"]], row["side"], row["value"], dict(zip(row["cells"], row["counts"], strict=True)))


def _counted(columns: list[str], is_many: bool) -> exp.Select:
    """``which, value, cell, n``: one grouping set a column. ``which`` has a bit for every column but the value's.

    ``value`` is the text; of many values a hash of 64 bits, which tells apart as many as ever come together, and the
    columns are there as well.
    """
    values = [exp.column(name) for name in columns]
    count = exp.Count(this=exp.Star()) if is_many else exp.Sum(this=exp.column("n"))
    sets = exp.GroupingSets(expressions=[exp.Tuple(expressions=[exp.column(CELL), value]) for value in values])
    grouped = exp.select(
        exp.column(CELL),
        *(values if is_many else ()),
        exp.alias_(exp.func("grouping", *values), "which"),
        exp.alias_(_hashes(columns) if is_many else _texts(columns), "value"),
        exp.alias_(exp.cast(count, "BIGINT"), "n"),
    ).from_(exp.to_table(CELLS if is_many else ROWS))
    grouped.set("group", exp.Group(grouping_sets=[sets]))
    every = exp.select(exp.Star()).from_(grouped.subquery("grouped", copy=False), copy=False)
    return every.where(_is_there(exp.column("value")), copy=False)


def _hashes(columns: list[str]) -> exp.Expr:
    """The hash of the one that is not NULL."""
    return _first([case(_is_there(exp.column(name)), _hash(exp.column(name))) for name in columns])


def _first(values: list[exp.Expr]) -> exp.Expr:
    """The first that is not NULL."""
    return exp.Coalesce(this=values[0], expressions=values[1:])


def _text(value: exp.Expr) -> exp.Expr:
    return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.VARCHAR))


def _hash(value: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="hash", expressions=[value])


def _is_there(value: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=value, expression=exp.Null()))


def _code(n: int, columns: int) -> int:
    return (1 << columns) - 1 - (1 << (columns - 1 - n))
