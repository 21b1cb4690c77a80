"""What stands in the stages of a pipeline."""

from collections.abc import Iterator

from spanlake.traceql.tree import (
    Field,
    Intrinsic,
    IntrinsicField,
    Pipeline,
    ScalarExpression,
    ScalarFilter,
    ScalarOperation,
    ScalarPipeline,
    SpansetExpression,
    SpansetOperation,
    Stage,
)
from spanlake.traceql.walk import span_fields

_SHOWN_ANYWAY = frozenset(
    (
        Intrinsic.NAME,
        Intrinsic.DURATION,
        Intrinsic.TRACE_DURATION,
        Intrinsic.TRACE_ROOT_NAME,
        Intrinsic.TRACE_ROOT_SERVICE,
        Intrinsic.TRACE_ID,
        Intrinsic.SPAN_ID,
    )
)


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


def shown_fields(pipeline: Pipeline) -> list[Field]:
    """The fields that a query names, in the order of first mention, without those that a result shows anyway."""
    return [field for field in dict.fromkeys(span_fields(pipeline)) if _is_shown(field)]


def _is_shown(field: Field) -> bool:
    if not isinstance(field, IntrinsicField):
        return True
    if field.parent:
        return True
    return field.intrinsic is not Intrinsic.PARENT and field.intrinsic not in _SHOWN_ANYWAY
