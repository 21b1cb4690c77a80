"""Static types of expressions.

None means that only the data decides: an attribute may have any type. These are the rules of Tempo's
``ast_validate.go`` and ``enum_operators.go``; besides, a denial is boolean and arithmetic a number, whatever the data.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from spanlake.traceql import ast

NUMERIC: Final = frozenset({ast.Type.INT, ast.Type.FLOAT, ast.Type.DURATION})

_INTRINSIC_TYPES: Final[Mapping[ast.Intrinsic, ast.Type]] = MappingProxyType(
    {
        ast.Intrinsic.STATUS: ast.Type.STATUS,
        ast.Intrinsic.KIND: ast.Type.KIND,
        **dict.fromkeys(
            (ast.Intrinsic.DURATION, ast.Intrinsic.TRACE_DURATION, ast.Intrinsic.EVENT_TIME_SINCE_START),
            ast.Type.DURATION,
        ),
        **dict.fromkeys(
            (ast.Intrinsic.NESTED_SET_LEFT, ast.Intrinsic.NESTED_SET_RIGHT, ast.Intrinsic.NESTED_SET_PARENT),
            ast.Type.INT,
        ),
        ast.Intrinsic.CHILD_COUNT: ast.Type.INT,
        **dict.fromkeys((ast.Intrinsic.NAME, ast.Intrinsic.STATUS_MESSAGE, ast.Intrinsic.EVENT_NAME), ast.Type.STRING),
        **dict.fromkeys(
            (ast.Intrinsic.TRACE_ROOT_NAME, ast.Intrinsic.TRACE_ROOT_SERVICE, ast.Intrinsic.TRACE_ID), ast.Type.STRING
        ),
        **dict.fromkeys((ast.Intrinsic.SPAN_ID, ast.Intrinsic.PARENT_ID), ast.Type.STRING),
        **dict.fromkeys((ast.Intrinsic.LINK_TRACE_ID, ast.Intrinsic.LINK_SPAN_ID), ast.Type.STRING),
    }
)

_ORDERING: Final = frozenset(op for op in ast.BinaryOperator if op.is_comparison)
_EQUALITY: Final = frozenset({ast.BinaryOperator.EQUAL, ast.BinaryOperator.NOT_EQUAL})
_LOGICAL: Final = frozenset(op for op in ast.BinaryOperator if op.is_logical)
_REGEX: Final = frozenset(op for op in ast.BinaryOperator if op.is_regex)
_ARITHMETIC: Final = frozenset(op for op in ast.BinaryOperator if op.is_arithmetic)

_OPERATORS: Final[Mapping[ast.Type, frozenset[ast.BinaryOperator]]] = MappingProxyType(
    {
        **dict.fromkeys(NUMERIC, _ARITHMETIC | _ORDERING),
        ast.Type.STRING: _ORDERING | _REGEX,
        ast.Type.BOOL: _EQUALITY | _LOGICAL,
        ast.Type.STATUS: _EQUALITY,
        ast.Type.KIND: _EQUALITY,
    }
)


_A_NUMBER: Final = ast.Type.FLOAT
"""Type of a number that attributes alone decide: it is compared with numbers of all types."""


def type_of(node: ast.FieldExpression | ast.ScalarExpression) -> ast.Type | None:
    """Return the type of a field expression or of a scalar."""
    match node:
        case ast.Static():
            return node.type
        case ast.IntrinsicField():
            return _INTRINSIC_TYPES.get(node.intrinsic)
        case ast.Unary(op=ast.UnaryOperator.NOT):
            return ast.Type.BOOL
        case ast.Unary():
            return type_of(node.operand) or _A_NUMBER
        case ast.Aggregate() | ast.ScalarPipeline():
            return _type_of_operand(node)
        case ast.Binary() | ast.ScalarOperation():
            return _type_of_operation(node)
        case _:
            return ast.Type.BOOL if isinstance(node, ast.Exists) else None


def _type_of_operand(node: ast.Aggregate | ast.ScalarPipeline) -> ast.Type | None:
    operand = node.scalar if isinstance(node, ast.ScalarPipeline) else node.operand
    return ast.Type.INT if operand is None else type_of(operand)


def _type_of_operation(node: ast.Binary | ast.ScalarOperation) -> ast.Type | None:
    if not node.op.is_arithmetic:
        return ast.Type.BOOL
    return type_of(node.left) or type_of(node.right) or _A_NUMBER


def are_comparable(left: ast.Type | None, right: ast.Type | None) -> bool:
    """Return True if an operator may compare values of two types: equal types, two numbers, or an unknown type."""
    return left is None or right is None or left == right or {left, right} <= NUMERIC


def works_on(op: ast.BinaryOperator, operand: ast.Type | None) -> bool:
    """Return True if an operator takes operands of a type."""
    return operand is None or op in _OPERATORS[operand]
