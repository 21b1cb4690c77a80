"""Metrics: time series computed from spans.

The leaves of a plan read spans (see ``aggregate`` and ``compare``); its operators work on their series.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from spanlake.query.compile.facets import EVERYWHERE
from spanlake.query.engine.base import NotSupportedByEngine
from spanlake.query.engine.session import Session
from spanlake.query.metrics.aggregate import Aggregation
from spanlake.query.metrics.compare import compare
from spanlake.query.metrics.exemplars import attached, reduced
from spanlake.query.plan import MetricsLeaf, MetricsPlan, SeriesOperation
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.series import Series, operate, render_labels
from spanlake.query.time_range import Steps
from spanlake.traceql import ast

_TOTALS = tuple((("__meta_type", f"{side}_total"), (EVERYWHERE, None)) for side in ("baseline", "selection"))


def metrics_series(
    session: Session, source: BlockScan, plan: MetricsPlan, steps: Steps, exemplars: int = 0
) -> list[Series]:
    """Return the series of a metrics query, in no order, with so many exemplars at most. Raises LimitExceeded."""
    if isinstance(plan.root, float):
        return [Series((), (plan.root,) * steps.count)]
    found = _evaluated(plan.root, partial(_read, session, source, steps, exemplars))
    shown = attached(found, steps)
    if isinstance(plan.root, SeriesOperation):  # which joins the exemplars of its operands
        shown = reduced(shown, steps, exemplars)
    return [render_labels(one) for one in shown]


def _evaluated(node: MetricsLeaf | SeriesOperation, read: Callable[[MetricsLeaf], list[Series]]) -> list[Series]:
    """Return the series of a part of the plan."""
    if isinstance(node, MetricsLeaf):
        return read(node)
    return operate(node.operator, [one if isinstance(one, float) else _evaluated(one, read) for one in node.operands])


def _read(session: Session, source: BlockScan, steps: Steps, exemplars: int, leaf: MetricsLeaf) -> list[Series]:
    """Return the series of a leaf, read from blocks."""
    in_range = source.overlapping(steps.since_ns, steps.last_ns)
    session.charge(in_range.blocks)
    if not isinstance(leaf.function, ast.Compare):
        return Aggregation.of(session, source, leaf, steps, exemplars).series()
    if not session.engine.traits.knows_rows:
        raise NotSupportedByEngine("it has no compare()")
    if not in_range.blocks:
        return []
    found = compare(session, source, leaf.spans, leaf.function, steps)
    return _with_exemplars(found, Aggregation.of(session, source, leaf, steps, exemplars)) if exemplars else found


def _with_exemplars(found: list[Series], sides: Aggregation) -> list[Series]:
    """Return the series of a compare(), of which those that count all spans of a side show exemplars."""
    totals = {one.labels: one for one in found if one.labels in _TOTALS}
    matched = sum(int(value or 0) for one in totals.values() for value in one.values)
    chosen = sides.exemplars(matched)
    return [
        replace(one, exemplars=tuple(shown.exemplar(()) for shown in chosen if shown.group == one.labels))
        for one in found
    ]
