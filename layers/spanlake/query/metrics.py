"""Metrics: time series computed from spans.

The first stage reads spans (see ``aggregation`` and ``compare``); what follows works on its series.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from spanlake.query import series as later
from spanlake.query.aggregation import Aggregation
from spanlake.query.compare import compare
from spanlake.query.duck import Session
from spanlake.query.exemplars import attached
from spanlake.query.measures import Asked, Measure, compared, measure_of
from spanlake.query.outside import Uncovered
from spanlake.query.sampling import is_held, sample, sampler_of
from spanlake.query.series import NAME, Series
from spanlake.query.source import Source
from spanlake.query.steps import Steps
from spanlake.traceql.errors import Unsupported
from spanlake.traceql.facets import EVERYWHERE
from spanlake.traceql.fields import Fields
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.tree import (
    Compare,
    Field,
    MetricsAggregate,
    MetricsExpression,
    MetricsFunction,
    MetricsOperation,
    MetricsPipeline,
    Query,
    Rank,
    SeriesFilter,
    Static,
)

_COUNTING = frozenset((MetricsFunction.RATE, MetricsFunction.COUNT_OVER_TIME))
_TOTALS = tuple((("__meta_type", f"{side}_total"), (EVERYWHERE, "nil")) for side in ("baseline", "selection"))


@dataclass(frozen=True)
class Metrics:
    """A metrics query over the spans of some blocks, with so many exemplars at most."""

    session: Session
    source: Source
    query: Query
    steps: Steps
    exemplars: int = 0

    def series(self) -> list[Series]:
        """The series, in no order. Raises LimitExceeded, and Unsupported for what is not executed yet."""
        if isinstance(self.query.body, Static):
            return [Series((), (float(self.query.body.value),) * self.steps.count)]
        return attached(self._evaluate(self.query.body), self.steps)  # type: ignore[arg-type]

    def _evaluate(self, node: MetricsExpression) -> list[Series]:
        match node:
            case MetricsPipeline():
                return self._first_stage(node)
            case Rank():
                return later.rank(self._evaluate(node.series), node.function, node.limit)
            case SeriesFilter():
                return later.compare(self._evaluate(node.series), node.op, node.value)
            case MetricsOperation():
                return self._operation(node)
            case _:
                raise Unsupported("a number alone is no time series", self.query.text, node.at)

    def _operation(self, node: MetricsOperation) -> list[Series]:
        left, right = node.left, node.right
        if isinstance(left, Static):
            return later.combine_scalar(self._evaluate(right), node.op, float(left.value), scalar_first=True)
        if isinstance(right, Static):
            return later.combine_scalar(self._evaluate(left), node.op, float(right.value), scalar_first=False)
        return later.combine(self._evaluate(left), node.op, self._evaluate(right))

    def _first_stage(self, node: MetricsPipeline) -> list[Series]:
        return self._found(node) or list(_zeros(node.aggregate, self.steps))

    def _found(self, node: MetricsPipeline) -> list[Series]:
        blocks = self._in_range.blocks
        if not blocks:
            return []
        self.session.touch(blocks)
        plan = SearchPlan(node.spans, self.query)
        if isinstance(node.aggregate, Compare):
            if self.source.engine is not None:
                raise Uncovered("it has no compare()")
            return self._compare(plan, node.aggregate)
        return self._measured(plan, node.aggregate)

    def _measured(self, plan: SearchPlan, node: MetricsAggregate) -> list[Series]:
        """The series of any other function, of all spans or of a sample.

        Outside nobody knows the order of rows, by which Tempo takes samples and loses sums: both are exact there.
        """
        source, scale = self._in_range, 1.0
        is_outside = source.engine is not None
        is_sampled = not is_outside and is_held(self.session, source)
        sampler = sampler_of(self.query, plan.single_filter, node) if is_sampled else None
        if sampler is not None:
            scale = sample(self.session, source, sampler, self.steps)
        exact = self.query.exact or (is_outside and node.function is MetricsFunction.SUM_OVER_TIME)
        measure = partial(measure_of, asked=Asked(node, self.steps, scale), exact=exact)
        aggregation = self._aggregation(plan, measure, node.by)
        return replace(aggregation, sampled=sampler is not None).series()

    @property
    def _in_range(self) -> Source:
        return self.source.overlapping(self.steps.first_ns, self.steps.last_ns)

    def _aggregation(
        self, plan: SearchPlan, measure: Callable[[Fields], Measure], by: tuple[Field, ...] = ()
    ) -> Aggregation:
        return Aggregation(self.session, self.source, plan, measure, by, self.steps, self.exemplars)

    def _compare(self, plan: SearchPlan, node: Compare) -> list[Series]:
        """The series of a compare(), of which those that count all spans of a side show exemplars."""
        found = compare(self.session, self.source, plan, node, self.steps)
        if not self.exemplars:
            return found
        totals = {one.labels: one for one in found if one.labels in _TOTALS}
        matched = sum(int(value or 0) for one in totals.values() for value in one.values)
        chosen = self._aggregation(plan, partial(compared, node=node)).exemplars(matched)
        return [
            replace(one, exemplars=tuple(shown.exemplar(()) for shown in chosen if shown.group == one.labels))
            for one in found
        ]


def _zeros(aggregate: MetricsAggregate | Compare, steps: Steps) -> Iterator[Series]:
    """The one series of a count or rate without groups, where there is no span to count."""
    if isinstance(aggregate, MetricsAggregate) and aggregate.function in _COUNTING and not aggregate.by:
        yield Series(((NAME, aggregate.function.value),), (0.0,) * steps.count)
