"""The difference of two traces as a tree of operations, with what each trace spends in them."""

from rich.console import Console
from rich.text import Text

from spanlake.cli.client.difference import Difference, Operation, Side
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import counted, duration
from spanlake.cli.render.text import Cell, fit, line, show

_INDENT = "  "
_DEEPEST = 8  # levels that are indented
_TIME, _CHANGE = 20, 9  # columns
_NARROW = 80  # below which durations have a line of their own
_SAME = 0.05  # of the longer duration, below which two are alike


def show_difference(console: Console, found: Difference) -> None:
    """Print the operations, and what is different of the whole."""
    width = console.width - 2 * _TIME - _CHANGE - 6
    if console.width >= _NARROW:
        heads = (Cell("Operation", width), *(Cell(text, _TIME, align="right") for text in ("First", "Second")))
        show(console, line((*heads, Cell("Change", _CHANGE, align="right"))))
    for operation in found.operations:
        _show(console, operation, width)
    show(console, Text())
    for name, side in (("First", found.left), ("Second", found.right)):
        show(console, Text(f"{name}: {counted(side.spans, 'span')}, {duration(side.duration_ns)}"))


def _show(console: Console, operation: Operation, width: int) -> None:
    label = f"{_INDENT * min(operation.depth, _DEEPEST)}{printable(operation.service)}  {printable(operation.name)}"
    sides = [_told(side) for side in (operation.left, operation.right)]
    change, style = _change(operation)
    if console.width < _NARROW:
        lead = _INDENT * (min(operation.depth, _DEEPEST) + 1)
        for text in (label, f"{lead}{' → '.join(sides)}  {change}"):
            show(console, fit(Text(text, style), console.width))
        return
    cells = (Cell(label, width, style), *(Cell(text, _TIME, align="right") for text in sides))
    show(console, line((*cells, Cell(change, _CHANGE, style, "right"))))


def _told(side: Side | None) -> str:
    if side is None:
        return "-"
    errors = f" {counted(side.errors, 'error')}" if side.errors else ""
    number = f"{side.spans:,}x " if side.spans > 1 else ""
    return f"{number}{duration(side.duration_ns)}{errors}"


def _change(operation: Operation) -> tuple[str, str]:
    """Return the change and its style."""
    left, right = operation.left, operation.right
    if left is None:
        return "new", "green"
    if right is None:
        return "gone", "red"
    change = right.duration_ns - left.duration_ns
    is_alike = abs(change) <= _SAME * max(left.duration_ns, right.duration_ns)
    if is_alike and (left.spans, left.errors) == (right.spans, right.errors):
        return "", "dim"
    style = "yellow" if change > 0 or right.errors > left.errors else ""
    return f"{'+' if change >= 0 else ''}{duration(change)}", style
