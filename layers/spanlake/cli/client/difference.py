"""The difference of two traces, as the API tells it."""

from dataclasses import dataclass

from spanlake.cli.client import json
from spanlake.cli.errors import MalformedAnswer


@dataclass(frozen=True, slots=True)
class Side:
    """The spans of an operation in one trace."""

    spans: int
    errors: int
    duration_ns: int  # of all of them


@dataclass(frozen=True, slots=True)
class Operation:
    """All spans of one service and name below the same operations; None where a trace has no such span."""

    depth: int  # 0 for a root
    service: str
    name: str
    left: Side | None
    right: Side | None


@dataclass(frozen=True, slots=True)
class Difference:
    """The operations of two traces, each after the one above it; durations and sizes of the traces."""

    left: Side
    right: Side
    operations: tuple[Operation, ...]


def parse_difference(answer: json.Object) -> Difference:
    """Read an answer; raises MalformedAnswer."""
    nodes = json.objects(answer, "nodes")
    sides = (_extent(json.as_object(answer.get(key), key)) for key in ("left", "right"))
    left, right = sides
    return Difference(left, right, tuple(_in_order(nodes)))


def _in_order(nodes: list[json.Object]) -> list[Operation]:
    """Put each operation below the one above it; those of one parent keep their order."""
    below: dict[int | None, list[json.Object]] = {}
    for node in nodes:
        parent = node.get("parent")
        below.setdefault(None if parent is None else json.whole(node, "parent"), []).append(node)
    found: list[Operation] = []
    waiting = [(0, node) for node in reversed(below.pop(None, []))]
    while waiting:
        depth, node = waiting.pop()
        found.append(_operation(depth, node))
        waiting += [(depth + 1, each) for each in reversed(below.pop(json.whole(node, "id"), []))]
    if below:
        raise MalformedAnswer("the answer is not one of the Tempo API: operations have parents that are not in it")
    return found


def _operation(depth: int, node: json.Object) -> Operation:
    sides = (_side(node.get(key), key) for key in ("left", "right"))
    return Operation(depth, json.text(node, "service"), json.text(node, "name"), *sides)


def _side(value: object, key: str) -> Side | None:
    if value is None:
        return None
    side = json.as_object(value, key)
    return Side(json.whole(side, "spans"), json.whole(side, "errors"), _nanoseconds(side, "totalMs"))


def _extent(side: json.Object) -> Side:
    return Side(json.whole(side, "spans"), 0, _nanoseconds(side, "durationMs"))


def _nanoseconds(side: json.Object, key: str) -> int:
    try:
        return round(json.number(side, key) * 10**6)
    except (ValueError, OverflowError):  # not a number, or without an end
        raise MalformedAnswer(f"the answer is not one of the Tempo API: {key} is not a duration") from None
