"""The tables that a pipeline is compiled to, each read from the one before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from spanlake.query.compile.outputs import ValueColumn
from spanlake.query.compile.sql import Sql, TypedValue
from spanlake.query.compile.structure import BASE, TRACE, StructuralStep

# Levels that DuckDB may inline. A level that is read twice doubles the plan, so that planning a chain of forty would
# never end; each level that is materialized costs a copy of the rows.
_INLINED = 6


@dataclass(frozen=True)
class SetAttribute:
    """A span set's attribute in results: its key, and the columns that may hold its value, each of one type."""

    key: str
    columns: tuple[ValueColumn, ...]
    is_group: bool

    @classmethod
    def of(cls, key: str, value: TypedValue, *, is_group: bool) -> "SetAttribute":
        """Make an attribute of a value whose alternatives are columns."""
        return cls(key, tuple(ValueColumn(part.sql.name, part.type, part.is_list) for part in value), is_group)


@dataclass(frozen=True)
class Figure:
    """An aggregate as columns, for comparisons and for results."""

    value: TypedValue
    shown: TypedValue


@dataclass(frozen=True)
class Figures:
    """The aggregates of the scalar filter that is compiled, by their text and the spans that they are limited to."""

    found: Mapping[tuple[str, str | None], Figure] = field(default_factory=dict)
    pipelines: tuple[str, ...] = ()  # the spans of pipelines that it aggregates


@dataclass(frozen=True)
class Levels:
    """The tables of a query so far: BASE, with a row for each span, and those after it, ``level1`` and on.

    Whatever adds to them returns other levels, with the names of what was added.
    """

    columns: tuple[exp.Expr, ...] = ()  # of BASE
    tables: tuple[exp.Query, ...] = ()  # after it
    steps: tuple[StructuralStep, ...] = ()  # further columns of BASE
    groups: tuple[str, ...] = ()  # columns that identify the span sets of a trace
    attributes: Mapping[str, SetAttribute] = field(default_factory=dict)  # of span sets in results, by their keys
    figures: Figures = Figures()
    row: str | None = None  # a column that identifies spans, once a span may have several rows
    names: int = 0  # that were given
    is_narrowed: bool = False  # the last level lacks rows of BASE

    @property
    def last(self) -> str:
        """The name of the last table."""
        return f"level{len(self.tables)}" if self.tables else BASE

    @property
    def partition(self) -> list[exp.Expr]:
        """The columns that rows of one span set share."""
        return [exp.column(name) for name in (TRACE, *self.groups)]

    @property
    def set_key(self) -> Sql:
        """The number of a row's span set."""
        return exp.func("hash", *map(exp.column, self.groups))

    def query(self, outputs: Sequence[exp.Expr]) -> exp.Select:
        """Return a query of the last table, which assumes that BASE is defined."""
        query = exp.select(*outputs).from_(exp.table_(self.last), copy=False)
        for n, table in enumerate(self.tables, 1):
            query.with_(f"level{n}", as_=table, materialized=n % _INLINED == 0 or None, copy=False)
        return query

    def named(self, kind: str) -> tuple["Levels", str]:
        """Return a name that no column has."""
        return replace(self, names=self.names + 1), f"{kind}_{self.names + 1}"

    def add(self, sql: Sql, kind: str = "b") -> tuple["Levels", str]:
        """Add a column to BASE; also returns its name."""
        levels, name = self.named(kind)
        return replace(levels, columns=(*levels.columns, exp.alias_(sql, name))), name

    def derive(self, sql: Sql, kind: str = "b") -> tuple["Levels", str]:
        """Add a table that has a column more; also returns its name."""
        levels, (name,) = self.derive_all([sql], kind)
        return levels, name

    def derive_all(self, every: Sequence[Sql], kind: str) -> tuple["Levels", list[str]]:
        """Add a table that has these columns more; also returns their names."""
        names = [f"{kind}_{self.names + n}" for n in range(1, len(every) + 1)]
        columns = [exp.alias_(sql, name, copy=False) for sql, name in zip(every, names, strict=True)]
        levels = replace(self, names=self.names + len(every))
        return levels._next(self._rows.select(*columns, copy=False)), names

    def keep(self, test: Sql) -> "Levels":
        """Add a table that has the rows that pass a test."""
        return replace(self._next(self._rows.where(test, copy=False)), is_narrowed=True)

    def merge_rows(self, columns: Sequence[str] = ()) -> tuple["Levels", list[str]]:
        """Leave one row for each span of a set; returns columns that hold where these hold in any row of the span."""
        if self.row is None:
            return self, list(columns)
        partition = [exp.column(name) for name in (self.row, *self.groups)]
        held = [
            exp.Window(this=exp.func("bool_or", exp.column(name)), partition_by=[part.copy() for part in partition])
            for name in columns
        ]
        levels, names = self.derive_all(held, "b")
        first = exp.Window(this=exp.RowNumber(), partition_by=partition)
        is_first = exp.EQ(this=first, expression=exp.Literal.number(1))
        return levels._next(levels._rows.qualify(is_first, copy=False)), names

    @property
    def _rows(self) -> exp.Select:
        return exp.select(exp.Star()).from_(exp.table_(self.last), copy=False)

    def _next(self, table: exp.Query) -> "Levels":
        return replace(self, tables=(*self.tables, table))
