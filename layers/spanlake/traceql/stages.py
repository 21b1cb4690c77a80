"""What stands in the stages of a pipeline."""

from collections.abc import Iterator

from spanlake.traceql.conditions import Condition, Presence, conditions
from spanlake.traceql.tree import (
    Aggregate,
    GroupBy,
    Pipeline,
    ScalarExpression,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    Select,
    SpansetExpression,
    SpansetFilter,
    SpansetOperation,
    Stage,
)


def leaves(node: SpansetExpression | Stage) -> Iterator[SpansetFilter]:
    """The filters of a spanset expression."""
    if isinstance(node, SpansetFilter):
        yield node
    elif isinstance(node, SpansetOperation):
        yield from leaves(node.left)
        yield from leaves(node.right)
    elif isinstance(node, Pipeline):
        yield from leaves(node.stages[0])


def operations(node: SpansetExpression | Stage | ScalarExpression) -> Iterator[SpansetOperation]:
    """The spanset operations in a stage, however deep."""
    match node:
        case SpansetOperation():
            yield node
            inner: tuple[SpansetExpression | Stage | ScalarExpression, ...] = (node.left, node.right)
        case ScalarOperation() | ScalarFilter():
            inner = (node.left, node.right)
        case Pipeline():
            inner = node.stages
        case ScalarPipeline():
            inner = (node.pipeline, node.scalar)
        case _:
            inner = ()
    for part in inner:
        yield from operations(part)


def fetched(pipeline: Pipeline) -> Iterator[Condition]:
    """The conditions and fields of all stages: what Tempo reads, and so shows."""
    for stage in pipeline.stages:
        match stage:
            case SpansetFilter():
                yield from conditions(stage.condition).items
            case SpansetOperation():
                for leaf in leaves(stage):
                    yield from conditions(leaf.condition).items
            case Pipeline():
                yield from fetched(stage)
            case GroupBy():
                yield from conditions(stage.expression).items
            case ScalarFilter():
                yield from _of_scalar(stage.left)
                yield from _of_scalar(stage.right)
            case Select():
                yield from (Presence(one) for one in stage.fields)


def _of_scalar(node: ScalarExpression) -> Iterator[Condition]:
    if isinstance(node, ScalarPipeline):
        yield from fetched(node.pipeline)
        yield from _of_scalar(node.scalar)
    if isinstance(node, Aggregate) and node.operand is not None:
        yield from conditions(node.operand).items
    elif isinstance(node, ScalarOperation):
        yield from _of_scalar(node.left)
        yield from _of_scalar(node.right)
