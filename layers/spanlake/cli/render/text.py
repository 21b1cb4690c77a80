"""Lines of cells, cut and padded to their width. All text passed in is printable."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

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
