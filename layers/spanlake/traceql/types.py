"""Static types of expressions.

None means that only the data decides: an attribute may have any type. These are the rules of Tempo's
``ast_validate.go`` and ``enum_operators.go``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from spanlake.traceql.ast.nodes import (
    Aggregate,
    Binary,
    BinaryOperator,
    Exists,
    FieldExpression,
    Intrinsic,
    IntrinsicField,
    ScalarExpression,
    ScalarOperation,
    ScalarPipeline,
    Static,
    Type,
    Unary,
)

NUMERIC: Final = frozenset({Type.INT, Type.FLOAT, Type.DURATION})

_INTRINSIC_TYPES: Final[Mapping[Intrinsic, Type]] = MappingProxyType(
    {
        Intrinsic.STATUS: Type.STATUS,
        Intrinsic.KIND: Type.KIND,
        **dict.fromkeys(
            (Intrinsic.DURATION, Intrinsic.TRACE_DURATION, Intrinsic.EVENT_TIME_SINCE_START), Type.DURATION
        ),
        **dict.fromkeys((Intrinsic.NESTED_SET_LEFT, Intrinsic.NESTED_SET_RIGHT, Intrinsic.NESTED_SET_PARENT), Type.INT),
        Intrinsic.CHILD_COUNT: Type.INT,
        **dict.fromkeys((Intrinsic.NAME, Intrinsic.STATUS_MESSAGE, Intrinsic.EVENT_NAME), Type.STRING),
        **dict.fromkeys((Intrinsic.TRACE_ROOT_NAME, Intrinsic.TRACE_ROOT_SERVICE, Intrinsic.TRACE_ID), Type.STRING),
        **dict.fromkeys((Intrinsic.SPAN_ID, Intrinsic.PARENT_ID), Type.STRING),
        **dict.fromkeys((Intrinsic.LINK_TRACE_ID, Intrinsic.LINK_SPAN_ID), Type.STRING),
    }
)

_ORDERING: Final = frozenset(op for op in BinaryOperator if op.is_comparison)
_EQUALITY: Final = frozenset({BinaryOperator.EQUAL, BinaryOperator.NOT_EQUAL})
_LOGICAL: Final = frozenset(op for op in BinaryOperator if op.is_logical)
_REGEX: Final = frozenset(op for op in BinaryOperator if op.is_regex)
_ARITHMETIC: Final = frozenset(op for op in BinaryOperator if op.is_arithmetic)

_OPERATORS: Final[Mapping[Type, frozenset[BinaryOperator]]] = MappingProxyType(
    {
        **dict.fromkeys(NUMERIC, _ARITHMETIC | _ORDERING),
        Type.STRING: _ORDERING | _REGEX,
        Type.BOOL: _EQUALITY | _LOGICAL,
        Type.STATUS: _EQUALITY,
        Type.KIND: _EQUALITY,
    }
)


def type_of(node: FieldExpression | ScalarExpression) -> Type | None:
    """Return the type of a field expression or of a scalar."""
    match node:
        case Static():
            return node.type
        case IntrinsicField():
            return _INTRINSIC_TYPES.get(node.intrinsic)
        case Unary() | Aggregate() | ScalarPipeline():
            return _type_of_operand(node)
        case Binary() | ScalarOperation():
            return _type_of_operation(node)
        case _:
            return Type.BOOL if isinstance(node, Exists) else None


def _type_of_operand(node: Unary | Aggregate | ScalarPipeline) -> Type | None:
    operand = node.scalar if isinstance(node, ScalarPipeline) else node.operand
    return Type.INT if operand is None else type_of(operand)


def _type_of_operation(node: Binary | ScalarOperation) -> Type | None:
    if not node.op.is_arithmetic:
        return Type.BOOL
    left = type_of(node.left)
    return type_of(node.right) if left is None else left


def are_comparable(left: Type | None, right: Type | None) -> bool:
    """Return True if an operator may compare values of two types: equal types, two numbers, or an unknown type."""
    return left is None or right is None or left == right or {left, right} <= NUMERIC


def works_on(op: BinaryOperator, operand: Type | None) -> bool:
    """Return True if an operator takes operands of a type."""
    return operand is None or op in _OPERATORS[operand]
