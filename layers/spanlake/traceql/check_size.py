"""How large a query may be, so that planning it cannot take long."""

from typing import Final

from spanlake.traceql.check_fields import Context
from spanlake.traceql.tree import (
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
from spanlake.traceql.walk import walk

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
_ARITHMETIC: Final = 10  # so many terms does it take as long to plan as


def check_size(query: Query, context: Context) -> None:
    """Raises Unsupported for more spansets and stages, or more fields and operators, than the dialect allows."""
    dialect, spansets, terms = context.dialect, 0, 0
    for node in walk(query):
        spansets += isinstance(node, _SPANSETS)
        terms += _terms(node)
    if spansets > dialect.max_spansets:
        context.unsupported(
            f"the query has {spansets} spansets and stages, more than {dialect.max_spansets}: ask for less at once, or "
            "raise --query-spansets",
            0,
        )
    if terms > dialect.max_terms:
        context.unsupported(
            f"the query has {terms} fields and operators, more than {dialect.max_terms}: ask for less at once, or "
            "raise --query-terms",
            0,
        )


def _terms(node: Node) -> int:
    if isinstance(node, Binary) and node.op.is_arithmetic:
        return _ARITHMETIC
    return int(isinstance(node, _TERMS))
