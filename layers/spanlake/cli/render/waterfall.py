"""A trace as a waterfall: a line and a bar for each span, and details of spans."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from spanlake.cli.client.json import attributes_of
from spanlake.cli.client.trace import Span
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import duration
from spanlake.cli.render.span_tree import Node, Place
from spanlake.cli.render.terminal import Glyphs, glyphs
from spanlake.cli.render.text import GAP, Cell, attributes, cut, fit, line, show, show_items

_EIGHTHS = 8
_TICK_CELLS = 16  # minimum distance between times of the axis


@dataclass(frozen=True, slots=True)
class TimeLine:
    """The duration of a trace divided into cells."""

    start_ns: int
    end_ns: int
    cells: int

    @classmethod
    def of(cls, spans: Iterable[Span], cells: int) -> "TimeLine":
        """Make the time line from the first start to the last end; spans without a start are ignored."""
        timed = [span for span in spans if span.start_ns]
        start = min((span.start_ns for span in timed), default=0)
        end = max((span.start_ns + max(span.duration_ns, 0) for span in timed), default=0)
        return cls(start, end, cells)

    @property
    def length_ns(self) -> int:
        """The length of the time line."""
        return self.end_ns - self.start_ns

    def bar(self, span: Span, glyphs: Glyphs) -> str:
        """Draw a span's bar in as many cells as the line has, precise to an eighth of a cell, and never invisible."""
        if not span.start_ns:
            return " " * self.cells
        first = min(self._eighths(span.start_ns), self.cells * _EIGHTHS - 1)
        last = max(first + 1, self._eighths(span.start_ns + span.duration_ns))
        return _bar(first, last, glyphs).ljust(self.cells)

    def axis(self) -> Text:
        """Draw times since the start, at even distances."""
        ticks = max(1, min(4, self.cells // _TICK_CELLS))
        text = Text()
        for tick in range(ticks):
            text.append(duration(self.length_ns * tick // ticks))
            text.pad_right(self.cells * (tick + 1) // ticks - text.cell_len)
        end = duration(self.length_ns)
        text.right_crop(min(len(end), len(text)))
        return text.append(end)

    def _eighths(self, moment_ns: int) -> int:
        return (moment_ns - self.start_ns) * self.cells * _EIGHTHS // (self.length_ns or 1)


def _bar(first: int, last: int, glyphs: Glyphs) -> str:
    """Draw a bar from one eighth to another, counted from the left."""
    cell, into = divmod(first, _EIGHTHS)
    end_cell, end_into = divmod(last, _EIGHTHS)
    if last <= (cell + 1) * _EIGHTHS:
        right = end_into == 0 or into >= _EIGHTHS // 2
        return " " * cell + (glyphs.starts[into] if right else glyphs.ends[end_into])
    end = glyphs.ends[end_into] if end_into else ""
    return " " * cell + glyphs.starts[into] + glyphs.ends[-1] * (end_cell - cell - 1) + end


_KIND = "SPAN_KIND_"
_INDENT = Text("  ")


def show_details(console: Console, span: Span, trace_start_ns: int, indent: Text) -> None:
    """Print the ids, attributes, events and links of a span, each line after the indent."""
    for items in _details(span, trace_start_ns):
        if items and items[0].no_wrap:
            show(console, indent + items[0])
        else:
            show_items(console, items, indent)


def show_resources(console: Console, spans: Iterable[Span]) -> None:
    """Print the attributes of each distinct resource of the spans, once."""
    resources = {span.resource.SerializeToString(deterministic=True): span for span in spans}
    for span in resources.values():
        show(console, Text.assemble("Resource ", (printable(span.service) or "?", "bold")))
        show_items(console, attributes(attributes_of(span.resource.attributes)), _INDENT)


def _details(span: Span, trace_start_ns: int) -> Iterator[list[Text]]:
    """Yield the lines of details, each in parts."""
    yield _identity(span)
    if span.message.status.message:
        yield [_titled("status", Text(_text(span.message.status.message), "red" if span.is_error else ""))]
    yield attributes(attributes_of(span.message.attributes))
    for event in span.message.events:
        yield from _event(event, trace_start_ns)
    for link in span.message.links:
        yield _link(link)


def _identity(span: Span) -> list[Text]:
    parts = [_titled("span", Text(span.message.span_id.hex())), _titled("kind", Text(_kind(span.message.kind)))]
    if span.scope.name:
        parts.append(_titled("scope", Text(f"{_text(span.scope.name)} {_text(span.scope.version)}".rstrip())))
    return parts


def _kind(kind: int) -> str:
    names = SpanMessage.SpanKind.DESCRIPTOR.values_by_number
    return names[kind].name.removeprefix(_KIND).lower() if kind in names else str(kind)


def _event(event: SpanMessage.Event, trace_start_ns: int) -> Iterator[list[Text]]:
    after = event.time_unix_nano - trace_start_ns
    when = f"{'+' if after >= 0 else ''}{duration(after)}"
    head = _titled("event", Text.assemble(f"{when} ", (_text(event.name), "bold")))
    items = attributes_of(event.attributes)
    short = tuple(item for item in items if not _is_several_lines(item[1]))
    yield [head, *attributes(short)]
    for key, value in items:
        if _is_several_lines(value):
            yield from _lines(key, str(value))


def _is_several_lines(value: object) -> bool:
    return isinstance(value, str) and "\n" in value.strip()


def _lines(key: str, text: str) -> Iterator[list[Text]]:
    """Yield a text of several lines whole, as a stack trace is."""
    yield [Text(f"{_text(key)}:", "dim")]
    for each in text.strip("\n").splitlines():
        yield [Text(f"  {printable(each.expandtabs(4))}", no_wrap=True)]


def failure_reason(span: Span) -> str:
    """Return why a span failed, by its status or its exception; empty where it did not, or does not say."""
    if not span.is_error:
        return ""
    if span.message.status.message:
        return span.message.status.message
    exceptions = (dict(attributes_of(event.attributes)) for event in span.message.events if event.name == "exception")
    said = next(exceptions, {})
    return ": ".join(str(said[key]) for key in ("exception.type", "exception.message") if said.get(key))


def _link(link: SpanMessage.Link) -> list[Text]:
    head = _titled("link", Text(f"trace {link.trace_id.hex()} span {link.span_id.hex()}"))
    return [head, *attributes(attributes_of(link.attributes))]


def _titled(title: str, text: Text) -> Text:
    return Text.assemble((f"{title} ", "dim"), text)


def _text(text: str) -> str:
    return cut(printable(text))


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
        elif reason := failure_reason(node.span):
            show(console, fit(drawing.below(node) + Text(_text(reason), "red"), console.width))


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
