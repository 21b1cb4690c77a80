"""Plans of searches: what a pipeline is made of. They know no columns and no SQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from spanlake.traceql import ast
from spanlake.traceql.ast.walk import span_fields
from spanlake.traceql.errors import Unsupported

_SHOWN_ANYWAY = frozenset(
    (
        ast.Intrinsic.NAME,
        ast.Intrinsic.DURATION,
        ast.Intrinsic.TRACE_DURATION,
        ast.Intrinsic.TRACE_ROOT_NAME,
        ast.Intrinsic.TRACE_ROOT_SERVICE,
        ast.Intrinsic.TRACE_ID,
        ast.Intrinsic.SPAN_ID,
    )
)


@dataclass(frozen=True)
class SearchPlan:
    """A pipeline that finds span sets, and the query that it is a part of."""

    pipeline: ast.Pipeline
    query: ast.Query

    @property
    def only_filter(self) -> ast.FieldExpression | None:
        """The condition of a pipeline with just one spanset filter; each span can then be evaluated alone."""
        stages = self.pipeline.stages
        return stages[0].condition if len(stages) == 1 and isinstance(stages[0], ast.SpansetFilter) else None

    @cached_property
    def is_structural(self) -> bool:
        """True where an operator relates spans by the tree of their trace."""
        nodes = (node for stage in self.pipeline.stages for node in operations(stage))
        return any(node.op.relation for node in nodes)

    @property
    def result_fields(self) -> list[ast.Field]:
        """The fields that the pipeline names, by first mention, without the fields that every result has."""
        return [field for field in dict.fromkeys(span_fields(self.pipeline)) if _is_shown(field)]


def plan_search(query: ast.Query) -> SearchPlan:
    """Plan a validated search; raises Unsupported for a metrics query."""
    if not isinstance(query.body, ast.Pipeline):
        raise Unsupported("a search finds spans, not time series: ask the metrics endpoints", query.text, 0)
    return SearchPlan(query.body, query)


def operations(node: ast.SpansetExpression | ast.Stage | ast.ScalarExpression) -> Iterator[ast.SpansetOperation]:
    """Yield the spanset operations in a stage, at any depth."""
    match node:
        case ast.SpansetOperation():
            yield node
            inner: tuple[ast.SpansetExpression | ast.Stage | ast.ScalarExpression, ...] = (node.left, node.right)
        case ast.ScalarOperation() | ast.ScalarFilter():
            inner = (node.left, node.right)
        case ast.Pipeline():
            inner = node.stages
        case ast.ScalarPipeline():
            inner = (node.pipeline, node.scalar)
        case _:
            inner = ()
    for part in inner:
        yield from operations(part)


def _is_shown(field: ast.Field) -> bool:
    if not isinstance(field, ast.IntrinsicField):
        return True
    if field.parent:
        return True
    return field.intrinsic is not ast.Intrinsic.PARENT and field.intrinsic not in _SHOWN_ANYWAY
