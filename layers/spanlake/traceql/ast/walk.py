"""Traversal of a syntax tree without recursion, so that a deep tree cannot exhaust the stack."""

from collections.abc import Iterator

from spanlake.traceql import ast


def children(node: ast.Node) -> tuple[ast.Node, ...]:
    """Return the children of a node, in the order of the text."""
    found: list[ast.Node] = []
    names: tuple[str, ...] = node.__slots__
    for name in names:
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(item for item in value if isinstance(item, ast.Node))
    return tuple(found)


def walk(node: ast.Node) -> Iterator[ast.Node]:
    """Yield a node and all its descendants, parents first."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(children(current)))


def span_fields(node: ast.Node) -> Iterator[ast.Attribute | ast.IntrinsicField]:
    """Yield every attribute and intrinsic in a tree, with repetitions."""
    return (found for found in walk(node) if isinstance(found, ast.Attribute | ast.IntrinsicField))


def depth(node: ast.Node) -> int:
    """Return the depth of a tree in nodes, its root included."""
    level, deepest = [node], 0
    while level:
        deepest += 1
        level = [below for current in level for below in children(current)]
    return deepest
