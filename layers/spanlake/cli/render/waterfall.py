"""Lines of a waterfall: position in the tree, name and time of each span."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from spanlake.cli.client.trace import Span
from spanlake.cli.printable import printable
from spanlake.cli.render.bars import TimeLine
from spanlake.cli.render.details import show_details
from spanlake.cli.render.numbers import duration
from spanlake.cli.render.span_tree import Node, Place
from spanlake.cli.render.terminal import Glyphs, glyphs
from spanlake.cli.render.text import GAP, Cell, fit, line, show

_DURATION = 8
_LEAST_BAR = 10
_STYLES = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")


def show_waterfall(console: Console, nodes: Sequence[Node], spans: Sequence[Span], *, with_attributes: bool) -> None:
    """Print nodes on the time line of all spans of the trace."""
    marks = glyphs(console)
    width = _label_width(console.width, nodes, marks)
    cells = max(_LEAST_BAR, console.width - width - _DURATION - 2 * len(GAP))
    drawing = _Drawing(marks, width, TimeLine.of(spans, cells), _styles(spans))
    show(console, drawing.head())
    for node in nodes:
        show(console, drawing.line(node))
        if with_attributes:
            show_details(console, node.span, drawing.time_line.start_ns, drawing.below(node))


@dataclass(frozen=True, slots=True)
class _Drawing:
    marks: Glyphs
    width: int  # of the part to the left of the bars
    time_line: TimeLine
    styles: dict[str, str]  # by service

    def head(self) -> Text:
        """Return the names of the columns and the axis."""
        names = line([Cell("Service, span", self.width), Cell("Duration", _DURATION, align="right")])
        return GAP.join([names, self.time_line.axis()])

    def line(self, node: Node) -> Text:
        """Return the line of a node."""
        span = node.span
        style = "red" if span.is_error else self.styles[span.service]
        length = line([Cell(duration(span.duration_ns), _DURATION, align="right")])
        return GAP.join([self._label(node), length, Text(self.time_line.bar(span, self.marks), style)])

    def below(self, node: Node) -> Text:
        """Return the tree's lines to the left of text below the node."""
        return Text(_shortened(node.below, self.width // 2) + self.marks.blank, "dim")

    def _label(self, node: Node) -> Text:
        guides = _shortened(node.guides, self.width // 2)
        service, name = _service(node.span), printable(node.span.message.name)
        rest = self.width - cell_len(guides)
        if cell_len(_mark(node, self.marks)) + cell_len(service) + 1 + cell_len(name) > rest:
            service = _cut_cells(service, max(4, rest // 3))
        style = f"bold {self.styles[node.span.service]}"
        mark = (_mark(node, self.marks), "bold red" if node.span.is_error else "dim")
        return fit(Text.assemble((guides, "dim"), mark, (service, style), " ", name), self.width)


def _mark(node: Node, marks: Glyphs) -> str:
    place = {Place.ORPHAN: marks.orphan, Place.CYCLE: marks.cycle}.get(node.place, "")
    return place + (marks.error if node.span.is_error else "")


def _service(span: Span) -> str:
    return printable(span.service) or "?"


def _label_width(width: int, nodes: Iterable[Node], marks: Glyphs) -> int:
    """Return the width that fits every label, at most half of the line."""
    needed = max(
        cell_len(f"{node.guides}{_mark(node, marks)}{_service(node.span)} {printable(node.span.message.name)}")
        for node in nodes
    )
    return max(len("Service, span"), min(needed, width // 2))


def _shortened(guides: str, width: int) -> str:
    return guides if len(guides) <= width else f"…{guides[1 - width :]}"


def _cut_cells(text: str, width: int) -> str:
    cut = Text(text)
    cut.truncate(width, overflow="ellipsis")
    return cut.plain


def _styles(spans: Iterable[Span]) -> dict[str, str]:
    """Return a colour for each service, taken in turn."""
    services = dict.fromkeys(span.service for span in spans)
    return {service: _STYLES[number % len(_STYLES)] for number, service in enumerate(services)}
