"""Counts how often values occur, of many columns in one pass: by value and cell, the most frequent values only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.sql import parsed
from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.spans.arrow import Array, float64, int64, scatter

CELLS = "cells"  # the table that is counted: a number named ``cell``, and the columns
VALUE = "value"
ROWS = "rows"  # the same, each row standing for ``n`` of them
CELL = "cell"  # a point in time, twice its number, and a side, 0 or 1
_TYPES = 4  # of values that one attribute may have: their series become one in the end

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
      FROM {written} GROUP BY which, value, side
      QUALIFY ROW_NUMBER() OVER (PARTITION BY which, side ORDER BY total DESC, value) <= {top}
    )
    UNION ALL
    SELECT which, NULL, cell % 2, LIST(cell), LIST(n) FROM (
      SELECT which, cell, CAST(SUM(n) AS BIGINT) AS n FROM counted GROUP BY which, cell
    ) GROUP BY which, cell % 2
"""


SeriesValues: TypeAlias = list[float]
"""A number for each point in time."""


@dataclass(frozen=True)
class Tally:
    """Number of occurrences of a column's value on a side, of any value where ``value`` is None. Values are text."""

    column: str
    side: int
    value: str | None
    counts: SeriesValues


@dataclass(frozen=True)
class Counter:
    """Counts columns: on each side the ``top`` most frequent values of each, at so many points, and all values."""

    session: Session
    top: int
    points: int

    def rows(self, query: exp.Select, columns: Sequence[str]) -> Iterator[Tally]:
        """Count columns, no more than the policy has in one statement, of the table ``rows`` that the query defines.

        Raises LimitExceeded for too many values or points.
        """
        texts = exp.alias_(_first([text(exp.column(name)) for name in columns]), VALUE)
        counted = _each(ROWS, columns, exp.Sum(this=exp.column("n")), [texts])
        query.with_("counted", as_=counted, materialized=True, copy=False)
        return self.tops(query, _codes(columns))

    def many(self, query: exp.Select, columns: Mapping[str, str], *, separately: bool) -> Iterator[Tally]:
        """Return the same of the table ``cells``, for columns of too many values to make rows of them first.

        What kind of values a column has is said by a name; those of columns of one name are of one type. The columns
        are counted in one pass over the cells, or ``separately``: in a pass for each over the spans that have it, which
        takes 40 % less time where a cell is quickly told.
        """
        kinds = sorted(set(columns.values()))
        typed = [exp.column(f"{VALUE}_{n}") for n in range(len(kinds))]
        if separately and len(columns) > 1:
            each = [_one(n, name, kinds.index(kind), len(kinds)) for n, (name, kind) in enumerate(columns.items())]
            every = exp.union(*each, distinct=False, copy=False).subquery("each", copy=False)
            counted, numbered = exp.select(exp.Star()).from_(every, copy=False), dict(enumerate(columns))
        else:
            values = [_first([exp.column(name) for name in columns if columns[name] == kind]) for kind in kinds]
            aliased = [exp.alias_(value, name.name) for value, name in zip(values, typed, strict=True)]
            counted = _each(CELLS, list(columns), exp.Count(this=exp.Star()), aliased)
            numbered = dict(_codes(list(columns)))
        counted.select(exp.alias_(exp.func("hash", *typed), VALUE), copy=False)
        query.with_("counted", as_=counted, materialized=True, copy=False)
        query.with_("frequent", as_=parsed(_FREQUENT.format(top=self.top)), copy=False)
        texts = exp.alias_(_first([text(value) for value in typed]), VALUE)
        query.with_("written", as_=parsed(_OF_FREQUENT).select(texts, copy=False), copy=False)
        return self.tops(query, numbered, written="written")

    def tops(self, query: exp.Select, columns: Mapping[int, str], *, written: str = "counted") -> Iterator[Tally]:
        """Yield the tallies of columns, given their numbers.

        The query defines the table ``counted``, of columns ``which, value, cell, n``, and maybe another that has values
        ``written`` as text and may lack those that are not frequent. Raises LimitExceeded for too many values or
        points.
        """
        most = self.session.limits.values
        found = parsed(_TOTALS_AND_TOPS.format(top=self.top, written=written)).subquery("found", copy=False)
        query.select(exp.Star(), copy=False).from_(found, copy=False).limit(most + 1, copy=False)
        table = self.session.run(query)
        if table.num_rows > most:
            raise LimitExceeded(f"compare() finds more than {most} values: ask for fewer of each attribute")
        self.check(table.num_rows // _TYPES)
        series = self._of_cells(table["cells"].combine_chunks(), table["counts"].combine_chunks())
        names = (table[name].to_pylist() for name in ("which", "side", "value"))
        for which, side, value, counts in zip(*names, series, strict=True):
            yield Tally(columns[which], side, value, counts)

    def check(self, series: int) -> None:
        """Raise LimitExceeded when so many series have too many points."""
        most = self.session.limits.points
        if series * self.points > most:
            raise LimitExceeded(
                f"compare() makes more than {most} points: ask for fewer values, a longer step or a shorter range"
            )

    def _of_cells(self, cells: Array, counts: Array) -> Iterator[SeriesValues]:
        """Return the values of series, given the cells and the counts of each."""
        starts = pc.multiply(pc.list_parent_indices(cells), int64(self.points))
        at = pc.add(starts, pc.shift_right(cells.flatten().cast(pa.int64()), int64(1)))
        numbers = scatter(counts.flatten().cast(pa.float64()), at, len(cells) * self.points)
        every: SeriesValues = pc.fill_null(numbers, float64(0.0)).to_pylist()
        return (every[start : start + self.points] for start in range(0, len(every), self.points))


def with_rows(query: exp.Select, columns: list[str], keys: list[str]) -> exp.Select:
    """Define the table ``rows``: rows of ``cells`` as one of which the ``keys`` tell that they are equal.

    Then counting is much less work.
    """
    grouped = [exp.column(name) for name in (CELL, *keys)]
    others = [exp.alias_(exp.AnyValue(this=exp.column(name)), name) for name in columns]
    count = exp.alias_(exp.Count(this=exp.Star()), "n")
    rows = exp.select(*grouped, *others, count).from_(exp.table_(CELLS)).group_by(*grouped)
    return query.with_(ROWS, as_=rows, copy=False)


def _each(table: str, columns: Sequence[str], count: exp.Expr, values: Sequence[exp.Expr]) -> exp.Select:
    """Count values: ``cell, which, n`` and values, by a grouping set for each column. ``which`` lacks its bit."""
    names = [exp.column(name) for name in columns]
    sets = [exp.Tuple(expressions=[exp.column(CELL), name]) for name in names]
    which = exp.alias_(exp.func("grouping", *names), "which")
    grouped = exp.select(exp.column(CELL), which, exp.alias_(exp.cast(count, "BIGINT"), "n"), *values).from_(table)
    grouped.set("group", exp.Group(grouping_sets=[exp.GroupingSets(expressions=sets)]))
    every = exp.select(exp.Star()).from_(grouped.subquery("grouped", copy=False), copy=False)
    return every.where(exp.or_(*(_is_there(exp.column(value.alias)) for value in values)), copy=False)


def _one(number: int, name: str, kind: int, kinds: int) -> exp.Select:
    """Count one column of the table ``cells``: ``which, cell, n`` and a column for each kind, NULL but for its own."""
    value = exp.column(name)
    typed = [exp.alias_(value.copy() if n == kind else exp.Null(), f"{VALUE}_{n}") for n in range(kinds)]
    count = exp.alias_(exp.Count(this=exp.Star()), "n")
    found = exp.select(exp.alias_(sql.number(number), "which"), exp.column(CELL), count, *typed).from_(
        CELLS, copy=False
    )
    return found.where(_is_there(value.copy()), copy=False).group_by(exp.column(CELL), value, copy=False)


def _codes(columns: Sequence[str]) -> Mapping[int, str]:
    every = (1 << len(columns)) - 1
    return {every - (1 << (len(columns) - 1 - n)): column for n, column in enumerate(columns)}


def _first(values: list[exp.Expr]) -> exp.Expr:
    """Return the first that is not NULL."""
    return exp.Coalesce(this=values[0], expressions=values[1:])


def text(value: exp.Expr) -> exp.Expr:
    """Return a value as text."""
    return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type.VARCHAR))


def _is_there(value: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=value, expression=exp.Null()))
