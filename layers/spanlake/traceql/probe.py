"""What a trace must hold to match a query, as far as one pass over its spans can tell.

A probe groups spans by trace and asks which filters some span of the trace meets. Often that decides the matter; where
it does not (structure, aggregates) it still rules out most traces before they are looked at whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.traceql import values
from spanlake.traceql.aggregates import aggregate, operand_of
from spanlake.traceql.conditions import conjuncts, needs_candidates
from spanlake.traceql.fields import TRACE, Fields
from spanlake.traceql.known import Known
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.tree import (
    Aggregate,
    Binary,
    BinaryOperator,
    FieldExpression,
    Pipeline,
    ScalarExpression,
    ScalarFilter,
    ScalarOperation,
    SpansetExpression,
    SpansetFilter,
    SpansetOperation,
    SpansetOperator,
    Stage,
    Static,
)
from spanlake.traceql.values import Sql

_START, _END = "start_time_unix_nano", "duration_nano"


@dataclass(frozen=True)
class Probe:
    """Tests of a trace: ``where`` of single spans, ``having`` of all its spans together.

    ``where`` keeps every span that bears on ``having``. ``is_exact`` says that what passes matches; ``alone`` that a
    span that passes ``where`` is enough for a match, wherever the trace's other spans lie. ``members`` are those of its
    spans that match, where that is known of what passes.
    """

    columns: frozenset[str]
    where: Sql | None
    having: tuple[Sql, ...]
    is_exact: bool
    members: Sql | None = None

    @property
    def alone(self) -> bool:
        return not self.having

    @property
    def is_trivial(self) -> bool:
        """Whether every trace passes."""
        return self.alone and (self.where is None or self.where == exp.true())

    @classmethod
    def of(cls, plan: SearchPlan, known: Known) -> "Probe":
        """The probe for a plan's first stage."""
        stages = plan.pipeline.stages
        builder = _Builder(known)
        holds = builder.spanset(stages[0])
        where = None if builder.needs_all_spans else values.any_of(builder.leaves)
        tests = [] if builder.is_one_filter and not builder.needs_all_spans else [holds]
        if isinstance(stages[0], SpansetFilter) and where is not None and builder.is_exact:
            tests += builder.scalar_filters(stages[1:])
        is_exact = builder.is_exact and len(stages) == 1
        are_known = is_exact and not (builder.is_any_enough and builder.needs_all_spans)
        members = values.any_of(builder.leaves) if are_known else None
        return cls(frozenset(builder.columns), where, tuple(tests), is_exact, members)


class _Builder:
    """Collects the tests of a spanset expression."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.columns: set[str] = set()
        self.leaves: list[Sql] = []
        self.is_exact = True
        self.needs_all_spans = False
        self.is_any_enough = False

    @property
    def is_one_filter(self) -> bool:
        return len(self.leaves) == 1

    def spanset(self, node: SpansetExpression | Stage) -> Sql:
        """Whether the trace may have spans in the set."""
        if isinstance(node, SpansetFilter):
            return self._leaf(node.condition)
        if isinstance(node, SpansetOperation):
            return self._operation(node)
        if isinstance(node, Pipeline):
            self.is_exact &= len(node.stages) == 1
            return self.spanset(node.stages[0])
        self.is_exact = False
        self.leaves.append(exp.true())
        return exp.true()

    def scalar_filters(self, stages: Sequence[Stage]) -> Iterator[Sql]:
        """Whether the spans that meet the one filter, all together, pass the filters on their aggregates that come
        first, as far as these spans tell."""
        for stage in stages:
            if not isinstance(stage, ScalarFilter):
                return
            left, right = self._scalar(stage.left), self._scalar(stage.right)
            if left is not None and right is not None:
                yield values.COMPARISONS[stage.op](this=left, expression=right)

    def _scalar(self, node: ScalarExpression) -> Sql | None:
        match node:
            case Static():
                return values.literal(node)
            case Aggregate():
                return self._aggregate(node)
            case ScalarOperation():
                left, right = self._scalar(node.left), self._scalar(node.right)
                if left is None or right is None:
                    return None
                sides = [exp.cast(side, "DOUBLE") for side in (left, right)]
                return exp.paren(values.ARITHMETIC[node.op](this=sides[0], expression=sides[1]))
            case _:
                return None

    def _aggregate(self, node: Aggregate) -> Sql | None:
        fields = Fields(self._known)
        type_, operand = operand_of(node, fields)
        if fields.needs.whole_traces:
            return None
        self.columns |= fields.needs.columns
        return aggregate(node, type_, operand, lambda function: function)

    def _operation(self, node: SpansetOperation) -> Sql:
        left, right = self.spanset(node.left), self.spanset(node.right)
        if node.op is SpansetOperator.OR:
            self.is_any_enough = True
            return exp.paren(exp.or_(left, right))
        self.is_exact &= node.op is SpansetOperator.AND
        return right if node.op.is_negated else exp.and_(left, right)

    def _leaf(self, condition: FieldExpression) -> Sql:
        of_span: list[FieldExpression] = []
        of_trace: list[Sql] = []
        # What storage hands over for a denial depends on the filter's other parts: it can not be judged by itself.
        parts = [condition] if needs_candidates(condition) else conjuncts(condition)
        for part in parts:
            fields = Fields(self._known)
            test = Predicates(fields).filter(part)
            if fields.needs.trace and not fields.needs.columns and not _needs_others(fields):
                of_trace.append(_over_spans(test))
                self.columns |= {_START, _END, "name", "service_name", "parent_span_id"}
            elif fields.needs.whole_traces:
                self.is_exact = False
            else:
                of_span.append(part)
                self.columns |= fields.needs.columns
        self.needs_all_spans |= bool(of_trace)
        found = Predicates(Fields(self._known)).filter(_all_hold(of_span)) if of_span else exp.true()
        self.leaves.append(found)
        return values.all_of([*([values.some_row(found)] if of_span or not of_trace else []), *of_trace])


def _all_hold(parts: list[FieldExpression]) -> FieldExpression:
    """AND of parts, as a tree that is no deeper than it has to be."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return Binary(BinaryOperator.AND, _all_hold(parts[:half]), _all_hold(parts[half:]))


def _needs_others(fields: Fields) -> bool:
    return bool(fields.needs.parents) or fields.needs.children or fields.needs.tree


def _over_spans(test: Sql) -> Sql:
    """A test on the totals of a trace, with the totals spelled out as aggregates over its spans."""
    return test.transform(_aggregate)


def _aggregate(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Column) or node.table != TRACE:
        return node
    return exp.maybe_parse(_TOTALS[node.name], dialect=DuckDB)


_TOTALS = {
    "trace_duration": (
        "(MAX(s.start_time_unix_nano + LEAST(GREATEST(s.duration_nano, 0), 9223372036854775807"
        " - s.start_time_unix_nano)) - MIN(s.start_time_unix_nano))"
    ),
    "root_name": "MAX_BY(s.name, s.arrival) FILTER (WHERE s.parent_span_id IS NULL)",
    "root_service": "MAX_BY(COALESCE(s.service_name, ''), s.arrival) FILTER (WHERE s.parent_span_id IS NULL)",
}
