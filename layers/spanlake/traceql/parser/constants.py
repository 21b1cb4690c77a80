"""Arithmetic between number literals, as Tempo does it while reading a metrics query."""

from math import isfinite

from spanlake.traceql.ast.nodes import BinaryOperator, ScalarExpression, ScalarOperation, Static, Type
from spanlake.traceql.tokens import MAX_INT, MIN_INT


def fold(node: ScalarExpression) -> Static | None:
    """Compute the number that ``1 / 2`` or ``-(3.5 * 4)`` stands for; None for any other expression.

    Integers stay integers: ``1 / 2`` is 0, ``1.0 / 2`` is 0.5.
    """
    if isinstance(node, Static):
        return node if node.type in (Type.INT, Type.FLOAT) else None
    if not isinstance(node, ScalarOperation):
        return None
    left, right = fold(node.left), fold(node.right)
    value = _calculate(node.op, left.value, right.value) if left and right else None
    if value is None or not (MIN_INT <= value <= MAX_INT if isinstance(value, int) else isfinite(value)):
        return None
    return Static(Type.INT if isinstance(value, int) else Type.FLOAT, value, at=node.at)


def _calculate(op: BinaryOperator, left: object, right: object) -> int | float | None:
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    match op:
        case BinaryOperator.ADD:
            return left + right
        case BinaryOperator.SUBTRACT:
            return left - right
        case BinaryOperator.MULTIPLY:
            return left * right
        case BinaryOperator.DIVIDE if right != 0:
            return _divide(left, right)
        case _:
            return None


def _divide(left: int | float, right: int | float) -> int | float:
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient
