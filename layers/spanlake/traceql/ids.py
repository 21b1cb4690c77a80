"""Normalizes the ids in a query's comparisons to lower-case hex digits of the id's full length."""

from dataclasses import fields, replace
from typing import Any, Final, TypeVar

from spanlake.spans.ids import SPAN_ID, TRACE_ID, parse_id
from spanlake.traceql.ast.nodes import Binary, BinaryOperator, Intrinsic, IntrinsicField, Node, Static, Type

_LENGTHS: Final = {
    Intrinsic.TRACE_ID: TRACE_ID,
    Intrinsic.LINK_TRACE_ID: TRACE_ID,
    Intrinsic.SPAN_ID: SPAN_ID,
    Intrinsic.PARENT_ID: SPAN_ID,
    Intrinsic.LINK_SPAN_ID: SPAN_ID,
}
_EQUALITY: Final = (BinaryOperator.EQUAL, BinaryOperator.NOT_EQUAL)

NodeT = TypeVar("NodeT", bound=Node)


def with_plain_ids(node: NodeT) -> NodeT:
    """Return the tree with ids that are compared for equality in normalized form; any other text stays unchanged."""
    return _plain(node)  # type: ignore[no-any-return]


def _plain(node: Any) -> Any:
    if isinstance(node, tuple):
        items = tuple(map(_plain, node))
        return items if any(new is not old for new, old in zip(items, node, strict=True)) else node
    if not isinstance(node, Node):
        return node
    if isinstance(node, Binary) and node.op in _EQUALITY:
        return _compared(node)
    return _rebuilt(node)


def _rebuilt(node: Any) -> Any:
    """Return the node, or a copy if an id below it was normalized."""
    old = {one.name: getattr(node, one.name) for one in fields(node)}
    changed = {name: new for name, value in old.items() if (new := _plain(value)) is not value}
    return replace(node, **changed) if changed else node


def _compared(node: Binary) -> Binary:
    left, right = node.left, node.right
    if isinstance(left, IntrinsicField) and isinstance(right, Static):
        return replace(node, right=_id(left, right))
    if isinstance(right, IntrinsicField) and isinstance(left, Static):
        return replace(node, left=_id(right, left))
    new_left, new_right = _plain(left), _plain(right)
    return node if new_left is left and new_right is right else replace(node, left=new_left, right=new_right)


def _id(field: IntrinsicField, literal: Static) -> Static:
    length = _LENGTHS.get(field.intrinsic)
    if length is None or literal.type is not Type.STRING:
        return literal
    found = parse_id(str(literal.value), length)
    return literal if found is None else replace(literal, value=found.hex())
