"""Rewriting of equivalent expressions to one form."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from spanlake.spans.ids import SPAN_ID, TRACE_ID, parse_id
from spanlake.traceql import ast

_LENGTHS: Final = {
    ast.Intrinsic.TRACE_ID: TRACE_ID,
    ast.Intrinsic.LINK_TRACE_ID: TRACE_ID,
    ast.Intrinsic.SPAN_ID: SPAN_ID,
    ast.Intrinsic.PARENT_ID: SPAN_ID,
    ast.Intrinsic.LINK_SPAN_ID: SPAN_ID,
}
_EQUALITY: Final = (ast.BinaryOperator.EQUAL, ast.BinaryOperator.NOT_EQUAL)


def with_plain_id(node: ast.Binary) -> ast.Binary:
    """Return a comparison for equality with an id with the id in normalized form, any other operation as it is."""
    left, right = node.left, node.right
    if node.op not in _EQUALITY:
        return node
    if isinstance(left, ast.IntrinsicField) and isinstance(right, ast.Static):
        return replace(node, right=_id(left, right))
    if isinstance(right, ast.IntrinsicField) and isinstance(left, ast.Static):
        return replace(node, left=_id(right, left))
    return node


def _id(field: ast.IntrinsicField, literal: ast.Static) -> ast.Static:
    length = _LENGTHS.get(field.intrinsic)
    if length is None or literal.type is not ast.Type.STRING:
        return literal
    found = parse_id(str(literal.value), length)
    return literal if found is None else replace(literal, value=found.hex())


FLIPPED = {
    ast.BinaryOperator.LESS: ast.BinaryOperator.GREATER,
    ast.BinaryOperator.LESS_EQUAL: ast.BinaryOperator.GREATER_EQUAL,
    ast.BinaryOperator.GREATER: ast.BinaryOperator.LESS,
    ast.BinaryOperator.GREATER_EQUAL: ast.BinaryOperator.LESS_EQUAL,
}
_MERGED_BY = {
    ast.BinaryOperator.EQUAL: ast.BinaryOperator.OR,
    ast.BinaryOperator.MATCH: ast.BinaryOperator.OR,
    ast.BinaryOperator.NOT_EQUAL: ast.BinaryOperator.AND,
    ast.BinaryOperator.NOT_MATCH: ast.BinaryOperator.AND,
}
_MERGED_TYPES = (ast.Type.STRING, ast.Type.INT, ast.Type.FLOAT, ast.Type.BOOL)


@dataclass(frozen=True)
class Comparison:
    """``field op value``, or several values of one type: any may match for = and =~, all must for != and !~."""

    field: ast.Field
    op: ast.BinaryOperator
    statics: tuple[ast.Static, ...]


def comparison(expression: ast.FieldExpression) -> Comparison | None:
    """Return ``a = 1``, ``a = 1 || a = 2`` and the like as one comparison with literals; None for others."""
    if not isinstance(expression, ast.Binary):
        return None
    if expression.op.is_logical:
        return _merged(expression)
    if not (expression.op.is_comparison or expression.op.is_regex):
        return None
    left, right = expression.left, expression.right
    if isinstance(left, ast.Attribute | ast.IntrinsicField) and isinstance(right, ast.Static):
        return Comparison(left, expression.op, (right,))
    if isinstance(left, ast.Static) and isinstance(right, ast.Attribute | ast.IntrinsicField):
        return Comparison(right, FLIPPED.get(expression.op, expression.op), (left,))
    return None


def _merged(expression: ast.Binary) -> Comparison | None:
    left, right = comparison(expression.left), comparison(expression.right)
    if left is None or right is None or (left.field, left.op) != (right.field, right.op):
        return None
    types = {static.type for static in left.statics + right.statics}
    if _MERGED_BY.get(left.op) is not expression.op or len(types) > 1 or not types <= set(_MERGED_TYPES):
        return None
    return Comparison(left.field, left.op, left.statics + right.statics)


def conjuncts(expression: ast.FieldExpression) -> Iterator[ast.FieldExpression]:
    """Yield the parts of a condition that all must hold."""
    if (
        isinstance(expression, ast.Binary)
        and expression.op is ast.BinaryOperator.AND
        and comparison(expression) is None
    ):
        yield from conjuncts(expression.left)
        yield from conjuncts(expression.right)
    else:
        yield expression
