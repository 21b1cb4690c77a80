"""A checked pipeline as SQL: which spans match, in which span sets, and what is shown of them.

The query is a chain of tables. The first, ``level0``, has one row a span, with everything that later stages need of it
as columns: whether it meets each filter, the values to group by and to aggregate. Every spanset operator and every
stage then adds columns, or drops rows, by window functions over the spans of a trace, or of a span set: the rows of a
trace with equal group values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.aggregates import aggregate, operand_of
from spanlake.traceql.conditions import Conditions, conditions
from spanlake.traceql.errors import Unsupported
from spanlake.traceql.fields import Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.printer import print_aggregate, print_expression
from spanlake.traceql.relation import relation
from spanlake.traceql.shown import Display, Shown
from spanlake.traceql.stages import fetched, operations
from spanlake.traceql.structure import BASE, ROW, TRACE, Operand, Step, Structural, Unfiltered, base_columns
from spanlake.traceql.tree import (
    Aggregate,
    Coalesce,
    FieldExpression,
    GroupBy,
    Pipeline,
    Query,
    ScalarExpression,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    Select,
    SpansetExpression,
    SpansetFilter,
    SpansetOperation,
    SpansetOperator,
    Stage,
    Static,
    Type,
)
from spanlake.traceql.values import Sql

# Levels that DuckDB may write into one another. A level that is read twice doubles what is planned, so that a chain of
# forty would never end; each that is held back costs a copy of the rows.
_INLINED = 6


@dataclass(frozen=True)
class SetAttribute:
    """What a result shows of a span set: its key, and the columns that may hold its value, each of one type."""

    key: str
    columns: tuple[tuple[Type, str], ...]
    is_group: bool


@dataclass(frozen=True)
class Selection:
    """The matching spans, as SQL over the table ``spans``.

    Where structure matters there are two queries: the columns of the ``steps`` are added to the answer of ``base``,
    which as the table BASE is what ``query`` reads in place of ``spans``. ``is_numbered`` says that PLACED is needed.
    """

    query: exp.Select
    base: exp.Select | None = None
    steps: tuple[Step, ...] = ()
    is_numbered: bool = False


@dataclass(frozen=True)
class SearchPlan:
    """A pipeline that finds span sets."""

    pipeline: Pipeline
    query: Query

    @classmethod
    def of(cls, query: Query) -> "SearchPlan":
        """Plan a checked search; raises Unsupported for a metrics query."""
        if not isinstance(query.body, Pipeline):
            raise Unsupported("a search finds spans, not time series: ask the metrics endpoints", query.text, 0)
        return cls(query.body, query)

    @property
    def single_filter(self) -> FieldExpression | None:
        """The condition of a pipeline that is just one spanset filter; each span can then be judged alone."""
        stages = self.pipeline.stages
        return stages[0].condition if len(stages) == 1 and isinstance(stages[0], SpansetFilter) else None

    def select(self, fields: Fields, columns: list[exp.Expr], where: Sql | None = None) -> Selection:
        """``SELECT columns, set attributes`` of the matching spans, each column named by its alias.

        ``where`` is a further test of a matching span.
        """
        if self.single_filter is not None:
            tests = [Predicates(fields).filter(self.single_filter)] + ([where] if where is not None else [])
            query = relation(fields.needs, columns).where(*tests, copy=False)
            return Selection(query, is_numbered=fields.needs.tree)
        return _Chain(self, fields).build(columns, where)

    def shown(self, fields: Fields) -> list[Shown]:
        """What a result shows of a matching span."""
        return Display(fields, tuple(fetched(self.pipeline))).shown()

    def set_attributes(self, fields: Fields) -> list[SetAttribute]:
        """What a result shows of a span set, in the order of the stages."""
        return _Chain(self, fields).attributes()


@dataclass
class _Chain:
    """The tables of one query, as they are built."""

    plan: SearchPlan
    fields: Fields
    columns: list[exp.Expr] = field(default_factory=list)  # of level0
    tables: list[tuple[str, exp.Query]] = field(default_factory=list)  # the levels after it
    steps: list[Step] = field(default_factory=list)  # further columns of level0
    level: int = 0
    set_attributes: list[SetAttribute] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    pipelines: list[str] = field(default_factory=list)  # spans of the pipelines that the current stage counts over
    aggregates: dict[tuple[str, str | None], str] = field(default_factory=dict)  # of the current stage
    names: int = 0

    def attributes(self) -> list[SetAttribute]:
        self._run()
        return self.set_attributes

    def build(self, columns: list[exp.Expr], where: Sql | None) -> Selection:
        self.fields.needs.traces = True
        trace = self.fields.column(TRACE)
        if self.is_structural and TRACE not in {column.alias_or_name for column in columns}:
            trace = exp.func("hash", trace)  # what is not shown need only tell traces apart
        self.columns += [column for column in columns if column.alias_or_name != TRACE]
        if self.is_structural:
            self.columns += base_columns(self.fields)
        self._run()
        if where is not None:
            self._keep(exp.column(self._add(where)))
        outputs = [exp.column(column.alias_or_name) for column in columns]
        outputs += [exp.column(name) for found in self.set_attributes for _, name in found.columns]
        base = relation(self.fields.needs, [exp.alias_(trace, TRACE), *self.columns])
        if self.is_structural:
            return Selection(self._query(outputs), base, tuple(self.steps), self.fields.needs.tree)
        return Selection(self._on_base(self._query(outputs), base), is_numbered=self.fields.needs.tree)

    def _query(self, outputs: Sequence[exp.Expr]) -> exp.Select:
        """A query of the last level, which takes BASE as given."""
        query = exp.select(*outputs).from_(exp.table_(self._table()), copy=False)
        for n, (name, table) in enumerate(self.tables, 1):
            query.with_(name, as_=table, materialized=n % _INLINED == 0 or None, copy=False)
        return query

    @staticmethod
    def _on_base(query: exp.Select, base: exp.Select) -> exp.Select:
        """The query with BASE defined in front of its other tables."""
        inner = base.args.pop("with_", None) or exp.With(expressions=[])
        levels = query.args.pop("with_", None)
        query.set("with_", inner)
        query.with_(BASE, as_=base, materialized=True, copy=False)
        query.args["with_"].expressions.extend(levels.expressions if levels else [])
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
        """A column of level0."""
        name = self._name(kind)
        self.columns.append(exp.alias_(sql, name))
        return name

    def _derive(self, sql: Sql, kind: str = "b") -> str:
        """A column of a next level."""
        name = self._name(kind)
        level = exp.select(exp.Star(), exp.alias_(sql, name, copy=False))
        self._next(level.from_(exp.table_(self._table()), copy=False))
        return name

    def _keep(self, test: Sql) -> None:
        level = exp.select(exp.Star()).from_(exp.table_(self._table()), copy=False)
        self._next(level.where(test, copy=False))

    def _run(self) -> None:
        first = self.plan.pipeline.stages[0]
        read = tuple(fetched(self.plan.pipeline))
        if read and not isinstance(first, SpansetFilter | SpansetOperation | Pipeline):
            # Without a filter in front every span counts that storage hands over for any of the later stages.
            met = Predicates(self.fields).candidates(Conditions(read, all_met=False))
            self._keep(exp.column(self._add(met)))
        for stage in self.plan.pipeline.stages:
            self._stage(stage)

    def _stage(self, stage: Stage) -> None:
        match stage:
            case SpansetFilter() | SpansetOperation():
                self._keep(exp.column(self._spanset(stage)))
            case Pipeline():
                for inner in stage.stages:
                    self._stage(inner)
            case ScalarFilter():
                self._scalar_filter(stage)
            case GroupBy():
                self._group(stage)
            case Coalesce():
                self.groups.clear()
                self.set_attributes.clear()
            case Select():
                pass

    # span sets: a boolean column each

    def _spanset(self, node: SpansetExpression) -> str:
        if isinstance(node, SpansetFilter):
            return self._leaf(node)
        if isinstance(node, SpansetOperation):
            return self._operation(node)
        return self._nested(node)

    def _nested(self, node: Pipeline) -> str:
        """The spans of a trace that a pipeline in parentheses lets through, its aggregates taken over the trace."""
        first, *rest = node.stages
        if not isinstance(first, SpansetFilter | SpansetOperation | Pipeline):
            rest, column = list(node.stages), self._add(exp.true())
        else:
            column = self._spanset(first)
        for stage in rest:
            column = self._narrowed(column, stage)
        return column

    def _narrowed(self, column: str, stage: Stage) -> str:
        match stage:
            case SpansetFilter() | SpansetOperation() | Pipeline():
                test: Sql = exp.column(self._spanset(stage))
            case ScalarFilter():
                left, right = self._scalar(stage.left, column), self._scalar(stage.right, column)
                test = exp.func("coalesce", values.COMPARISONS[stage.op](this=left, expression=right), exp.false())
            case Select():
                return column
            case _:
                message = "by() and coalesce() can not stand inside of a spanset expression"
                raise Unsupported(message, self.plan.query.text, stage.at)
        return self._derive(exp.and_(exp.column(column), test))

    def _leaf(self, node: SpansetFilter) -> str:
        if conditions(node.condition).items or not self.is_structural:
            return self._add(exp.func("coalesce", Predicates(self.fields).filter(node.condition), exp.false()))
        read = Conditions(tuple(fetched(self.plan.pipeline)), all_met=False)
        met = self._add(exp.func("coalesce", Predicates(self.fields).candidates(read), exp.false()))
        return self._step(Unfiltered(self._name("b"), met))

    @cached_property
    def is_structural(self) -> bool:
        nodes = (node for stage in self.plan.pipeline.stages for node in operations(stage))
        return any(node.op.relation for node in nodes)

    def _operation(self, node: SpansetOperation) -> str:
        left, right = self._spanset(node.left), self._spanset(node.right)
        either = exp.or_(exp.column(left), exp.column(right))
        if node.op is SpansetOperator.OR:
            return self._derive(exp.paren(either))
        if node.op is SpansetOperator.AND:
            return self._derive(exp.and_(exp.paren(either), self._in_trace(left), self._in_trace(right)))
        operands = self._operand(left), self._operand(right)
        return self._step(Structural(self._name("b"), node.op, *operands, exact=self.plan.query.exact))

    def _in_trace(self, column: str) -> Sql:
        partition = [exp.column(name) for name in (TRACE, *self.groups)]
        return exp.Window(this=exp.func("bool_or", exp.column(column)), partition_by=list(partition))

    def _operand(self, column: str) -> Operand:
        base = {column.alias_or_name for column in self.columns} | {step.column for step in self.steps}
        if column in base:
            return Operand(column)
        return Operand(column, self._query([exp.column(ROW)]).where(exp.column(column), copy=False).copy())

    def _step(self, step: Step) -> str:
        self.steps.append(step)
        return step.column

    # stages that work on sets

    def _group(self, stage: GroupBy) -> None:
        key = f"by({print_expression(stage.expression)})"
        columns = []
        for part in Predicates(self.fields).value(stage.expression):
            name = self._add(values.last(part.sql) if part.is_list else part.sql, "g")
            columns.append((part.type, name))
        self.groups += [name for _, name in columns]
        self.set_attributes.append(SetAttribute(key, tuple(columns), is_group=True))

    def _scalar_filter(self, stage: ScalarFilter) -> None:
        self.pipelines.clear()
        self.aggregates.clear()
        left, right = self._scalar(stage.left), self._scalar(stage.right)
        test = values.COMPARISONS[stage.op](this=left, expression=right)
        if self.pipelines:
            test = exp.and_(test, values.any_of(exp.column(name) for name in self.pipelines))
        self._keep(test)

    def _scalar(self, node: ScalarExpression, within: str | None = None) -> Sql:
        """A number for each row: that of its span set, or of the spans of its trace in the set ``within``."""
        match node:
            case Static():
                return values.literal(node)
            case Aggregate():
                return exp.column(self._aggregate(node, within))
            case ScalarOperation():
                left, right = (exp.cast(self._scalar(side, within), "DOUBLE") for side in (node.left, node.right))
                return exp.paren(values.ARITHMETIC[node.op](this=left, expression=right))
            case ScalarPipeline():
                self.pipelines.append(self._nested(node.pipeline))
                return self._scalar(node.scalar, self.pipelines[-1])

    def _aggregate(self, node: Aggregate, within: str | None) -> str:
        key = print_aggregate(node), within
        if key not in self.aggregates:
            partition = [exp.column(name) for name in (TRACE, *self.groups)]
            type_, operand = operand_of(node, self.fields)
            column = None if operand is None else exp.column(self._add(operand, "v"))

            def over(function: exp.Expr) -> Sql:
                if within is not None:
                    function = exp.Filter(this=function, expression=exp.Where(this=exp.column(within)))
                return exp.Window(this=function, partition_by=[name.copy() for name in partition])

            name = self._derive(aggregate(node, type_, column, over), "a")
            self.aggregates[key] = name
            if within is None:
                self.set_attributes.append(SetAttribute(key[0], ((type_, name),), is_group=False))
        return self.aggregates[key]
