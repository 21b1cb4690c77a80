"""Prefilter of traces: the conditions for a match that one pass over the spans can test.

A probe groups spans by trace and tests which filters some span of the trace meets. Often that decides the match. Where
it does not (structure, aggregates), it still excludes most traces before they are read as a whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.compile import sql
from spanlake.query.compile.comparisons import compare_literals, compare_values
from spanlake.query.compile.fields import SPAN, TRACE, AttributeSchema, FieldCompiler, span_column
from spanlake.query.compile.filters import NOTHING_TOLD, CompiledFilter, Filters, Told
from spanlake.query.compile.predicates import PredicateCompiler, element_scopes
from spanlake.query.compile.scalars import SpansetAggregates, count, operand_of
from spanlake.query.compile.spans import SPANS, Compiled, Needs
from spanlake.query.compile.sql import Sql, TypedSql, TypedValue
from spanlake.query.plan import SearchPlan
from spanlake.traceql import ast
from spanlake.traceql.ast.walk import walk

_MOST_ONES = 4  # of the tests that are tried


@dataclass(frozen=True)
class Prefilter:
    """Tests of a trace: ``where`` for single spans, ``having`` for all its spans together.

    ``where`` keeps every span that matters to ``having``. Some span of every matching trace meets ``one``, and some
    span meets each of the ``others``. ``per_span`` is True if a span that meets ``one`` suffices for a match, whatever
    blocks hold the trace's other spans. With ``groups``, the spans of one trace that have equal values there pass
    ``having`` together. ``per_trace`` is True if exactly the traces that pass all tests match,
    ``is_quick`` if to test all traces takes little more time than to read their spans.
    """

    where: Sql | None
    having: tuple[Sql, ...]
    one: Sql
    per_span: bool
    others: tuple[Sql, ...] = ()
    per_trace: bool = False
    is_quick: bool = True
    groups: tuple[Sql, ...] = ()

    @property
    def is_trivial(self) -> bool:
        """True where every trace passes."""
        return not self.having and (self.where is None or self.where == exp.true())

    @property
    def has_span_test(self) -> bool:
        """True where ``one`` rules out some spans, so that single spans tell which traces may match."""
        return self.one != exp.true()

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of spans that the tests name."""
        where = [] if self.where is None else [self.where]
        return Needs.of(*where, *self.having, self.one, *self.others, *self.groups).columns

    def traces(self, *select: exp.Expr) -> Compiled:
        """Compile ``SELECT trace_id, select`` of the traces that pass, by the spans that the blocks have."""
        trace_id = span_column("trace_id")
        query = exp.select(trace_id, *select).from_(exp.table_(SPANS, alias=SPAN), copy=False)
        query.group_by(trace_id.copy(), *(value.copy() for value in self.groups), copy=False)
        if self.where is not None:
            query.where(self.where.copy(), copy=False)
        if self.having:
            query.having(*(test.copy() for test in self.having), copy=False)
        found = Compiled(query, (Needs.of(query).spans,))
        return found.within(_each_once([one.alias for one in select]), "passing") if self.groups else found

    @property
    def candidates(self) -> Compiled | None:
        """The ids of the traces that pass; None where every trace does."""
        return None if self.is_trivial else self.traces()

    @classmethod
    def of(cls, plan: SearchPlan, filters: Filters, schema: AttributeSchema, told: Told = NOTHING_TOLD) -> "Prefilter":
        """Make the prefilter for a plan's first stage. What is ``told`` of each span is tested like its own columns."""
        stages = plan.pipeline.stages
        found = _spanset(stages[0], {key: filter_.given(told) for key, filter_ in filters.items()} if told else filters)
        where = sql.any_of(found.leaves)
        is_one_filter = len(found.leaves) == 1 and not found.has_totals
        tests = [] if is_one_filter else [found.holds]
        rest = [stage for stage in stages[1:] if not isinstance(stage, ast.Select | ast.Coalesce)]
        groups: tuple[Sql, ...] = ()
        if isinstance(stages[0], ast.SpansetFilter) and not found.has_totals and found.is_exact:
            fields = FieldCompiler(schema)
            groups = _groups(stages[1:2], fields)
            first = 2 if groups else 1
            scalars = list(_scalar_filters(stages[first:], fields))
            tests += scalars
            rest = rest[first - 1 + len(scalars) :]
            groups = groups if scalars else ()
        return cls(
            where,
            tuple(tests),
            found.ones[0],
            plan.only_filter is not None and is_one_filter and found.is_exact,
            found.ones[1:],
            found.is_exact and not rest,
            # of traces six columns of all spans are read, three of them with ordered aggregates
            not (found.has_totals or any(_is_mean(node) for node in walk(plan.pipeline))),
            groups,
        )


def _groups(stages: Sequence[ast.Stage], fields: FieldCompiler) -> tuple[Sql, ...]:
    """Return the values of a leading ``by()``, one of each type; none where they are not values of the span alone."""
    stage = stages[0] if stages else None
    if not isinstance(stage, ast.GroupBy) or element_scopes(stage.expression):
        return ()
    values = tuple(part.sql for part in PredicateCompiler(fields).whole(stage.expression))
    return () if Needs.of(*values).whole_traces else values


def _each_once(names: Sequence[str]) -> exp.Select:
    """Return a query of each trace once, with the largest values of its groups."""
    largest = (exp.alias_(exp.Max(this=exp.column(name)), name) for name in names)
    return exp.select(exp.column("trace_id"), *largest).group_by(exp.column("trace_id"), copy=False)


