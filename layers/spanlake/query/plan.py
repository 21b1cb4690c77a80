"""Queries on the stages of a pipeline: their structural operations and their fields."""

from collections.abc import Iterator

from spanlake.traceql import ast
from spanlake.traceql.ast.walk import span_fields

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


def result_fields(pipeline: ast.Pipeline) -> list[ast.Field]:
    """List the fields that a query names, by first mention, without the fields that every result has."""
    return [field for field in dict.fromkeys(span_fields(pipeline)) if _is_shown(field)]


def _is_shown(field: ast.Field) -> bool:
    if not isinstance(field, ast.IntrinsicField):
        return True
    if field.parent:
        return True
    return field.intrinsic is not ast.Intrinsic.PARENT and field.intrinsic not in _SHOWN_ANYWAY
