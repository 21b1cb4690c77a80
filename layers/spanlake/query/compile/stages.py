"""Compiles the stages of a pipeline to tables, each read from the one before it.

A stage takes the tables so far and returns those with its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.arithmetic import Number, compute
from spanlake.query.compile.comparisons import compare_literals, compare_values
from spanlake.query.compile.fields import SPAN, AttributeSchema, FieldCompiler
from spanlake.query.compile.filters import Filters
from spanlake.query.compile.outputs import ValueColumn, distinct_structs
from spanlake.query.compile.predicates import PredicateCompiler, element_scopes
from spanlake.query.compile.scalars import SpansetAggregates, count, operand_of
from spanlake.query.compile.spans import ROW_ID
from spanlake.query.compile.sql import Sql, TypedSql, TypedValue
from spanlake.query.compile.structure import BASE, ROW, SET, TRACE, SpansetOperand, StructuralStep
from spanlake.traceql import ast
from spanlake.traceql.printer import print_aggregate, print_expression

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


@dataclass(frozen=True)
class Stages:
    """The stages of pipelines with these filters, over spans with these attributes."""

    filters: Filters
    schema: AttributeSchema

    @property
    def fields(self) -> FieldCompiler:
        """The fields as SQL."""
        return FieldCompiler(self.schema)

    def compile(self, levels: Levels, stage: ast.Stage) -> Levels:
        """Return the levels after a stage."""
        match stage:
            case ast.SpansetFilter() | ast.SpansetOperation():
                levels, found = self._spanset(levels, stage)
                return levels.keep(exp.column(found))
            case ast.Pipeline():
                for inner in stage.stages:
                    levels = self.compile(levels, inner)
                return levels
            case ast.ScalarFilter():
                return self._scalar_filter(levels, stage)
            case ast.GroupBy():
                return self._group(levels, stage)
            case ast.Coalesce():
                return replace(levels, groups=(), attributes={}).merge_rows()[0]
            case ast.Select():
                return levels

    # span sets: a boolean column each

    def _spanset(self, levels: Levels, node: ast.SpansetExpression, within: str | None = None) -> tuple[Levels, str]:
        """Compile a spanset expression: its spans of a set, or of ``within`` in each set."""
        if isinstance(node, ast.SpansetFilter):
            levels, found = levels.add(exp.func("coalesce", self.filters[node.condition].sql, exp.false(), copy=False))
            return (levels, found) if within is None else levels.derive(_both(within, exp.column(found)))
        if isinstance(node, ast.SpansetOperation):
            return self._operation(levels, node, within)
        return self._nested(levels, node, within)

    def _nested(self, levels: Levels, node: ast.Pipeline, within: str | None = None) -> tuple[Levels, str]:
        """Compile a pipeline in parentheses, which has groups of its own: the spans of a set that pass it."""
        first, *rest = node.stages
        if isinstance(first, ast.SpansetFilter | ast.SpansetOperation | ast.Pipeline):
            levels, column = self._spanset(levels, first, within)
        else:
            rest = list(node.stages)
            levels, column = levels.add(exp.true()) if within is None else (levels, within)
        outer = levels.groups
        for stage in rest:
            levels, column = self._narrowed(levels, column, stage)
        levels = replace(levels, groups=outer)
        if levels.row is None:
            return levels, column
        levels, (merged,) = levels.merge_rows([column])
        return levels, merged

    def _narrowed(self, levels: Levels, column: str, stage: ast.Stage) -> tuple[Levels, str]:
        match stage:
            case ast.SpansetFilter() | ast.SpansetOperation() | ast.Pipeline():
                return self._spanset(levels, stage, column)
            case ast.ScalarFilter():
                levels, test, _ = self._judged(levels, stage, column)
                return levels.derive(_both(column, test))
            case ast.GroupBy():
                return self._split(levels, stage.expression)[0], column
            case ast.Coalesce():
                return replace(levels, groups=()), column
            case ast.Select():
                return levels, column

    def _operation(self, levels: Levels, node: ast.SpansetOperation, within: str | None) -> tuple[Levels, str]:
        levels, left = self._spanset(levels, node.left, within)
        levels, right = self._spanset(levels, node.right, within)
        either = exp.or_(exp.column(left), exp.column(right))
        if node.op is ast.SpansetOperator.OR:
            return levels.derive(exp.paren(either))
        if node.op is ast.SpansetOperator.AND:
            return levels.derive(exp.and_(exp.paren(either), _in_set(levels, left), _in_set(levels, right)))
        if levels.groups:
            return _related_in_sets(levels, node.op, left, right)
        levels, found = levels.named("b")
        step = StructuralStep(found, node.op, _operand(levels, left), _operand(levels, right))
        return replace(levels, steps=(*levels.steps, step)), found

    # groups

    def _group(self, levels: Levels, stage: ast.GroupBy) -> Levels:
        levels, value = self._split(levels, stage.expression)
        key = f"by({print_expression(stage.expression)})"
        return _shown(levels, key, value, is_group=True)

    def _split(self, levels: Levels, expression: ast.FieldExpression) -> tuple[Levels, TypedValue]:
        """Compile a grouping to columns, with a row for each group of a span."""
        predicates = PredicateCompiler(self.fields)
        if element_scopes(expression):
            levels, value = self._split_by_elements(levels, *predicates.structs(expression))
        else:
            levels, value = _added(levels, predicates.whole(expression))
        return replace(levels, groups=(*levels.groups, *(part.sql.name for part in value))), value

    def _split_by_elements(
        self, levels: Levels, types: Sequence[ast.Type | None], items: Sql
    ) -> tuple[Levels, TypedValue]:
        if levels.row is None:
            levels, row = levels.add(exp.column(ROW_ID, table=SPAN), "r")
            levels = replace(levels, row=row)
        levels, name = levels.add(distinct_structs(items, len(types)), "s")
        levels, struct = levels.derive(exp.func("unnest", exp.column(name)), "u")
        members = [values.member(exp.column(struct), f"v{n}") for n in range(len(types))]
        levels, names = levels.derive_all(members, "g")
        return levels, tuple(TypedSql(type_, exp.column(name)) for type_, name in zip(types, names, strict=True))

    # numbers of sets

    def _scalar_filter(self, levels: Levels, stage: ast.ScalarFilter) -> Levels:
        levels, test, figures = self._judged(levels, stage, None)
        for (key, _), figure in figures.found.items():
            levels = _shown(levels, key, figure.shown, is_group=False)
        return levels.keep(test)

    def _judged(self, levels: Levels, stage: ast.ScalarFilter, within: str | None) -> tuple[Levels, Sql, Figures]:
        """Compile the test that a span's set passes, and that the span belongs to a compared pipeline, if any."""
        outer = levels.figures
        levels, compared = self._compared(replace(levels, figures=Figures()), stage, within)
        figures = levels.figures
        test: Sql = exp.func("coalesce", compared, exp.false())
        if figures.pipelines:
            test = exp.and_(test, exp.paren(values.any_of(exp.column(name) for name in figures.pipelines)))
        return replace(levels, figures=outer), test, figures

    def _compared(self, levels: Levels, stage: ast.ScalarFilter, within: str | None) -> tuple[Levels, Sql]:
        levels, left = self._scalar(levels, stage.left, within)
        levels, right = self._scalar(levels, stage.right, within)
        if isinstance(stage.right, ast.Static):
            return levels, compare_literals(stage.op, left, [stage.right])
        return levels, compare_values(stage.op, left, right)

    def _scalar(self, levels: Levels, node: ast.ScalarExpression, within: str | None) -> tuple[Levels, TypedValue]:
        """Compile a number for each row: of its span set, or of the spans of its set in ``within``."""
        match node:
            case ast.Static():
                return levels, (TypedSql(node.type, values.literal(node)),)
            case ast.Aggregate():
                return self._aggregate(levels, node, within)
            case ast.ScalarOperation():
                levels, left = self._scalar(levels, node.left, within)
                levels, right = self._scalar(levels, node.right, within)
                return levels, compute(node.op, Number.of(left), Number.of(right)).value
            case ast.ScalarPipeline():
                levels, spans = self._nested(levels, node.pipeline, within)
                figures = replace(levels.figures, pipelines=(*levels.figures.pipelines, spans))
                return self._scalar(replace(levels, figures=figures), node.scalar, spans)

    def _aggregate(self, levels: Levels, node: ast.Aggregate, within: str | None) -> tuple[Levels, TypedValue]:
        key = print_aggregate(node), within
        if key not in levels.figures.found:
            levels, figure = self._figure(levels, node, within)
            figures = replace(levels.figures, found={**levels.figures.found, key: figure})
            levels = replace(levels, figures=figures)
        return levels, levels.figures.found[key].value

    def _figure(self, levels: Levels, node: ast.Aggregate, within: str | None) -> tuple[Levels, Figure]:
        def over(function: exp.Expr) -> Sql:
            if within is not None:
                function = exp.Filter(this=function, expression=exp.Where(this=exp.column(within)))
            return exp.Window(this=function, partition_by=levels.partition)

        operand = operand_of(node, self.fields)
        if operand is None:
            levels, found = _derived(levels, count(over))
            return levels, Figure(found, found)
        names: list[str | None] = []
        for sql in operand.columns:
            levels, name = (levels, None) if sql is None else levels.add(sql, "v")
            names.append(name)
        aggregates = SpansetAggregates(operand.named(names), over)
        value, result = aggregates.value(node.function), aggregates.result(node.function)
        levels, compared = _derived(levels, value)
        levels, shown = _derived(levels, result) if result != value else (levels, compared)
        return levels, Figure(compared, shown)


