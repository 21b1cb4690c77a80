"""Validation of types and values in a query."""

from collections.abc import Iterable
from typing import Final

from spanlake.traceql.ast.nodes import (
    Aggregate,
    Coalesce,
    Compare,
    Field,
    GroupBy,
    MetricsAggregate,
    MetricsExpression,
    MetricsOperation,
    MetricsPipeline,
    Pipeline,
    Query,
    Rank,
    ScalarExpression,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    Select,
    SeriesFilter,
    SpansetFilter,
    SpansetOperation,
    Stage,
    Static,
)
from spanlake.traceql.ast.walk import walk
from spanlake.traceql.check_size import SizeLimits, check_size
from spanlake.traceql.types import NUMERIC, type_of
from spanlake.traceql.validate_fields import (
    Context,
    check_condition,
    check_expression,
    check_field,
    check_operands,
    describe,
    references_span,
)

_USUAL: Final = SizeLimits()
_MOST_COMPARED: Final = 1_000  # values of an attribute


def check(query: Query, limits: SizeLimits = _USUAL) -> Query:
    """Validate a query and return it.

    Raises TypeMismatch for operators and functions with operands of the wrong type, and Unsupported for queries without
    a meaning and for queries beyond the limits. The caller checks for a search or metrics query (``query.is_metrics``).
    """
    context = Context(query.text)
    check_size(query, limits, context)
    if isinstance(query.body, Pipeline):
        _check_pipeline(query.body, context)
    else:
        _check_metrics(query.body, context)
    return query


def _check_pipeline(pipeline: Pipeline, context: Context) -> None:
    for stage in pipeline.stages:
        _check_stage(stage, context)


def _check_stage(stage: Stage, context: Context) -> None:
    match stage:
        case SpansetFilter():
            check_condition(stage.condition, context)
        case SpansetOperation():
            _check_stage(stage.left, context)
            _check_stage(stage.right, context)
        case Pipeline():
            _check_pipeline(stage, context)
        case ScalarFilter():
            _check_scalar_filter(stage, context)
        case GroupBy():
            check_expression(stage.expression, context)
            if not references_span(stage.expression):
                context.mismatch("by() expects something that differs between spans", stage.expression.at)
        case Select():
            _check_all(stage.fields, context)
        case Coalesce():
            pass


def _check_all(fields: Iterable[Field], context: Context) -> None:
    for field in fields:
        check_field(field, context)


def _check_scalar_filter(node: ScalarFilter, context: Context) -> None:
    _check_scalar(node.left, context)
    _check_scalar(node.right, context)
    check_operands(node, context)
    if _is_constant(node.left) and _is_constant(node.right):
        context.unsupported("a comparison of two constants selects nothing: expected an aggregate", node.at)


def _check_scalar(node: ScalarExpression, context: Context) -> None:
    match node:
        case Static():
            pass
        case Aggregate():
            _check_aggregate(node, context)
        case ScalarOperation():
            _check_scalar(node.left, context)
            _check_scalar(node.right, context)
            check_operands(node, context)
        case ScalarPipeline():
            _check_pipeline(node.pipeline, context)
            _check_scalar(node.scalar, context)


def _check_aggregate(node: Aggregate, context: Context) -> None:
    if node.operand is None:
        return
    check_expression(node.operand, context)
    operand = type_of(node.operand)
    if operand is not None and operand not in NUMERIC:
        context.mismatch(f"{node.function}() expects a number, found {describe(operand)}", node.operand.at)
    if not references_span(node.operand):
        context.mismatch(f"{node.function}() expects something that differs between spans", node.operand.at)


def _is_constant(node: ScalarExpression) -> bool:
    return not any(isinstance(part, Aggregate) for part in walk(node))


def _check_metrics(node: MetricsExpression, context: Context) -> None:
    match node:
        case Static():
            pass
        case MetricsPipeline():
            _check_metrics_pipeline(node, context)
        case MetricsOperation():
            for side in (node.left, node.right):
                _check_metrics(side, context)
                _refuse_compare(side, "used in arithmetic", context)
        case SeriesFilter():
            _check_metrics(node.series, context)
            _refuse_compare(node.series, "filtered", context)
        case Rank():
            _check_metrics(node.series, context)
            _refuse_compare(node.series, "ranked", context)
            if node.limit <= 0:
                context.mismatch(f"{node.function}() expects a number above 0", node.at)


def _check_metrics_pipeline(node: MetricsPipeline, context: Context) -> None:
    _check_pipeline(node.spans, context)
    if isinstance(node.aggregate, Compare):
        _check_compare(node.aggregate, context)
    else:
        _check_aggregation(node.aggregate, context)


def _check_aggregation(node: MetricsAggregate, context: Context) -> None:
    _check_all(node.by if node.operand is None else (node.operand, *node.by), context)
    if not all(0 <= quantile <= 1 for quantile in node.quantiles):
        context.mismatch(f"{node.function}() expects quantiles between 0 and 1", node.at)


def _check_compare(node: Compare, context: Context) -> None:
    check_condition(node.selection.condition, context)
    if not 1 <= node.top <= _MOST_COMPARED:
        context.mismatch(f"compare() expects a number of values from 1 to {_MOST_COMPARED}", node.at)
    if (node.start_ns or node.end_ns) and not 0 < node.start_ns < node.end_ns:
        context.mismatch("compare() expects a start before the end, both in Unix nanoseconds", node.at)


def _refuse_compare(node: MetricsExpression, use: str, context: Context) -> None:
    if isinstance(node, MetricsPipeline) and isinstance(node.aggregate, Compare):
        context.mismatch(f"the result of compare() cannot be {use}", node.at)
