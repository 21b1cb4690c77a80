"""A checked search query as SQL pieces: which spans match, which traces, and what is shown of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from spanlake.traceql import values
from spanlake.traceql.conditions import conditions
from spanlake.traceql.errors import Unsupported
from spanlake.traceql.fields import Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.shown import Display, Shown
from spanlake.traceql.tree import (
    FieldExpression,
    Pipeline,
    Query,
    SpansetFilter,
    SpansetOperation,
    SpansetOperator,
    Stage,
)
from spanlake.traceql.values import Sql


@dataclass(frozen=True)
class SearchPlan:
    """Spans that meet any of some filters, in traces in which each filter is met by some span."""

    filters: tuple[FieldExpression, ...]

    @classmethod
    def of(cls, query: Query) -> "SearchPlan":
        """Plan a checked query; raises Unsupported for what is not executed yet."""
        stages = query.body.stages if isinstance(query.body, Pipeline) else ()
        filters = tuple(_filters(stages[0], query)) if len(stages) == 1 else ()
        if not filters:
            raise Unsupported("only spanset filters { … }, joined by &&, can be searched for yet", query.text, 0)
        return cls(filters)

    def matches(self, fields: Fields) -> Sql:
        """Whether a span matches; NULL counts as no."""
        return values.any_of(self._tests(fields))

    def holds(self, fields: Fields) -> list[Sql]:
        """Conditions on a trace, aggregates over its matching spans; none when a matching span is enough."""
        fields.needs.traces |= len(self.filters) > 1
        tests = self._tests(fields) if len(self.filters) > 1 else []
        return [values.some_row(test) for test in tests]

    def shown(self, fields: Fields) -> list[Shown]:
        """What a result shows of a matching span."""
        found = tuple(item for condition in self.filters for item in conditions(condition).items)
        return Display(fields, found).shown()

    def _tests(self, fields: Fields) -> list[Sql]:
        return [Predicates(fields).filter(condition) for condition in self.filters]


def _filters(stage: Stage, query: Query) -> Iterator[FieldExpression]:
    if isinstance(stage, SpansetFilter):
        yield stage.condition
    elif isinstance(stage, SpansetOperation) and stage.op is SpansetOperator.AND:
        yield from _filters(stage.left, query)
        yield from _filters(stage.right, query)
    else:
        raise Unsupported("only spanset filters { … }, joined by &&, can be searched for yet", query.text, stage.at)