def _both(column: str, test: Sql) -> Sql:
    return exp.and_(exp.column(column), test)


def _shown(levels: Levels, key: str, value: TypedValue, *, is_group: bool) -> Levels:
    return replace(levels, attributes={**levels.attributes, key: SetAttribute.of(key, value, is_group=is_group)})


def _added(levels: Levels, value: TypedValue) -> tuple[Levels, TypedValue]:
    """Return the value as columns of BASE."""
    parts = []
    for part in value:
        levels, name = levels.add(part.sql, "g")
        parts.append(TypedSql(part.type, exp.column(name), part.is_list))
    return levels, tuple(parts)


def _derived(levels: Levels, value: TypedValue) -> tuple[Levels, TypedValue]:
    """Return the value as columns of a further table."""
    levels, names = levels.derive_all([part.sql for part in value], "a")
    return levels, tuple(TypedSql(part.type, exp.column(name)) for part, name in zip(value, names, strict=True))


def _in_set(levels: Levels, column: str) -> Sql:
    return exp.Window(this=exp.func("bool_or", exp.column(column)), partition_by=levels.partition)


def _operand(levels: Levels, column: str) -> SpansetOperand:
    base = {each.alias_or_name for each in levels.columns} | {step.column for step in levels.steps}
    if column in base and not levels.is_narrowed:
        return SpansetOperand(column)
    return SpansetOperand(column, levels.query([exp.column(ROW)]).where(exp.column(column), copy=False).copy())


def _related_in_sets(levels: Levels, op: ast.SpansetOperator, left: str, right: str) -> tuple[Levels, str]:
    outputs = [exp.column(ROW), exp.alias_(levels.set_key, SET)]
    first, second = (
        SpansetOperand(column, levels.query(outputs).where(exp.column(column)).copy()) for column in (left, right)
    )
    levels, name = levels.named("b")
    levels = replace(levels, steps=(*levels.steps, StructuralStep(name, op, first, second, by_set=True)))
    is_found = exp.func("list_contains", exp.column(name), levels.set_key)
    return levels.derive(exp.func("coalesce", is_found, exp.false()))
