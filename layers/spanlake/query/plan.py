"""Plans of queries: what they are made of, and how much of a trace they look at. They know no columns and no SQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TypeAlias

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
_OF_TRACE = frozenset((ast.Intrinsic.TRACE_DURATION, ast.Intrinsic.TRACE_ROOT_NAME, ast.Intrinsic.TRACE_ROOT_SERVICE))
_OF_TREE = frozenset(
    (
        ast.Intrinsic.CHILD_COUNT,
        ast.Intrinsic.NESTED_SET_LEFT,
        ast.Intrinsic.NESTED_SET_RIGHT,
        ast.Intrinsic.NESTED_SET_PARENT,
    )
)


class Grain(IntEnum):
    """The data at hand when one span is judged: itself, the spans of its trace, or also the tree that they make."""

    SPAN = 0
    TRACE = 1
    TREE = 2


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

    @cached_property
    def grain(self) -> Grain:
        """The grain of the pipeline; that of its SQL may be finer, where blocks lack attributes that it names."""
        if self.is_structural:
            return Grain.TREE
        return max(_grain(self.pipeline), Grain.SPAN if self.only_filter else Grain.TRACE)

    @property
    def result_fields(self) -> list[ast.Field]:
        """The fields that the pipeline names, by first mention, without the fields that every result has."""
        return [field for field in dict.fromkeys(span_fields(self.pipeline)) if _is_shown(field)]


def plan_search(query: ast.Query) -> SearchPlan:
    """Plan a validated search; raises Unsupported for a metrics query."""
    if not isinstance(query.body, ast.Pipeline):
        raise Unsupported("a search finds spans, not time series: ask the metrics endpoints", query.text, 0)
    return SearchPlan(query.body, query)


@dataclass(frozen=True)
class MetricsLeaf:
    """The part of a metrics query that reads blocks: spans, and the function that measures them."""

    spans: SearchPlan
    function: ast.MetricsAggregate | ast.Compare

    @cached_property
    def grain(self) -> Grain:
        """The grain of the spans and of what is measured of them."""
        return max(self.spans.grain, _grain(self.function))


@dataclass(frozen=True)
class SeriesOperation:
    """An operator on series, with its operands in the order of the text."""

    operator: ast.Rank | ast.SeriesFilter | ast.MetricsOperation
    operands: "tuple[MetricsNode, ...]"


MetricsNode: TypeAlias = MetricsLeaf | SeriesOperation | float


@dataclass(frozen=True)
class MetricsPlan:
    """An expression over leaves, each of which becomes series; or a number alone."""

    root: MetricsNode


def plan_metrics(query: ast.Query) -> MetricsPlan:
    """Plan a validated metrics query; raises Unsupported for arithmetic between numbers alone."""
    assert not isinstance(query.body, ast.Pipeline)
    if isinstance(query.body, ast.Static):
        return MetricsPlan(float(query.body.value))
    return MetricsPlan(_planned(query, query.body))


def _planned(query: ast.Query, node: ast.MetricsExpression) -> MetricsLeaf | SeriesOperation:
    match node:
        case ast.MetricsPipeline():
            return MetricsLeaf(SearchPlan(node.spans, query), node.aggregate)
        case ast.Rank() | ast.SeriesFilter():
            return SeriesOperation(node, (_planned(query, node.series),))
        case ast.MetricsOperation(left=ast.Static() as number):
            return SeriesOperation(node, (float(number.value), _planned(query, node.right)))
        case ast.MetricsOperation(right=ast.Static() as number):
            return SeriesOperation(node, (_planned(query, node.left), float(number.value)))
        case ast.MetricsOperation():
            return SeriesOperation(node, (_planned(query, node.left), _planned(query, node.right)))
        case _:
            raise Unsupported("a number alone is no time series", query.text, node.at)


def _grain(node: ast.Node) -> Grain:
    """Return the grain of the fields that a part of a query names."""
    fields = set(span_fields(node))
    intrinsics = {field.intrinsic for field in fields if isinstance(field, ast.IntrinsicField)}
    if intrinsics & _OF_TREE or any(field.parent for field in fields):
        return Grain.TREE
    return Grain.TRACE if intrinsics & _OF_TRACE else Grain.SPAN


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
