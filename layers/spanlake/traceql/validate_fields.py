"""Validation of field expressions."""

from dataclasses import dataclass
from typing import NoReturn

from spanlake.traceql import ast
from spanlake.traceql.advice import type_advice
from spanlake.traceql.ast.walk import span_fields
from spanlake.traceql.errors import TypeMismatch, Unsupported
from spanlake.traceql.regex import problem_of
from spanlake.traceql.types import NUMERIC, are_comparable, type_of, works_on

_ARTICLES = {ast.Type.INT: "an int"}
_OF_ELEMENTS = frozenset(
    {
        ast.Intrinsic.EVENT_NAME,
        ast.Intrinsic.EVENT_TIME_SINCE_START,
        ast.Intrinsic.LINK_TRACE_ID,
        ast.Intrinsic.LINK_SPAN_ID,
    }
)
_PLACES_IN_TREE = frozenset(
    {
        ast.Intrinsic.NESTED_SET_LEFT,
        ast.Intrinsic.NESTED_SET_RIGHT,
        ast.Intrinsic.NESTED_SET_PARENT,
        ast.Intrinsic.CHILD_COUNT,
    }
)


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """The text of a query, in which errors name a position."""

    text: str

    def mismatch(self, message: str, at: int) -> NoReturn:
        raise TypeMismatch(message, self.text, at)

    def unsupported(self, message: str, at: int) -> NoReturn:
        raise Unsupported(message, self.text, at)


def validate_expression(node: ast.FieldExpression, context: ValidationContext) -> None:
    """Raise TypeMismatch or Unsupported for an invalid expression; its leftmost error is reported."""
    match node:
        case ast.Static():
            pass
        case ast.Attribute() | ast.IntrinsicField():
            validate_field(node, context)
        case ast.Exists():
            _check_exists(node, context)
        case ast.Unary():
            _check_unary(node, context)
        case ast.Binary():
            validate_expression(node.left, context)
            validate_expression(node.right, context)
            validate_operands(node, context)
            if node.op.is_regex:
                _check_pattern(node, context)


def validate_condition(node: ast.FieldExpression, context: ValidationContext) -> None:
    """Check the expression of a spanset filter, which must be boolean."""
    validate_expression(node, context)
    if type_of(node) not in (None, ast.Type.BOOL):
        context.mismatch(f"expected a condition between the braces, found {describe(type_of(node))}", node.at)


def validate_field(node: ast.Attribute | ast.IntrinsicField, context: ValidationContext) -> None:
    """Check that a field has a value that can be compared."""
    if node.parent and isinstance(node, ast.IntrinsicField) and node.intrinsic in _PLACES_IN_TREE | _OF_ELEMENTS:
        context.unsupported(f"{node.intrinsic} of a parent is not supported: ask with `>` or `<` for parents", node.at)
    if isinstance(node, ast.IntrinsicField) and node.intrinsic is ast.Intrinsic.PARENT:
        context.mismatch("parent can only be compared with nil: its fields are written parent.duration", node.at)


def validate_operands(node: ast.Binary | ast.ScalarOperation | ast.ScalarFilter, context: ValidationContext) -> None:
    """Check that the operator takes operands of the types on both sides."""
    left, right = type_of(node.left), type_of(node.right)
    if not are_comparable(left, right):
        sides = f"`{node.op}` cannot stand between {describe(left)} and {describe(right)}"
        context.mismatch(sides + type_advice(node), node.at)
    for operand in (left, right):
        if not works_on(node.op, operand):
            context.mismatch(f"`{node.op}` does not work on {describe(operand)}", node.at)


def references_span(node: ast.FieldExpression) -> bool:
    """Return True if an expression can differ from span to span."""
    return next(span_fields(node), None) is not None


def describe(type_: ast.Type | None) -> str:
    """Return a type with its article; an unknown type is an attribute's."""
    return "an attribute" if type_ is None else _ARTICLES.get(type_, f"a {type_}")


def _check_exists(node: ast.Exists, context: ValidationContext) -> None:
    operand = node.operand
    if isinstance(operand, ast.IntrinsicField) and operand.intrinsic is ast.Intrinsic.PARENT:
        return
    validate_expression(operand, context)
    if node.negated and _is_never_nil(operand):
        context.mismatch("comparing with nil is of no use here: every span has this", operand.at)


def _is_never_nil(operand: ast.FieldExpression) -> bool:
    if not isinstance(operand, ast.IntrinsicField):
        return False
    return not operand.parent and operand.intrinsic not in _OF_ELEMENTS


def _check_unary(node: ast.Unary, context: ValidationContext) -> None:
    validate_expression(node.operand, context)
    allowed = NUMERIC if node.op is ast.UnaryOperator.NEGATE else {ast.Type.BOOL}
    operand = type_of(node.operand)
    if operand is not None and operand not in allowed:
        is_swapped = node.op is ast.UnaryOperator.NOT and context.text[: node.at].endswith("=")
        meant = "; unequal is `!=`" if is_swapped else ""
        context.mismatch(f"`{node.op}` does not work on {describe(operand)}{meant}", node.at)


def _check_pattern(node: ast.Binary, context: ValidationContext) -> None:
    pattern = node.right
    if not isinstance(pattern, ast.Static) or not isinstance(pattern.value, str):
        context.mismatch(f"`{node.op}` expects a regular expression, a string, on its right", pattern.at)
    if problem := problem_of(pattern.value):
        context.mismatch(f"the regular expression does not compile: {problem}", pattern.at)
