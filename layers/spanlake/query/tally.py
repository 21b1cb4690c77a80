"""Counts how often values occur, of many columns in one pass: by value and cell, the most frequent values only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.duck import Session
from spanlake.query.limits import LimitExceeded

CELLS = "cells"  # the table that is counted: a number named ``cell``, and the columns
VALUE = "value"
ROWS = "rows"  # the same, each row standing for ``n`` of them
CELL = "cell"
WIDEST = 48  # columns in one query: GROUPING() takes no more than 64
_CANDIDATES = 100  # on each side; DuckDB watches three times as many values

# Of many values, most are never shown: they are told apart by hashes, and only the frequent ones are written as text.
_FREQUENT = """
    SELECT which, value, cell % 2 AS side FROM counted GROUP BY which, value, side
    QUALIFY RANK() OVER (PARTITION BY which, side ORDER BY SUM(n) DESC) <= {top}
"""
_OF_FREQUENT = """
    SELECT c.which, cell, n FROM counted AS c JOIN frequent AS f
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


def tally(session: Session, query: exp.Select, columns: Sequence[str], top: int) -> Iterator[Tally]:
    """Count columns, up to ``WIDEST`` of them, of the table ``rows`` that the query defines.

    Raises LimitExceeded for too many values.
    """
    texts = exp.alias_(_first([text(exp.column(name)) for name in columns]), VALUE)
    counted = _each(ROWS, columns, exp.Sum(this=exp.column("n")), [texts])
    query.with_("counted", as_=counted, materialized=True, copy=False)
    query.with_("written", as_=parsed("SELECT * FROM counted"), copy=False)
    return tops(session, query, _codes(columns), top)


def tally_many(session: Session, query: exp.Select, columns: Mapping[str, str], top: int) -> Iterator[Tally]:
    """The same of the table ``cells``, for columns of too many values to make rows of them first.

    What kind of values a column has is said by a name; those of columns of one name are of one type.
    """
    kinds = sorted(set(columns.values()))
    values = [_first([exp.column(name) for name in columns if columns[name] == kind]) for kind in kinds]
    aliased = [exp.alias_(value, f"{VALUE}_{n}") for n, value in enumerate(values)]
    typed = [exp.column(value.alias) for value in aliased]
    counted = _each(CELLS, list(columns), exp.Count(this=exp.Star()), aliased)
    counted.select(exp.alias_(exp.func("hash", *typed), VALUE), copy=False)
    query.with_("counted", as_=counted, materialized=True, copy=False)
    query.with_("frequent", as_=parsed(_FREQUENT.format(top=top)), copy=False)
    texts = exp.alias_(_first([text(value) for value in typed]), VALUE)
    query.with_("written", as_=parsed(_OF_FREQUENT).select(texts, copy=False), copy=False)
    return tops(session, query, _codes(list(columns)), top)


def tops(session: Session, query: exp.Select, columns: Mapping[int, str], top: int) -> Iterator[Tally]:
    """How often columns have a value, and which most often, given their numbers.

    The query defines the tables ``counted`` and ``written``, of columns ``which, value, cell, n``, the latter with
    values as text; it may lack values that are not frequent. Raises LimitExceeded for too many values.
    """
    limit = session.limits.values
    found = parsed(_TOTALS_AND_TOPS.format(top=top)).subquery("found", copy=False)
    query.select(exp.Star(), copy=False).from_(found, copy=False).limit(limit + 1, copy=False)
    table = session.table(query)
    if table.num_rows > limit:
        raise LimitExceeded(f"compare() finds more than {limit} values: ask for fewer of each attribute")
    for row in table.to_pylist():
        yield _read(row, columns)


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


def parsed(text: str) -> exp.Select:
    """A query whose text is part of the program."""
    return _remembered(text).copy()


@lru_cache(maxsize=64)
def _remembered(text: str) -> exp.Select:
    found: exp.Select = exp.maybe_parse(text, dialect=DuckDB)
    return found


def _read(row: dict[str, Any], columns: Mapping[int, str]) -> Tally:
    return Tally(columns[row["which"]], row["side"], row["value"], dict(zip(row["cells"], row["counts"], strict=True)))


def _each(table: str, columns: Sequence[str], count: exp.Expr, values: Sequence[exp.Expr]) -> exp.Select:
    """``cell, which, n`` and values, where there is one: a grouping set a column, for which ``which`` lacks a bit."""
    names = [exp.column(name) for name in columns]
    sets = [exp.Tuple(expressions=[exp.column(CELL), name]) for name in names]
    which = exp.alias_(exp.func("grouping", *names), "which")
    grouped = exp.select(exp.column(CELL), which, exp.alias_(exp.cast(count, "BIGINT"), "n"), *values).from_(table)
    grouped.set("group", exp.Group(grouping_sets=[exp.GroupingSets(expressions=sets)]))
    every = exp.select(exp.Star()).from_(grouped.subquery("grouped", copy=False), copy=False)
    return every.where(exp.or_(*(_is_there(exp.column(value.alias)) for value in values)), copy=False)


def _codes(columns: Sequence[str]) -> Mapping[int, str]:
    every = (1 << len(columns)) - 1
    return {every - (1 << (len(columns) - 1 - n)): column for n, column in enumerate(columns)}


def _first(values: list[exp.Expr]) -> exp.Expr:
    """The first that is not NULL."""
    return exp.Coalesce(this=values[0], expressions=values[1:])


def text(value: exp.Expr) -> exp.Expr:
    """A value as text."""
    return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.VARCHAR))


def _is_there(value: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=value, expression=exp.Null()))
