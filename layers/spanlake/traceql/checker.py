"""Whether a query means something: types, values and what the dialect answers."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from spanlake.traceql.check_fields import (
    Context,
    check_condition,
    check_expression,
    check_field,
    check_operands,
    describe,
    references_span,
)
from spanlake.traceql.check_size import check_size
from spanlake.traceql.dialect import Dialect
from spanlake.traceql.tree import (
    Aggregate,
    Coalesce,
    Compare,
    Field,
    GroupBy,
    MetricsAggregate,
    MetricsExpression,
    MetricsFunction,
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
    Type,
)
from spanlake.traceql.types import NUMERIC, type_of
from spanlake.traceql.walk import walk

# These keep a label for themselves: Tempo has room for that many labels in all.
_LABELLING: Final = (
    MetricsFunction.AVG_OVER_TIME,
    MetricsFunction.QUANTILE_OVER_TIME,
    MetricsFunction.HISTOGRAM_OVER_TIME,
)


def check(query: Query, dialect: Dialect) -> Query:
    """The query, once it is known to make sense, with how exact its answer is to be: as its hint says, or the dialect.

    Raises TypeMismatch for operators and functions that cannot work on what they are given, Unsupported for what
    only another dialect answers and for what is too much at once. Whether spans or metrics were asked for is the
    caller's to check (``query.is_metrics``).
    """
    context = Context(dialect, query.text)
    check_size(query, context)
    if isinstance(query.body, Pipeline):
        _check_pipeline(query.body, context)
        if not dialect.mixed_pipelines:
            _refuse_mixed_pipelines(query.body, context)
    else:
        _check_metrics(query.body, context)
    wish = query.hint("exact", Type.BOOL)
    return replace(query, exact=dialect.exact if wish is None else wish.value is True)


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
    if context.dialect.scalar_expressions:
        return
    if not isinstance(node.left, Aggregate):
        context.unsupported("only an aggregate can stand on the left of a comparison", node.left.at)
    if not _is_constant(node.right):
        context.unsupported("only a constant can stand on the right of a comparison", node.right.at)


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


def _refuse_mixed_pipelines(body: Pipeline, context: Context) -> None:
    wrapped = [node for node in walk(body) if isinstance(node, Pipeline) and node is not body]
    if wrapped and not (len(body.stages) == 1 and _combines_pipelines_only(body.stages[0])):
        context.unsupported(
            "a pipeline in parentheses can only be combined with others, as the whole of a query", wrapped[0].at
        )


def _combines_pipelines_only(stage: Stage) -> bool:
    if isinstance(stage, SpansetOperation):
        return _combines_pipelines_only(stage.left) and _combines_pipelines_only(stage.right)
    return isinstance(stage, Pipeline) and not any(isinstance(inner, Pipeline) for inner in _below(stage))


def _below(pipeline: Pipeline) -> Iterable[object]:
    return (node for stage in pipeline.stages for node in walk(stage))


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
                if not context.dialect.series_operands:
                    _refuse_series_operand(side, context)
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
    if not context.dialect.mixed_pipelines:
        wrapped = next((below for below in _below(node.spans) if isinstance(below, Pipeline)), None)
        if wrapped is not None:
            context.unsupported("metrics cannot be made of a pipeline in parentheses", wrapped.at)
    if isinstance(node.aggregate, Compare):
        _check_compare(node.aggregate, context)
    else:
        _check_aggregation(node.aggregate, context)


def _check_aggregation(node: MetricsAggregate, context: Context) -> None:
    _check_all(node.by if node.operand is None else (node.operand, *node.by), context)
    if not all(0 <= quantile <= 1 for quantile in node.quantiles):
        context.mismatch(f"{node.function}() expects quantiles between 0 and 1", node.at)
    limit = context.dialect.max_group_by
    if limit is not None and len(node.by) > limit - (node.function in _LABELLING):
        context.unsupported(f"{node.function}() cannot be grouped by {len(node.by)} fields", node.by[-1].at)


def _check_compare(node: Compare, context: Context) -> None:
    check_condition(node.selection.condition, context)
    if node.top <= 0:
        context.mismatch("compare() expects a number of values above 0", node.at)
    if (node.start_ns or node.end_ns) and not 0 < node.start_ns < node.end_ns:
        context.mismatch("compare() expects a start before the end, both in Unix nanoseconds", node.at)


def _refuse_compare(node: MetricsExpression, use: str, context: Context) -> None:
    if isinstance(node, MetricsPipeline) and isinstance(node.aggregate, Compare):
        context.mismatch(f"the result of compare() cannot be {use}", node.at)


def _refuse_series_operand(node: MetricsExpression, context: Context) -> None:
    inner = node
    while isinstance(inner, Rank | SeriesFilter):
        inner = inner.series
    if inner is not node and isinstance(inner, MetricsOperation):
        context.unsupported("the result of arithmetic cannot be filtered or ranked inside of arithmetic", node.at)
