"""Prefilter of traces: the conditions for a match that one pass over the spans can test.

A probe groups spans by trace and tests which filters some span of the trace meets. Often that decides the match. Where
it does not (structure, aggregates), it still excludes most traces before they are read as a whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.query.compile import sql
from spanlake.query.compile.columns import AttributeSchema
from spanlake.query.compile.comparisons import compare_literals, compare_values
from spanlake.query.compile.fields import TRACE, FieldCompiler
from spanlake.query.compile.predicates import PredicateCompiler, element_scopes
from spanlake.query.compile.scalars import SpansetAggregates, count, operand_of
from spanlake.query.compile.spansets import SearchPlan
from spanlake.query.compile.sql import Sql, TypedSql, TypedValue
from spanlake.traceql import ast
from spanlake.traceql.rewrite import conjuncts

_MOST_ONES = 4  # of the tests that are tried
_START, _END = "start_time_unix_nano", "duration_nano"


@dataclass(frozen=True)
class Prefilter:
    """Tests of a trace: ``where`` for single spans, ``having`` for all its spans together.

    ``where`` keeps every span that matters to ``having``. Some span of every matching trace meets ``one``, and some
    span meets each of the ``others``. ``per_span`` is True if a span that meets ``one`` suffices for a match, whatever
    blocks hold the trace's other spans. ``per_trace`` is True if exactly the traces that pass all tests match,
    ``is_quick`` if to test all traces takes little more time than to read their spans.
    """

    columns: frozenset[str]
    where: Sql | None
    having: tuple[Sql, ...]
    one: Sql
    per_span: bool
    others: tuple[Sql, ...] = ()
    per_trace: bool = False
    is_quick: bool = True

    @property
    def is_trivial(self) -> bool:
        """True where every trace passes."""
        return not self.having and (self.where is None or self.where == exp.true())

    @classmethod
    def of(cls, plan: SearchPlan, known: AttributeSchema) -> "Prefilter":
        """Make the probe for a plan's first stage."""
        stages = plan.pipeline.stages
        builder = _Builder(known)
        found = builder.spanset(stages[0])
        where = None if builder.needs_all_spans else sql.any_of(builder.leaves)
        is_one_filter = len(builder.leaves) == 1 and not builder.needs_all_spans
        tests = [] if is_one_filter else [found.holds]
        rest = [stage for stage in stages[1:] if not isinstance(stage, ast.Select)]
        if isinstance(stages[0], ast.SpansetFilter) and where is not None and builder.is_exact:
            scalars = list(builder.scalar_filters(stages[1:]))
            tests += scalars
            rest = rest[len(scalars) :]
        alone = plan.single_filter is not None and is_one_filter and builder.is_exact
        return cls(
            frozenset(builder.columns),
            where,
            tuple(tests),
            found.ones[0],
            alone,
            found.ones[1:],
            builder.is_exact and not rest,
            builder.is_quick,
        )


@dataclass(frozen=True)
class _Found:
    """The prefilter of a set: the test of a trace that may have such spans, and tests that each is met by some span of
    such a trace.
    """

    holds: Sql
    ones: tuple[Sql, ...]


