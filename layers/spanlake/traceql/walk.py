"""Going over a syntax tree without recursion, so that its depth cannot hurt."""

from collections.abc import Iterator

from spanlake.traceql.tree import Attribute, IntrinsicField, Node


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below one, in the order of the text."""
    found: list[Node] = []
    names: tuple[str, ...] = node.__slots__
    for name in names:
        value = getattr(node, name)
        if isinstance(value, Node):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(item for item in value if isinstance(item, Node))
    return tuple(found)


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, parents first."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(children(current)))


def span_fields(node: Node) -> Iterator[Attribute | IntrinsicField]:
    """Every attribute and intrinsic a tree mentions, with repetitions."""
    return (found for found in walk(node) if isinstance(found, Attribute | IntrinsicField))


def depth(node: Node) -> int:
    """The number of nodes on the longest way down, the node itself included."""
    level, deepest = [node], 0
    while level:
        deepest += 1
        level = [below for current in level for below in children(current)]
    return deepest
