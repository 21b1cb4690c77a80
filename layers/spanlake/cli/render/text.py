"""Lines of cells fitted to the terminal's width, and attributes as text."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from rich.console import Console
from rich.text import Text

from spanlake.cli.client.json import Attributes, Value
from spanlake.cli.printable import printable

GAP = Text("  ")
_NARROWEST = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a line with a fixed width."""

    text: str
    width: int
    style: str = ""
    align: Literal["left", "right"] = "left"


def line(cells: Iterable[Cell]) -> Text:
    """Join cells to a line, with gaps between them."""
    return GAP.join(_fitted(cell) for cell in cells)


def fit(text: Text, width: int) -> Text:
    """Cut or pad the text to exactly this width."""
    text.truncate(width, overflow="ellipsis", pad=True)
    return text


def show(console: Console, text: Text) -> None:
    """Print a line, cut to the console's width."""
    text.rstrip()
    console.print(text, soft_wrap=True)


def show_beside(console: Console, head: Text, items: Sequence[Text], indent: Text) -> None:
    """Print a line and its details, beside it where they fit, otherwise below it."""
    about = GAP.join(items)
    if about and head.cell_len + len(GAP) + about.cell_len <= console.width:
        show(console, head + GAP + about)
        return
    show(console, head)
    show_items(console, items, indent)


def show_items(console: Console, items: Sequence[Text], indent: Text) -> None:
    """Print items beside each other on as many lines as they need; an overlong item is wrapped."""
    width = max(_NARROWEST, console.width - indent.cell_len)
    for text in _rows(items, width):
        for part in text.wrap(console, width, overflow="fold"):
            show(console, indent + part)


def _rows(items: Sequence[Text], width: int) -> Iterator[Text]:
    row: list[Text] = []
    for item in items:
        if row and GAP.join([*row, item]).cell_len > width:
            yield GAP.join(row)
            row = []
        row.append(item)
    if row:
        yield GAP.join(row)


def _fitted(cell: Cell) -> Text:
    text = Text(cell.text, cell.style)
    text.truncate(cell.width, overflow="ellipsis")
    text.align(cell.align, cell.width)
    return text


_LONGEST = 300  # characters of a key or value; --json has them whole
_MOST = 100  # elements of a list
_PLAIN = re.compile(r"[^\s\"'`,\[\]{}]+")
_OTHER_TYPE = re.compile(r"[+-]?[0-9.][0-9.eE+-]*|true|false|nil|nan|[+-]?inf")


def format_value(value: Value) -> str:
    """Format a value, printable and cut; text is quoted where it looks like another type, or like several values."""
    return cut(_shown(value))


def label(value: Value) -> str:
    """Format a value without quotes, printable and cut."""
    return cut(printable(value[: _LONGEST + 1]) if isinstance(value, str) else _shown(value))


def attributes(items: Attributes) -> list[Text]:
    """Format each attribute as ``key=value``."""
    return [Text.assemble((f"{label(key)}=", "dim"), format_value(value)) for key, value in items]


def cut(text: str, longest: int = _LONGEST) -> str:
    """Return the text, or its beginning where it is too long."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def _shown(value: Value) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return _string(value[: _LONGEST + 1])
        case bytes():
            return f"0x{value[:_LONGEST].hex()}"
        case Mapping():
            return f"{{{_listed(f'{label(key)}: {format_value(item)}' for key, item in value.items())}}}"
        case _:
            return f"[{_listed(map(format_value, value))}]"


def _string(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _OTHER_TYPE.fullmatch(text):
        return printable(text)
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _listed(items: Iterable[str]) -> str:
    some = list(islice(items, _MOST + 1))
    return ", ".join([*some[:_MOST], "…"] if len(some) > _MOST else some)