class _Builder:
    """A collector of the tests of a spanset expression."""

    def __init__(self, known: AttributeSchema) -> None:
        self._known = known
        self.columns: set[str] = set()
        self.leaves: list[Sql] = []
        self.is_exact = True
        self.is_quick = True
        self.needs_all_spans = False

    def spanset(self, node: ast.SpansetExpression | ast.Stage) -> _Found:
        """Return the tests for a trace that may have spans in the set."""
        if isinstance(node, ast.SpansetFilter):
            return self._leaf(node.condition)
        if isinstance(node, ast.SpansetOperation):
            return self._operation(node)
        self.is_exact = False
        if isinstance(node, ast.Pipeline):
            return self.spanset(node.stages[0])
        self.leaves.append(exp.true())
        return _Found(exp.true(), (exp.true(),))

    def scalar_filters(self, stages: Sequence[ast.Stage]) -> Iterator[Sql]:
        """Yield tests of the leading filters on aggregates, over all spans that meet the only filter, as far as these
        spans decide them.
        """
        for stage in stages:
            if not isinstance(stage, ast.ScalarFilter):
                return
            left, right = self._scalar(stage.left), self._scalar(stage.right)
            if left is None or right is None:
                continue
            if isinstance(stage.right, ast.Static):
                yield compare_literals(stage.op, left, [stage.right])
            else:
                yield compare_values(stage.op, left, right)

    def _scalar(self, node: ast.ScalarExpression) -> TypedValue | None:
        match node:
            case ast.Static():
                return (TypedSql(node.type, sql.literal(node)),)
            case ast.Aggregate():
                return self._aggregate(node)
            case _:  # DuckDB computes exactly with columns only, not with aggregates
                return None

    def _aggregate(self, node: ast.Aggregate) -> TypedValue | None:
        fields = FieldCompiler(self._known)
        operand = operand_of(node, fields)
        if fields.needs.whole_traces:
            return None
        self.columns |= fields.needs.columns
        self.is_quick &= node.function is not ast.AggregateFunction.AVG  # exact means take five times as long as sums
        return count(_plain) if operand is None else SpansetAggregates(operand, _plain).value(node.function)

    def _operation(self, node: ast.SpansetOperation) -> _Found:
        left, right = self.spanset(node.left), self.spanset(node.right)
        if node.op is ast.SpansetOperator.OR:
            either = exp.paren(sql.any_of([left.holds, right.holds]))
            return _Found(either, (sql.any_of([left.ones[0], right.ones[0]]),))
        self.is_exact &= node.op is ast.SpansetOperator.AND
        if node.op.is_negated:
            return right
        ones = [one for one in (*right.ones, *left.ones) if one != exp.true()]
        return _Found(sql.all_of([left.holds, right.holds]), tuple(ones[:_MOST_ONES]) or right.ones)

    def _leaf(self, condition: ast.FieldExpression) -> _Found:
        of_span: list[ast.FieldExpression] = []
        of_trace: list[Sql] = []
        for part in _parts(condition):
            fields = FieldCompiler(self._known)
            test = PredicateCompiler(fields).filter(part)
            if fields.needs.trace and not fields.needs.columns and not _needs_others(fields):
                of_trace.append(_over_spans(test))
                self.columns |= {_START, _END, "span_id", "name", "service_name", "parent_span_id"}
            elif fields.needs.whole_traces:
                self.is_exact = False
            else:
                of_span.append(part)
                self.columns |= fields.needs.columns
        self.needs_all_spans |= bool(of_trace)
        self.is_quick &= not of_trace  # six columns of all spans, three of them with ordered aggregates
        found = PredicateCompiler(FieldCompiler(self._known)).filter(_all_hold(of_span)) if of_span else exp.true()
        self.leaves.append(found)
        some = [sql.some_row(found)] if found != exp.true() else []
        return _Found(sql.all_of([*some, *of_trace]), (found,))


def _parts(condition: ast.FieldExpression) -> Iterator[ast.FieldExpression]:
    """Yield the parts of a condition that all must hold; parts on events and links stay together, as one element meets
    them.
    """
    together: list[ast.FieldExpression] = []
    for part in conjuncts(condition):
        if element_scopes(part):
            together.append(part)
        else:
            yield part
    if together:
        yield _all_hold(together)


def _plain(function: exp.Expr) -> Sql:
    return function


def _all_hold(parts: list[ast.FieldExpression]) -> ast.FieldExpression:
    """Combine parts with AND, as a tree of minimal depth."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return ast.Binary(ast.BinaryOperator.AND, _all_hold(parts[:half]), _all_hold(parts[half:]))


def _needs_others(fields: FieldCompiler) -> bool:
    return bool(fields.needs.parents) or fields.needs.children or fields.needs.tree


def _over_spans(test: Sql) -> Sql:
    """Rewrite a test on the totals of a trace so that the totals are aggregates over its spans."""
    return test.transform(_aggregate)


def _aggregate(node: exp.Expr) -> exp.Expr:
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
