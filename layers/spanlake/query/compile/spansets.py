"""Compiles a validated pipeline to SQL: matching spans, their span sets, and the attributes of results.

The query is a chain of tables. The first, ``level0``, has a row for each span, with everything that later stages need
as columns: the result of each filter, the values to group by and to aggregate. Every spanset operator and every stage
then adds columns, or drops rows, by window functions over the spans of a trace, or of a span set: the rows of a trace
with equal group values. A span that is in several groups, by its events, has a row in each.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.arithmetic import Number, compute
from spanlake.query.compile.columns import AttributeSchema
from spanlake.query.compile.comparisons import compare_literals, compare_values
from spanlake.query.compile.fields import SPAN, FieldCompiler, span_column
from spanlake.query.compile.filters import Filters, compile_filters
from spanlake.query.compile.outputs import ValueColumn, distinct_structs
from spanlake.query.compile.predicates import PredicateCompiler, element_scopes
from spanlake.query.compile.prefilter import Prefilter
from spanlake.query.compile.scalars import SpansetAggregates, count, operand_of
from spanlake.query.compile.spans import ROW_ID, Compiled, Needs, StructureInput, compile_spans, define_first
from spanlake.query.compile.sql import Sql, TypedSql, TypedValue
from spanlake.query.compile.structure import BASE, ROW, SET, TRACE, SpansetOperand, StructuralStep, base_columns
from spanlake.query.plan import SearchPlan
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
class SpanPipeline:
    """A pipeline over spans with these attributes. Its filters are compiled once, for all of its queries."""

    plan: SearchPlan
    schema: AttributeSchema

    @cached_property
    def filters(self) -> Filters:
        """The compiled spanset filters."""
        return compile_filters(self.plan.pipeline, self.schema)

    @cached_property
    def prefilter(self) -> Prefilter:
        """The tests that the spans of every matching trace pass."""
        return Prefilter.of(self.plan, self.filters, self.schema)

    def matching(self, columns: Sequence[exp.Expr], where: Sql | None = None) -> Compiled:
        """Compile ``SELECT columns`` of the matching spans, each once and each column named by its alias.

        ``where`` is a further test of a matching span.
        """
        candidates = self.prefilter.candidates
        if self.plan.only_filter is None:
            return _Chain(self.filters, self.schema, self.plan.is_structural).build(
                self.plan.pipeline, columns, where, candidates
            )
        return compile_spans(columns, [self.only_test, *([where] if where is not None else [])], candidates)

    @property
    def only_test(self) -> Sql:
        """The test of a pipeline with just one spanset filter."""
        assert self.plan.only_filter is not None
        return self.filters[self.plan.only_filter].sql

    def sets(self, columns: Sequence[exp.Expr]) -> tuple[Compiled, list[SetAttribute]]:
        """Compile ``SELECT columns, set attributes`` of the matching spans of whole traces, each once in every set;
        also returns the attributes of sets, in the order of the stages.
        """
        if self.plan.only_filter is not None:
            return self.matching(columns), []
        chain = _Chain(self.filters, self.schema, self.plan.is_structural, by_set=True)
        compiled = chain.build(self.plan.pipeline, columns, None, None)
        return compiled, list(chain.shown_of_sets.values())

    def judges_alone(self, *columns: exp.Expr) -> bool:
        """True where a span is evaluated without the other spans of its trace, these columns of it too."""
        if self.plan.only_filter is None:
            return False
        tests = self.filters[self.plan.only_filter].tests
        return not any(test.needs.whole_traces for test in tests) and not Needs.of(*columns).whole_traces


@dataclass
class _Chain:
    """The tables of one query while it is compiled."""

    filters: Filters
    schema: AttributeSchema
    is_structural: bool
    by_set: bool = False  # a span of several sets is returned for each
    columns: list[exp.Expr] = field(default_factory=list)  # of level0
    tables: list[tuple[str, exp.Query]] = field(default_factory=list)  # the levels after it
    steps: list[StructuralStep] = field(default_factory=list)  # further columns of level0
    level: int = 0
    shown_of_sets: dict[str, SetAttribute] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)  # columns that identify the sets of a trace
    pipelines: list[str] = field(default_factory=list)  # spans of the pipelines that the current stage aggregates
    aggregates: dict[tuple[str, str | None], "Figure"] = field(default_factory=dict)  # of the current stage
    figures: dict[str, "Figure"] = field(default_factory=dict)  # of the last stage that compared numbers
    row: str | None = None  # a column that identifies spans, once a span may have several rows
    names: int = 0
    is_narrowed: bool = False  # the current level lacks rows of level0

    @property
    def fields(self) -> FieldCompiler:
        return FieldCompiler(self.schema)

    def build(
        self, pipeline: ast.Pipeline, columns: Sequence[exp.Expr], where: Sql | None, candidates: Compiled | None
    ) -> Compiled:
        trace = span_column(TRACE)
        if self.is_structural and TRACE not in {column.alias_or_name for column in columns}:
            trace = exp.func("hash", trace)  # not part of the results: it need only distinguish traces
        self.columns += [column for column in columns if column.alias_or_name != TRACE]
        if self.is_structural:
            self.columns += base_columns()
        for stage in pipeline.stages:
            self._stage(stage)
        if where is not None:
            self._keep(exp.column(self._add(where)))
        if not self.by_set:
            self.groups = []
            self._merge_rows([])
        outputs = [exp.column(column.alias_or_name) for column in columns]
        if self.by_set:
            outputs += [exp.column(part.name) for found in self.shown_of_sets.values() for part in found.columns]
        base = compile_spans([exp.alias_(trace, TRACE), *self.columns], (), candidates, together=True)
        query = self._query(outputs)
        if self.is_structural:
            return Compiled(query, (StructureInput(base, tuple(self.steps)),))
        define_first(query, BASE, base.sql, materialized=True)
        return Compiled(query, base.inputs)

    def _query(self, outputs: Sequence[exp.Expr]) -> exp.Select:
        """Return a query of the last level, which assumes that BASE is defined."""
        query = exp.select(*outputs).from_(exp.table_(self._table()), copy=False)
        for n, (name, table) in enumerate(self.tables, 1):
            query.with_(name, as_=table, materialized=n % _INLINED == 0 or None, copy=False)
        return query

    def _table(self) -> str:
        return f"level{self.level}"

    def _next(self, table: exp.Query) -> None:
        self.level += 1
        self.tables.append((self._table(), table))

    def _name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}_{self.names}"

    def _add(self, sql: Sql, kind: str = "b") -> str:
        """Add a column to level0."""
        name = self._name(kind)
        self.columns.append(exp.alias_(sql, name))
        return name

    def _derive(self, sql: Sql, kind: str = "b") -> str:
        """Add a column in a new level."""
        (name,) = self._derive_all([sql], kind)
        return name

    def _derive_all(self, every: Sequence[Sql], kind: str) -> list[str]:
        """Add columns in a new level."""
        names = [self._name(kind) for _ in every]
        columns = [exp.alias_(sql, name, copy=False) for sql, name in zip(every, names, strict=True)]
        self._next(exp.select(exp.Star(), *columns).from_(exp.table_(self._table()), copy=False))
        return names

    def _keep(self, test: Sql) -> None:
        self.is_narrowed = True
        level = exp.select(exp.Star()).from_(exp.table_(self._table()), copy=False)
        self._next(level.where(test, copy=False))

    def _stage(self, stage: ast.Stage) -> None:
        match stage:
            case ast.SpansetFilter() | ast.SpansetOperation():
                self._keep(exp.column(self._spanset(stage)))
            case ast.Pipeline():
                for inner in stage.stages:
                    self._stage(inner)
            case ast.ScalarFilter():
                self._scalar_filter(stage)
            case ast.GroupBy():
                self._group(stage)
            case ast.Coalesce():
                self.groups.clear()
                self.shown_of_sets.clear()
                self._merge_rows([])
            case ast.Select():
                pass

    # span sets: a boolean column each

    def _spanset(self, node: ast.SpansetExpression, within: str | None = None) -> str:
        """Compile a spanset expression: its spans of a set, or of ``within`` in each set."""
        if isinstance(node, ast.SpansetFilter):
            found = self._add(exp.func("coalesce", self.filters[node.condition].sql, exp.false(), copy=False))
            return found if within is None else self._derive(exp.and_(exp.column(within), exp.column(found)))
        if isinstance(node, ast.SpansetOperation):
            return self._operation(node, within)
        return self._nested(node, within)

    def _nested(self, node: ast.Pipeline, within: str | None = None) -> str:
        """Compile a pipeline in parentheses: the spans of a set that pass it."""
        first, *rest = node.stages
        if isinstance(first, ast.SpansetFilter | ast.SpansetOperation | ast.Pipeline):
            column = self._spanset(first, within)
        else:
            rest, column = list(node.stages), within or self._add(exp.true())
        with self._groups_of_its_own():
            for stage in rest:
                column = self._narrowed(column, stage)
        return column if self.row is None else self._merge_rows([column])[0]

    @contextmanager
    def _groups_of_its_own(self) -> Iterator[None]:
        groups = list(self.groups)
        try:
            yield
        finally:
            self.groups = groups

    def _narrowed(self, column: str, stage: ast.Stage) -> str:
        match stage:
            case ast.SpansetFilter() | ast.SpansetOperation() | ast.Pipeline():
                return self._spanset(stage, column)
            case ast.ScalarFilter():
                return self._derive(exp.and_(exp.column(column), self._judged(stage, column)))
            case ast.GroupBy():
                self._split(stage.expression)
            case ast.Coalesce():
                self.groups = []
        return column

    def _operation(self, node: ast.SpansetOperation, within: str | None) -> str:
        left, right = self._spanset(node.left, within), self._spanset(node.right, within)
        either = exp.or_(exp.column(left), exp.column(right))
        if node.op is ast.SpansetOperator.OR:
            return self._derive(exp.paren(either))
        if node.op is ast.SpansetOperator.AND:
            return self._derive(exp.and_(exp.paren(either), self._in_set(left), self._in_set(right)))
        if self.groups:
            return self._related_in_sets(node.op, left, right)
        self.steps.append(StructuralStep(self._name("b"), node.op, self._operand(left), self._operand(right)))
        return self.steps[-1].column

    def _related_in_sets(self, op: ast.SpansetOperator, left: str, right: str) -> str:
        operands = [
            SpansetOperand(
                column, self._query([exp.column(ROW), exp.alias_(self._set, SET)]).where(exp.column(column)).copy()
            )
            for column in (left, right)
        ]
        step = StructuralStep(self._name("b"), op, operands[0], operands[1], by_set=True)
        self.steps.append(step)
        is_found = exp.func("list_contains", exp.column(step.column), self._set)
        return self._derive(exp.func("coalesce", is_found, exp.false()))

    @property
    def _set(self) -> Sql:
        return exp.func("hash", *map(exp.column, self.groups))

    def _in_set(self, column: str) -> Sql:
        return exp.Window(this=exp.func("bool_or", exp.column(column)), partition_by=self._partition)

    @property
    def _partition(self) -> list[exp.Expr]:
        return [exp.column(name) for name in (TRACE, *self.groups)]

    def _operand(self, column: str) -> SpansetOperand:
        base = {column.alias_or_name for column in self.columns} | {step.column for step in self.steps}
        if column in base and not self.is_narrowed:
            return SpansetOperand(column)
        return SpansetOperand(column, self._query([exp.column(ROW)]).where(exp.column(column), copy=False).copy())

    # groups

    def _group(self, stage: ast.GroupBy) -> None:
        key = f"by({print_expression(stage.expression)})"
        self.shown_of_sets[key] = SetAttribute.of(key, self._split(stage.expression), is_group=True)

    def _split(self, expression: ast.FieldExpression) -> TypedValue:
        """Compile a grouping to columns, with a row for each group of a span."""
        predicates = PredicateCompiler(self.fields)
        if not element_scopes(expression):
            parts = predicates.whole(expression)
            columns = tuple(TypedSql(part.type, exp.column(self._add(part.sql, "g")), part.is_list) for part in parts)
        else:
            columns = self._split_by_elements(*predicates.structs(expression))
        self.groups += [part.sql.name for part in columns]
        return columns

    def _split_by_elements(self, types: Sequence[ast.Type | None], items: Sql) -> TypedValue:
        self._note_rows()
        name = self._add(distinct_structs(items, len(types)), "s")
        struct = exp.column(self._derive(exp.func("unnest", exp.column(name)), "u"))
        names = self._derive_all([values.member(struct.copy(), f"v{n}") for n in range(len(types))], "g")
        return tuple(TypedSql(type_, exp.column(name)) for type_, name in zip(types, names, strict=True))

    def _note_rows(self) -> None:
        if self.row is None:
            self.row = self._add(exp.column(ROW_ID, table=SPAN), "r")

    def _merge_rows(self, columns: Sequence[str]) -> list[str]:
        """Merge the rows of each span of a set to one; a column holds where it holds in any of them."""
        if self.row is None:
            return list(columns)
        partition = [exp.column(name) for name in (self.row, *self.groups)]
        held = [
            exp.Window(this=exp.func("bool_or", exp.column(name)), partition_by=[part.copy() for part in partition])
            for name in columns
        ]
        names = self._derive_all(held, "b")
        first = exp.Window(this=exp.RowNumber(), partition_by=partition)
        level = exp.select(exp.Star()).from_(exp.table_(self._table()), copy=False)
        self._next(level.qualify(exp.EQ(this=first, expression=exp.Literal.number(1)), copy=False))
        return names

    # numbers of sets

    def _scalar_filter(self, stage: ast.ScalarFilter) -> None:
        test = self._judged(stage, None)
        for key, figure in self.figures.items():
            self.shown_of_sets[key] = SetAttribute.of(key, figure.shown, is_group=False)
        self._keep(test)

    def _judged(self, stage: ast.ScalarFilter, within: str | None) -> Sql:
        """Compile the test that a span's set passes, and that the span belongs to a compared pipeline, if any."""
        with self._aggregates_of_its_own():
            test = exp.func("coalesce", self._compared(stage, within), exp.false())
            self.figures = {key: figure for (key, _), figure in self.aggregates.items()}
            if not self.pipelines:
                return test
            return exp.and_(test, exp.paren(values.any_of(exp.column(name) for name in self.pipelines)))

    @contextmanager
    def _aggregates_of_its_own(self) -> Iterator[None]:
        outer = self.aggregates, self.pipelines
        self.aggregates, self.pipelines = {}, []
        try:
            yield
        finally:
            self.aggregates, self.pipelines = outer

    def _compared(self, stage: ast.ScalarFilter, within: str | None) -> Sql:
        left, right = self._scalar(stage.left, within), self._scalar(stage.right, within)
        if isinstance(stage.right, ast.Static):
            return compare_literals(stage.op, left, [stage.right])
        return compare_values(stage.op, left, right)

    def _scalar(self, node: ast.ScalarExpression, within: str | None) -> TypedValue:
        """Compile a number for each row: of its span set, or of the spans of its set in ``within``."""
        match node:
            case ast.Static():
                return (TypedSql(node.type, values.literal(node)),)
            case ast.Aggregate():
                return self._aggregate(node, within)
            case ast.ScalarOperation():
                left, right = (Number.of(self._scalar(side, within)) for side in (node.left, node.right))
                return compute(node.op, left, right).value
            case ast.ScalarPipeline():
                self.pipelines.append(self._nested(node.pipeline, within))
                return self._scalar(node.scalar, self.pipelines[-1])

    def _aggregate(self, node: ast.Aggregate, within: str | None) -> TypedValue:
        key = print_aggregate(node), within
        if key not in self.aggregates:
            self.aggregates[key] = self._figure(node, within)
        return self.aggregates[key].value

    def _figure(self, node: ast.Aggregate, within: str | None) -> "Figure":
        def over(function: exp.Expr) -> Sql:
            if within is not None:
                function = exp.Filter(this=function, expression=exp.Where(this=exp.column(within)))
            return exp.Window(this=function, partition_by=self._partition)

        operand = operand_of(node, self.fields)
        if operand is None:
            found = self._columns_of(count(over))
            return Figure(found, found)
        names = [None if sql is None else self._add(sql, "v") for sql in operand.columns]
        figures = SpansetAggregates(operand.named(names), over)
        value = self._columns_of(figures.value(node.function))
        is_mean = figures.result(node.function) != figures.value(node.function)
        return Figure(value, self._columns_of(figures.result(node.function)) if is_mean else value)

    def _columns_of(self, value: TypedValue) -> TypedValue:
        names = self._derive_all([part.sql for part in value], "a")
        return tuple(TypedSql(part.type, exp.column(name)) for part, name in zip(value, names, strict=True))


@dataclass(frozen=True)
class Figure:
    """An aggregate as columns, for comparisons and for results."""

    value: TypedValue
    shown: TypedValue
