"""Validation of types, values and size of a query."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from spanlake.traceql import ast
from spanlake.traceql.ast.walk import children, walk
from spanlake.traceql.types import NUMERIC, type_of
from spanlake.traceql.validate_fields import (
    ValidationContext,
    describe,
    references_span,
    validate_condition,
    validate_expression,
    validate_field,
    validate_operands,
)

_SPANSETS: Final = (ast.SpansetFilter, ast.ScalarFilter, ast.GroupBy, ast.Coalesce, ast.Select)
_TERMS: Final = (
    ast.Attribute,
    ast.IntrinsicField,
    ast.Unary,
    ast.Binary,
    ast.Exists,
    ast.Aggregate,
    ast.ScalarOperation,
    ast.SpansetOperation,
    ast.MetricsOperation,
    ast.Rank,
    ast.SeriesFilter,
)
MOST_NESTED_ARITHMETIC: Final = 24
_ARITHMETIC: Final = 10  # an arithmetic operator takes as long to plan as this many terms
_QUANTILE: Final = 10  # as does a quantile, each of which makes series of its own


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Limits on the spansets and pipeline stages of a query, and on its fields and operators.

    An arithmetic operator counts as ten, planning takes longer for each the more there are; and so does a quantile.
    """

    spansets: int = 100
    terms: int = 10_000


def validate_size(query: ast.Query, limits: SizeLimits, context: ValidationContext) -> None:
    """Raise Unsupported for more spansets and stages, or more fields and operators, than the limits allow."""
    spansets, terms = 0, 0
    if _nested_arithmetic(query) > MOST_NESTED_ARITHMETIC:
        context.unsupported(f"arithmetic nested too deep (limit: {MOST_NESTED_ARITHMETIC} operators)", 0)
    for node in walk(query):
        spansets += isinstance(node, _SPANSETS)
        terms += _terms(node)
    if spansets > limits.spansets:
        context.unsupported(
            f"the query has {spansets} spansets and stages, more than {limits.spansets}: ask for less at once, or "
            "raise --query-spansets",
            0,
        )
    if terms > limits.terms:
        context.unsupported(
            f"the query has {terms} fields and operators, more than {limits.terms}: ask for less at once, or "
            "raise --query-terms",
            0,
        )


def _nested_arithmetic(node: ast.Node) -> int:
    """Return the largest number of arithmetic operators on a path from the root to a leaf."""
    below = max(map(_nested_arithmetic, children(node)), default=0)
    return below + _is_arithmetic(node)


def _is_arithmetic(node: ast.Node) -> bool:
    return isinstance(node, ast.Binary) and node.op.is_arithmetic


def _terms(node: ast.Node) -> int:
    if _is_arithmetic(node):
        return _ARITHMETIC
    if isinstance(node, ast.MetricsAggregate):
        return _QUANTILE * len(node.quantiles)
    return int(isinstance(node, _TERMS))


_USUAL: Final = SizeLimits()
_MOST_COMPARED: Final = 1_000  # values of an attribute


def validate(query: ast.Query, limits: SizeLimits = _USUAL) -> ast.Query:
    """Validate a query and return it.

    Raises TypeMismatch for operators and functions with operands of the wrong type, and Unsupported for queries without
    a meaning and for queries beyond the limits. The caller checks for a search or metrics query (``query.is_metrics``).
    """
    context = ValidationContext(query.text)
    validate_size(query, limits, context)
    if isinstance(query.body, ast.Pipeline):
        _check_pipeline(query.body, context)
    else:
        _check_metrics(query.body, context)
    return query


def _check_pipeline(pipeline: ast.Pipeline, context: ValidationContext) -> None:
    for stage in pipeline.stages:
        _check_stage(stage, context)


