"""Limits on the size of a query, which bound the time for planning it."""

from dataclasses import dataclass
from typing import Final

from spanlake.traceql.ast.nodes import (
    Aggregate,
    Attribute,
    Binary,
    Coalesce,
    Exists,
    GroupBy,
    IntrinsicField,
    MetricsOperation,
    Node,
    Query,
    Rank,
    ScalarFilter,
    ScalarOperation,
    Select,
    SeriesFilter,
    SpansetFilter,
    SpansetOperation,
    Unary,
)
from spanlake.traceql.ast.walk import children, walk
from spanlake.traceql.validate_fields import Context

_SPANSETS: Final = (SpansetFilter, ScalarFilter, GroupBy, Coalesce, Select)
_TERMS: Final = (
    Attribute,
    IntrinsicField,
    Unary,
    Binary,
    Exists,
    Aggregate,
    ScalarOperation,
    SpansetOperation,
    MetricsOperation,
    Rank,
    SeriesFilter,
)
MOST_NESTED_ARITHMETIC: Final = 24
_ARITHMETIC: Final = 10  # an arithmetic operator takes as long to plan as this many terms


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Limits on the spansets and pipeline stages of a query, and on its fields and operators.

    An arithmetic operator counts as ten: planning takes longer for each the more there are.
    """

    spansets: int = 100
    terms: int = 10_000


def check_size(query: Query, limits: SizeLimits, context: Context) -> None:
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


def _nested_arithmetic(node: Node) -> int:
    """Return the largest number of arithmetic operators on a path from the root to a leaf."""
    below = max(map(_nested_arithmetic, children(node)), default=0)
    return below + _is_arithmetic(node)


def _is_arithmetic(node: Node) -> bool:
    return isinstance(node, Binary) and node.op.is_arithmetic


def _terms(node: Node) -> int:
    if _is_arithmetic(node):
        return _ARITHMETIC
    return int(isinstance(node, _TERMS))
