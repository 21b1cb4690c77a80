"""Queries on the stages of a pipeline: their structural operations and their fields."""

from collections.abc import Iterator

from spanlake.traceql.ast.nodes import (
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
from spanlake.traceql.ast.walk import span_fields

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
    """Yield the spanset operations in a stage, at any depth."""
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
    """List the fields that a query names, by first mention, without the fields that every result has."""
    return [field for field in dict.fromkeys(span_fields(pipeline)) if _is_shown(field)]


def _is_shown(field: Field) -> bool:
    if not isinstance(field, IntrinsicField):
        return True
    if field.parent:
        return True
    return field.intrinsic is not Intrinsic.PARENT and field.intrinsic not in _SHOWN_ANYWAY
