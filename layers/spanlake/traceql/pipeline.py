"""A checked pipeline as SQL: which spans match, in which span sets, and what is shown of them.

The query is a chain of tables. The first, ``level0``, has one row a span, with everything that later stages need of it
as columns: whether it meets each filter, the values to group by and to aggregate. Every spanset operator and every
stage then adds columns, or drops rows, by window functions over the spans of a trace, or of a span set: the rows of a
trace with equal group values.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.conditions import Condition, Conditions, Presence, conditions
from spanlake.traceql.errors import Unsupported
from spanlake.traceql.fields import SPAN, Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.printer import print_aggregate, print_expression
from spanlake.traceql.relation import ARRIVAL, relation
from spanlake.traceql.shown import Display, Shown
from spanlake.traceql.structure import (
    PARENT_ID,
    REACHED,
    SPAN_ID,
    inverse,
    is_above,
    is_below,
    is_child,
    is_parent,
    is_reached,
    is_sibling,
    walk_down,
    walk_up,
)
from spanlake.traceql.tree import (
    Aggregate,
    AggregateFunction,
    Binary,
    Coalesce,
    FieldExpression,
    GroupBy,
    Pipeline,
    Query,
    Relation,
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
from spanlake.traceql.values import Sql, Value

_TRACE = "trace_id"


@dataclass(frozen=True)
class SetAttribute:
    """What a result shows of a span set: its key, and the columns that may hold its value, each of one type."""

    key: str
    columns: tuple[tuple[Type, str], ...]
    is_group: bool


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

    def select(
        self, fields: Fields, columns: list[exp.Expr], spans: exp.Query | None = None, where: Sql | None = None
    ) -> exp.Select:
        """``SELECT columns, set attributes`` of the matching spans, each column named by its alias.

        ``spans`` defines the table of that name, unless there is one. ``where`` is a further test of a matching span.
        """
        if self.single_filter is not None:
            tests = [Predicates(fields).filter(self.single_filter)] + ([where] if where is not None else [])
            return relation(fields.needs, columns, spans).where(*tests, copy=False)
        return _Chain(self, fields).build(columns, spans, where)

    def shown(self, fields: Fields) -> list[Shown]:
        """What a result shows of a matching span."""
        return Display(fields, tuple(_fetched(self.pipeline))).shown()

    def set_attributes(self, fields: Fields) -> list[SetAttribute]:
        """What a result shows of a span set, in the order of the stages."""
        return _Chain(self, fields).attributes()


@dataclass
class _Chain:
    """The tables of one query, as they are built."""

    plan: SearchPlan
    fields: Fields
    columns: list[exp.Expr] = field(default_factory=list)  # of level0
    tables: list[tuple[str, exp.Query]] = field(default_factory=list)  # the levels after it, and walks between them
    level: int = 0
    set_attributes: list[SetAttribute] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    pipelines: list[str] = field(default_factory=list)  # spans of the pipelines that the current stage counts over
    names: int = 0
    has_reached: bool = False

    def attributes(self) -> list[SetAttribute]:
        self._run()
        return self.set_attributes

    def build(self, columns: list[exp.Expr], spans: exp.Query | None, where: Sql | None) -> exp.Select:
        self.fields.needs.traces = True
        trace = exp.alias_(self.fields.column(_TRACE), _TRACE)
        self.columns += [column for column in columns if column.alias_or_name != _TRACE]
        self._run()
        if where is not None:
            self._keep(exp.column(self._add(where)))
        outputs = [exp.column(column.alias_or_name) for column in columns]
        outputs += [exp.column(name) for found in self.set_attributes for _, name in found.columns]
        query = exp.select(*outputs).from_(exp.to_table(self._table()), copy=False)
        query = self._with_base(query, [trace, *self.columns], spans)
        for name, table in self.tables:
            query.with_(name, as_=table, copy=False)
        query.args["with_"].set("recursive", True)
        return query

    def _with_base(self, query: exp.Select, columns: list[exp.Expr], spans: exp.Query | None) -> exp.Select:
        base = relation(self.fields.needs, columns, spans)
        inner = base.args.pop("with_", None)
        if inner is not None:
            query.set("with_", inner)
        return query.with_("level0", as_=base, materialized=True, copy=False)

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
        self._next(level.from_(exp.to_table(self._table()), copy=False))
        return name

    def _keep(self, test: Sql) -> None:
        level = exp.select(exp.Star()).from_(exp.to_table(self._table()), copy=False)
        self._next(level.where(test, copy=False))

    def _run(self) -> None:
        first = self.plan.pipeline.stages[0]
        fetched = list(_fetched(self.plan.pipeline))
        if fetched and not isinstance(first, SpansetFilter | SpansetOperation | Pipeline):
            # Without a filter in front every span counts that storage hands over for any of the later stages.
            met = Predicates(self.fields).candidates(Conditions(tuple(fetched), all_met=False))
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
        """A filter. One that asks for nothing, beside a structural operator, leaves out what Tempo never reads: spans
        that no root leads to and that meet no other filter either."""
        column = self._add(exp.func("coalesce", Predicates(self.fields).filter(node.condition), exp.false()))
        if conditions(node.condition).items or not self._is_structural():
            return column
        fetched = Conditions(tuple(_fetched(self.plan.pipeline)), all_met=False)
        met = self._add(exp.func("coalesce", Predicates(self.fields).candidates(fetched), exp.false()))
        self._reach()
        return self._derive(exp.and_(exp.column(column), exp.or_(exp.column(REACHED), exp.column(met))))

    def _is_structural(self) -> bool:
        nodes = (node for stage in self.plan.pipeline.stages for node in _operations(stage))
        return any(node.op.relation for node in nodes)

    def _operation(self, node: SpansetOperation) -> str:
        left, right = self._spanset(node.left), self._spanset(node.right)
        either = exp.or_(exp.column(left), exp.column(right))
        if node.op is SpansetOperator.OR:
            return self._derive(exp.paren(either))
        if node.op is SpansetOperator.AND:
            return self._derive(exp.and_(exp.paren(either), self._in_trace(left), self._in_trace(right)))
        return self._structural(node.op, left, right)

    def _in_trace(self, column: str) -> Sql:
        partition = [exp.column(name) for name in (_TRACE, *self.groups)]
        return exp.Window(this=exp.func("bool_or", exp.column(column)), partition_by=list(partition))

    def _structural(self, op: SpansetOperator, left: str, right: str) -> str:
        asked = op.relation
        assert asked is not None
        self._reach()
        matched: Sql = exp.column(self._related(asked, left))
        if op.is_negated:
            matched = exp.not_(matched)
        found = exp.and_(exp.column(right), matched)
        if op.is_union:
            found = exp.or_(found, exp.and_(exp.column(left), exp.column(self._related(inverse(asked), right))))
        return self._derive(exp.paren(found))

    def _related(self, asked: Relation, others: str) -> str:
        """Whether a span is a child (parent, …) of one of the others, as a column."""
        table, chosen = self._table(), exp.column(others)
        match asked:
            case Relation.CHILD:
                related = is_child(chosen, table)
            case Relation.PARENT:
                related = is_parent(chosen, table)
            case Relation.SIBLING:
                related = is_sibling(chosen)
            case Relation.DESCENDANT:
                related = is_below(self._walk(walk_down, chosen))
            case Relation.ANCESTOR:
                related = is_above(self._walk(walk_up, chosen))
        return self._derive(exp.func("coalesce", related, exp.false()))

    def _walk(self, walk: Callable[[str, str, Sql | None], exp.Query], marked: Sql | None) -> str:
        name = self._name("walk")
        self.tables.append((name, walk(name, self._table(), marked)))
        return name

    def _reach(self) -> None:
        """Bring what structure is read from."""
        if self.has_reached:
            return
        self.has_reached = True
        needed = [self.fields.column(name) for name in (SPAN_ID, PARENT_ID)]
        taken = {column.alias_or_name for column in self.columns}
        self.columns += [exp.alias_(column, column.name) for column in needed if column.name not in taken]
        self.columns.append(exp.alias_(exp.column(ARRIVAL, table=SPAN), ARRIVAL))
        self.fields.needs.arrival = True
        reached = is_reached(self._walk(walk_down, None))
        level = exp.select(exp.Star(), exp.alias_(reached, REACHED))
        self._next(level.from_(exp.to_table(self._table()), copy=False))

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
        partition = [exp.column(name) for name in (_TRACE, *self.groups)]
        if node.function is AggregateFunction.COUNT or node.operand is None:
            type_ = Type.INT
            found: exp.Expr = exp.Count(this=exp.Star())
        else:
            type_, operand = self._operand(Predicates(self.fields).value(node.operand))
            found = exp.func(node.function.value, exp.column(operand))
            if node.function is AggregateFunction.AVG and type_ is Type.INT:
                type_ = Type.FLOAT
        if within is not None:
            found = exp.Filter(this=found, expression=exp.Where(this=exp.column(within)))
        name = self._derive(exp.Window(this=found, partition_by=list(partition)), "a")
        if node.function is AggregateFunction.MAX and isinstance(node.operand, Binary):
            name = self._of_complete(name, operand, partition)
        if type_ in (Type.DURATION, Type.INT):
            whole = exp.TryCast(this=exp.func("trunc", exp.column(name)), to=exp.DataType.build("BIGINT"))
            name = self._derive(whole, "a")
        if within is None:
            self.set_attributes.append(SetAttribute(print_aggregate(node), ((type_, name),), is_group=False))
        return name

    def _of_complete(self, name: str, operand: str, partition: Sequence[exp.Expr]) -> str:
        """An aggregate of a set of which every span has the value.

        Arithmetic on a field that a span does not have is false in Tempo's engine, and false is above every number.
        """
        counts = [exp.Count(this=counted) for counted in (exp.Star(), exp.column(operand))]
        all_, there = (exp.Window(this=count, partition_by=list(partition)) for count in counts)
        return self._derive(values.case(exp.EQ(this=all_, expression=there), exp.column(name)), "a")

    def _operand(self, value: Value) -> tuple[Type, str]:
        parts = [part for part in value if part.type in values.NUMERIC and not part.is_list]
        if len(parts) == 1:
            return parts[0].type, self._add(parts[0].sql, "v")
        numbers = [exp.cast(part.sql, "DOUBLE") for part in parts] or [exp.cast(exp.Null(), "DOUBLE")]
        return Type.FLOAT, self._add(exp.func("coalesce", *numbers), "v")


def _leaves(node: SpansetExpression | Stage) -> Iterator[SpansetFilter]:
    if isinstance(node, SpansetFilter):
        yield node
    elif isinstance(node, SpansetOperation):
        yield from _leaves(node.left)
        yield from _leaves(node.right)
    elif isinstance(node, Pipeline):
        yield from _leaves(node.stages[0])


def _operations(node: SpansetExpression | Stage) -> Iterator[SpansetOperation]:
    if isinstance(node, SpansetOperation):
        yield node
        yield from _operations(node.left)
        yield from _operations(node.right)


def _fetched(pipeline: Pipeline) -> Iterator[Condition]:
    """The conditions and fields of all stages: what Tempo reads, and so shows."""
    for stage in pipeline.stages:
        match stage:
            case SpansetFilter():
                yield from conditions(stage.condition).items
            case SpansetOperation():
                for leaf in _leaves(stage):
                    yield from conditions(leaf.condition).items
            case Pipeline():
                yield from _fetched(stage)
            case GroupBy():
                yield from conditions(stage.expression).items
            case ScalarFilter():
                yield from _of_scalar(stage.left)
                yield from _of_scalar(stage.right)
            case Select():
                yield from (Presence(one) for one in stage.fields)


def _of_scalar(node: ScalarExpression) -> Iterator[Condition]:
    if isinstance(node, ScalarPipeline):
        yield from _fetched(node.pipeline)
        yield from _of_scalar(node.scalar)
    if isinstance(node, Aggregate) and node.operand is not None:
        yield from conditions(node.operand).items
    elif isinstance(node, ScalarOperation):
        yield from _of_scalar(node.left)
        yield from _of_scalar(node.right)
