"""Comparisons of a field with literals: the tests that columns and block statistics can answer directly."""

from collections.abc import Iterator
from dataclasses import dataclass

from spanlake.traceql.ast.nodes import (
    Attribute,
    Binary,
    BinaryOperator,
    Field,
    FieldExpression,
    IntrinsicField,
    Static,
    Type,
)

FLIPPED = {
    BinaryOperator.LESS: BinaryOperator.GREATER,
    BinaryOperator.LESS_EQUAL: BinaryOperator.GREATER_EQUAL,
    BinaryOperator.GREATER: BinaryOperator.LESS,
    BinaryOperator.GREATER_EQUAL: BinaryOperator.LESS_EQUAL,
}
_MERGED_BY = {
    BinaryOperator.EQUAL: BinaryOperator.OR,
    BinaryOperator.MATCH: BinaryOperator.OR,
    BinaryOperator.NOT_EQUAL: BinaryOperator.AND,
    BinaryOperator.NOT_MATCH: BinaryOperator.AND,
}
_MERGED_TYPES = (Type.STRING, Type.INT, Type.FLOAT, Type.BOOL)


@dataclass(frozen=True)
class Comparison:
    """``field op value``, or several values of one type: any may match for = and =~, all must for != and !~."""

    field: Field
    op: BinaryOperator
    statics: tuple[Static, ...]


def comparison(expression: FieldExpression) -> Comparison | None:
    """Return ``a = 1``, ``a = 1 || a = 2`` and the like as one comparison with literals; None for others."""
    if not isinstance(expression, Binary):
        return None
    if expression.op.is_logical:
        return _merged(expression)
    if not (expression.op.is_comparison or expression.op.is_regex):
        return None
    left, right = expression.left, expression.right
    if isinstance(left, Attribute | IntrinsicField) and isinstance(right, Static):
        return Comparison(left, expression.op, (right,))
    if isinstance(left, Static) and isinstance(right, Attribute | IntrinsicField):
        return Comparison(right, FLIPPED.get(expression.op, expression.op), (left,))
    return None


def _merged(expression: Binary) -> Comparison | None:
    left, right = comparison(expression.left), comparison(expression.right)
    if left is None or right is None or (left.field, left.op) != (right.field, right.op):
        return None
    types = {static.type for static in left.statics + right.statics}
    if _MERGED_BY.get(left.op) is not expression.op or len(types) > 1 or not types <= set(_MERGED_TYPES):
        return None
    return Comparison(left.field, left.op, left.statics + right.statics)


def conjuncts(expression: FieldExpression) -> Iterator[FieldExpression]:
    """Yield the parts of a condition that all must hold."""
    if isinstance(expression, Binary) and expression.op is BinaryOperator.AND and comparison(expression) is None:
        yield from conjuncts(expression.left)
        yield from conjuncts(expression.right)
    else:
        yield expression
