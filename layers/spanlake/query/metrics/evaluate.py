"""Metrics: time series computed from spans.

The first stage reads spans (see ``aggregate`` and ``compare``); what follows works on its series.
"""

from dataclasses import dataclass, replace

from spanlake.query import series as later
from spanlake.query.compile.compare import EVERYWHERE
from spanlake.query.engine.base import NotSupportedByEngine
from spanlake.query.engine.session import Session
from spanlake.query.metrics.aggregate import Aggregation
from spanlake.query.metrics.compare import compare
from spanlake.query.metrics.exemplars import attached
from spanlake.query.plan import SearchPlan
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.series import Series, render_labels
from spanlake.query.time_range import Steps
from spanlake.traceql import ast
from spanlake.traceql.errors import Unsupported

_TOTALS = tuple((("__meta_type", f"{side}_total"), (EVERYWHERE, None)) for side in ("baseline", "selection"))


def metrics_series(
    session: Session, source: BlockScan, query: ast.Query, steps: Steps, exemplars: int = 0
) -> list[Series]:
    """The series of a checked metrics query, in no order, with so many exemplars at most.

    Raises LimitExceeded, and Unsupported for what is not executed yet.
    """
    if isinstance(query.body, ast.Static):
        return [Series((), (float(query.body.value),) * steps.count)]
    found = _Metrics(session, source, query, steps, exemplars).evaluate(query.body)  # type: ignore[arg-type]
    return [render_labels(one) for one in attached(found, steps)]


@dataclass(frozen=True)
class _Metrics:
    """A metrics query over the spans of some blocks, with so many exemplars at most."""

    session: Session
    source: BlockScan
    query: ast.Query
    steps: Steps
    exemplars: int

    def evaluate(self, node: ast.MetricsExpression) -> list[Series]:
        """The series of a part of the query."""
        match node:
            case ast.MetricsPipeline():
                return self._first_stage(node)
            case ast.Rank():
                return later.topk_bottomk(self.evaluate(node.series), node.function, node.limit)
            case ast.SeriesFilter():
                return later.filter_series(self.evaluate(node.series), node.op, node.value)
            case ast.MetricsOperation():
                return self._operation(node)
            case _:
                raise Unsupported("a number alone is no time series", self.query.text, node.at)

    def _operation(self, node: ast.MetricsOperation) -> list[Series]:
        left, right = node.left, node.right
        if isinstance(left, ast.Static):
            return later.scalar_arithmetic(self.evaluate(right), node.op, float(left.value), scalar_first=True)
        if isinstance(right, ast.Static):
            return later.scalar_arithmetic(self.evaluate(left), node.op, float(right.value), scalar_first=False)
        return later.series_arithmetic(self.evaluate(left), node.op, self.evaluate(right))

    def _first_stage(self, node: ast.MetricsPipeline) -> list[Series]:
        self.session.charge(self._in_range.blocks)
        plan = SearchPlan(node.spans, self.query)
        if isinstance(node.aggregate, ast.Compare):
            if self.source.engine is not None:
                raise NotSupportedByEngine("it has no compare()")
            return self._compare(plan, node.aggregate) if self._in_range.blocks else []
        return self._aggregation(plan, node.aggregate).series()

    @property
    def _in_range(self) -> BlockScan:
        return self.source.overlapping(self.steps.since_ns, self.steps.last_ns)

    def _aggregation(self, plan: SearchPlan, function: ast.MetricsAggregate | ast.Compare) -> Aggregation:
        return Aggregation(self.session, self.source, plan, function, self.steps, self.exemplars)

    def _compare(self, plan: SearchPlan, node: ast.Compare) -> list[Series]:
        """The series of a compare(), of which those that count all spans of a side show exemplars."""
        found = compare(self.session, self.source, plan, node, self.steps)
        if not self.exemplars:
            return found
        totals = {one.labels: one for one in found if one.labels in _TOTALS}
        matched = sum(int(value or 0) for one in totals.values() for value in one.values)
        chosen = self._aggregation(plan, node).exemplars(matched)
        return [
            replace(one, exemplars=tuple(shown.exemplar(()) for shown in chosen if shown.group == one.labels))
            for one in found
        ]