def _is_mean(node: ast.Node) -> bool:
    """True for an exact mean, which takes five times as long as a sum."""
    return isinstance(node, ast.Aggregate) and node.function is ast.AggregateFunction.AVG


@dataclass(frozen=True)
class _Found:
    """The prefilter of a set: the test ``holds`` of a trace that may have such spans.

    Some span of such a trace meets each of the ``ones``; spans that meet none of the ``leaves`` do not matter. It
    ``has_totals`` if it names figures of all spans of the trace, and ``is_exact`` if the test decides that the trace
    has such spans.
    """

    holds: Sql
    ones: tuple[Sql, ...]
    leaves: tuple[Sql, ...]
    is_exact: bool = True
    has_totals: bool = False


def _spanset(node: ast.SpansetExpression | ast.Stage, filters: Filters) -> _Found:
    """Return the tests for a trace that may have spans in the set."""
    match node:
        case ast.SpansetFilter():
            return _leaf(filters[node.condition])
        case ast.SpansetOperation():
            return _operation(node, filters)
        case ast.Pipeline():
            return replace(_spanset(node.stages[0], filters), is_exact=False)
        case _:
            return _Found(exp.true(), (exp.true(),), (exp.true(),), is_exact=False)


def _operation(node: ast.SpansetOperation, filters: Filters) -> _Found:
    left, right = _spanset(node.left, filters), _spanset(node.right, filters)
    both = replace(
        right,
        leaves=left.leaves + right.leaves,
        is_exact=left.is_exact and right.is_exact,
        has_totals=left.has_totals or right.has_totals,
    )
    if node.op is ast.SpansetOperator.OR:
        either = exp.paren(sql.any_of([left.holds, right.holds]))
        return replace(both, holds=either, ones=(sql.any_of([left.ones[0], right.ones[0]]),))
    if node.op is not ast.SpansetOperator.AND:
        both = replace(both, is_exact=False)
    if node.op.is_negated:
        return both
    ones = [one for one in (*right.ones, *left.ones) if one != exp.true()]
    return replace(both, holds=sql.all_of([left.holds, right.holds]), ones=tuple(ones[:_MOST_ONES]) or right.ones)


def _leaf(filter_: CompiledFilter) -> _Found:
    of_trace = [_over_spans(test.sql) for test in filter_.tests if test.needs == Needs(trace=True)]
    alone = [test for test in filter_.tests if not test.needs.whole_traces]
    each = sql.all_of(test.sql.copy() for test in alone), sql.all_of(test.copy() for test in filter_.of_parent)
    ones = tuple(one for one in each if one != exp.true())
    holds = sql.all_of([*map(sql.some_row, ones), *of_trace])
    is_exact = len(of_trace) + len(alone) == len(filter_.tests)
    every = (exp.true(),)
    leaves = (sql.all_of(test.sql.copy() for test in alone if test.is_of_trace),) if of_trace else ones or every
    return _Found(holds, ones or every, leaves, is_exact, bool(of_trace))


def _scalar_filters(stages: Sequence[ast.Stage], fields: FieldCompiler) -> Iterator[Sql]:
    """Yield tests of the leading filters on aggregates, as far as the spans that meet the only filter decide them."""
    for stage in stages:
        if not isinstance(stage, ast.ScalarFilter):
            return
        left, right = _scalar(stage.left, fields), _scalar(stage.right, fields)
        if left is None or right is None:
            continue
        if isinstance(stage.right, ast.Static):
            yield compare_literals(stage.op, left, [stage.right])
        else:
            yield compare_values(stage.op, left, right)


def _scalar(node: ast.ScalarExpression, fields: FieldCompiler) -> TypedValue | None:
    match node:
        case ast.Static():
            return (TypedSql(node.type, sql.literal(node)),)
        case ast.Aggregate():
            return _aggregate(node, fields)
        case _:  # DuckDB computes exactly with columns only, not with aggregates
            return None


def _aggregate(node: ast.Aggregate, fields: FieldCompiler) -> TypedValue | None:
    operand = operand_of(node, fields)
    if operand is None:
        return count(_plain)
    if Needs.of(*(column for column in operand.columns if column is not None)).whole_traces:
        return None
    return SpansetAggregates(operand, _plain).value(node.function)


def _plain(function: exp.Expr) -> Sql:
    return function


def _over_spans(test: Sql) -> Sql:
    """Rewrite a test on the totals of a trace so that the totals are aggregates over its spans."""
    return test.transform(_over_rows)


def _over_rows(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Column) or node.table != TRACE:
        return node
    return exp.maybe_parse(_TOTALS[node.name], dialect=DuckDB)


_FIRST_ROOT = "ROW(s.start_time_unix_nano, s.span_id)) FILTER (WHERE s.parent_span_id IS NULL)"
_TOTALS = {
    "trace_duration": (
        "(MAX(s.start_time_unix_nano + LEAST(GREATEST(s.duration_nano, 0), 9223372036854775807"
        " - s.start_time_unix_nano)) - MIN(s.start_time_unix_nano))"
    ),
    "root_name": f"MIN_BY(s.name, {_FIRST_ROOT}",
    "root_service": f"MIN_BY(COALESCE(s.service_name, ''), {_FIRST_ROOT}",
}
