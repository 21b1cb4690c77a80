"""What a span must fetch to be judged: the field conditions of a spanset filter, in Tempo's sense.

Tempo reads spans in two steps. Storage hands over the spans that meet the conditions below (all of them, or any one
where an ``||`` or an unscoped attribute makes "all" impossible to tell), with just the values that met them; the
filter is then judged on those values. The two steps show in answers: ``{ !(name = "x") }`` finds nothing, since only
spans named x are handed over, and a result shows only the values that a condition let through. These rules are those
of Tempo's ``ast_conditions.go`` and ``ast_rewriter.go``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from spanlake.traceql.tree import (
    Attribute,
    AttributeScope,
    Binary,
    BinaryOperator,
    Exists,
    Field,
    FieldExpression,
    IntrinsicField,
    Static,
    Type,
    Unary,
)

_FLIPPED = {
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
    """``field op value``, or several values of one type: any may hold for = and =~, all must for != and !~."""

    field: Field
    op: BinaryOperator
    statics: tuple[Static, ...]


@dataclass(frozen=True)
class Presence:
    """``field = nil`` if absent, else: the field, whatever its value."""

    field: Field
    absent: bool = False


Condition = Comparison | Presence


@dataclass(frozen=True)
class Conditions:
    """The conditions of a filter; ``all_met`` when a span must meet every one to be found."""

    items: tuple[Condition, ...]
    all_met: bool


def comparison(expression: FieldExpression) -> Comparison | None:
    """The expression as one comparison of a field with literals, if it is one; ``a = 1 || a = 2`` is."""
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
        return Comparison(right, _FLIPPED.get(expression.op, expression.op), (left,))
    return None


def _merged(expression: Binary) -> Comparison | None:
    left, right = comparison(expression.left), comparison(expression.right)
    if left is None or right is None or (left.field, left.op) != (right.field, right.op):
        return None
    types = {static.type for static in left.statics + right.statics}
    if _MERGED_BY.get(left.op) is not expression.op or len(types) > 1 or not types <= set(_MERGED_TYPES):
        return None
    return Comparison(left.field, left.op, left.statics + right.statics)


def conditions(expression: FieldExpression) -> Conditions:
    """The conditions of a spanset filter's expression."""
    items = tuple(_collect(expression))
    mingled = any(_is_unscoped(item.field) for item in items)
    return Conditions(items, not mingled and not _has_alternatives(expression))


def _collect(expression: FieldExpression) -> Iterator[Condition]:
    found = comparison(expression)
    if found is not None:
        yield found
    elif isinstance(expression, Attribute | IntrinsicField):
        yield Presence(expression)
    elif isinstance(expression, Exists) and isinstance(expression.operand, Attribute | IntrinsicField):
        yield Presence(expression.operand, absent=expression.negated)
    elif isinstance(expression, Unary | Exists):
        yield from _collect(expression.operand)
    elif isinstance(expression, Binary):
        yield from _collect(expression.left)
        yield from _collect(expression.right)


def _has_alternatives(expression: FieldExpression) -> bool:
    if comparison(expression) is not None:
        return False
    if isinstance(expression, Unary | Exists):
        return _has_alternatives(expression.operand)
    if isinstance(expression, Binary):
        return (
            expression.op is BinaryOperator.OR
            or _has_alternatives(expression.left)
            or _has_alternatives(expression.right)
        )
    return False


def _is_unscoped(field: Field) -> bool:
    return isinstance(field, Attribute) and field.scope is AttributeScope.NONE


def needs_candidates(expression: FieldExpression) -> bool:
    """Whether the filter can hold for a span that meets no condition: it denies something, or names a constant."""
    if isinstance(expression, Unary):
        return expression.op.value == "!" or needs_candidates(expression.operand)
    if isinstance(expression, Binary) and expression.op.is_logical:
        sides = (expression.left, expression.right)
        return any(isinstance(side, Static) or needs_candidates(side) for side in sides)
    return isinstance(expression, Binary) and comparison(expression) is None and _is_constant(expression)


def _is_constant(expression: FieldExpression) -> bool:
    if isinstance(expression, Binary):
        return _is_constant(expression.left) and _is_constant(expression.right)
    if isinstance(expression, Unary | Exists):
        return _is_constant(expression.operand)
    return isinstance(expression, Static)


def conjuncts(expression: FieldExpression) -> Iterator[FieldExpression]:
    """The parts of a condition that all must hold."""
    if isinstance(expression, Binary) and expression.op is BinaryOperator.AND and comparison(expression) is None:
        yield from conjuncts(expression.left)
        yield from conjuncts(expression.right)
    else:
        yield expression