def _check_stage(stage: ast.Stage, context: ValidationContext) -> None:
    match stage:
        case ast.SpansetFilter():
            validate_condition(stage.condition, context)
        case ast.SpansetOperation():
            _check_stage(stage.left, context)
            _check_stage(stage.right, context)
        case ast.Pipeline():
            _check_pipeline(stage, context)
        case ast.ScalarFilter():
            _check_scalar_filter(stage, context)
        case ast.GroupBy():
            validate_expression(stage.expression, context)
            if not references_span(stage.expression):
                context.mismatch("by() expects something that differs between spans", stage.expression.at)
        case ast.Select():
            _check_all(stage.fields, context)
        case ast.Coalesce():
            pass


def _check_all(fields: Iterable[ast.Field], context: ValidationContext) -> None:
    for field in fields:
        validate_field(field, context)


def _check_scalar_filter(node: ast.ScalarFilter, context: ValidationContext) -> None:
    _check_scalar(node.left, context)
    _check_scalar(node.right, context)
    validate_operands(node, context)
    if _is_constant(node.left) and _is_constant(node.right):
        context.unsupported("a comparison of two constants selects nothing: expected an aggregate", node.at)


def _check_scalar(node: ast.ScalarExpression, context: ValidationContext) -> None:
    match node:
        case ast.Static():
            pass
        case ast.Aggregate():
            _check_aggregate(node, context)
        case ast.ScalarOperation():
            _check_scalar(node.left, context)
            _check_scalar(node.right, context)
            validate_operands(node, context)
        case ast.ScalarPipeline():
            _check_pipeline(node.pipeline, context)
            _check_scalar(node.scalar, context)


def _check_aggregate(node: ast.Aggregate, context: ValidationContext) -> None:
    if node.operand is None:
        return
    validate_expression(node.operand, context)
    operand = type_of(node.operand)
    if operand is not None and operand not in NUMERIC:
        context.mismatch(f"{node.function}() expects a number, found {describe(operand)}", node.operand.at)
    if not references_span(node.operand):
        context.mismatch(f"{node.function}() expects something that differs between spans", node.operand.at)


def _is_constant(node: ast.ScalarExpression) -> bool:
    return not any(isinstance(part, ast.Aggregate) for part in walk(node))


def _check_metrics(node: ast.MetricsExpression, context: ValidationContext) -> None:
    match node:
        case ast.Static():
            pass
        case ast.MetricsPipeline():
            _check_metrics_pipeline(node, context)
        case ast.MetricsOperation():
            for side in (node.left, node.right):
                _check_metrics(side, context)
                _refuse_compare(side, "used in arithmetic", context)
        case ast.SeriesFilter():
            _check_metrics(node.series, context)
            _refuse_compare(node.series, "filtered", context)
        case ast.Rank():
            _check_metrics(node.series, context)
            _refuse_compare(node.series, "ranked", context)
            if node.limit <= 0:
                context.mismatch(f"{node.function}() expects a number above 0", node.at)


def _check_metrics_pipeline(node: ast.MetricsPipeline, context: ValidationContext) -> None:
    _check_pipeline(node.spans, context)
    if isinstance(node.aggregate, ast.Compare):
        _check_compare(node.aggregate, context)
    else:
        _check_aggregation(node.aggregate, context)


def _check_aggregation(node: ast.MetricsAggregate, context: ValidationContext) -> None:
    _check_all(node.by if node.operand is None else (node.operand, *node.by), context)
    if not all(0 <= quantile <= 1 for quantile in node.quantiles):
        context.mismatch(f"{node.function}() expects quantiles between 0 and 1", node.at)


def _check_compare(node: ast.Compare, context: ValidationContext) -> None:
    validate_condition(node.selection.condition, context)
    if not 1 <= node.top <= _MOST_COMPARED:
        context.mismatch(f"compare() expects a number of values from 1 to {_MOST_COMPARED}", node.at)
    if (node.start_ns or node.end_ns) and not 0 < node.start_ns < node.end_ns:
        context.mismatch("compare() expects a start before the end, both in Unix nanoseconds", node.at)


def _refuse_compare(node: ast.MetricsExpression, use: str, context: ValidationContext) -> None:
    if isinstance(node, ast.MetricsPipeline) and isinstance(node.aggregate, ast.Compare):
        context.mismatch(f"the result of compare() cannot be {use}", node.at)
