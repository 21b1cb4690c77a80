"""Table of the traces that a search found, each with its matching spans."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from spanlake.cli.client.search import SearchResponse, SpanResult, SpanSetResult, TraceResult
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import counted, duration, moment
from spanlake.cli.render.text import GAP, Cell, attributes, cut, line, show, show_beside, show_items

_ONE_LINE = 116  # minimum width for a trace and its root on one line
_TRACE_ID, _START, _DURATION, _MATCHED, _SERVICE = 32, 23, 8, 7, 20
_TAKEN = _TRACE_ID + _START + _DURATION + _MATCHED + 4 * len(GAP)  # columns before a root on the line of the trace
_SPAN_ID, _OFFSET, _SPAN_DURATION, _SPAN_NAME = 16, 8, 7, 32
_SPAN_INDENT, _ATTRIBUTE_INDENT = Text(" " * 4), Text(" " * 8)
_MILLISECOND = 1_000_000


def show_traces(console: Console, found: SearchResponse, limit: int) -> None:
    """Print the result of a search, in the order of the answer; ``limit`` is the limit that was requested."""
    table = TraceTable(console)
    table.head()
    for trace in found.traces:
        table.trace(trace)
    more = ", as many as --limit allows" if len(found.traces) >= limit else ""
    summary = f"{counted(len(found.traces), 'trace')}{more}. {cut(printable(found.note))}"
    show(console, Text(summary, "dim"))


@dataclass(frozen=True, slots=True)
class TraceTable:
    """Lines of traces as they are found, below the names of the columns."""

    console: Console

    @property
    def _one_line(self) -> bool:
        return self.console.width >= _ONE_LINE

    @property
    def _is_narrow(self) -> bool:
        return self.console.width < _TAKEN - len(GAP)

    def head(self) -> None:
        """Print the names of the columns."""
        heading = _header("Trace id", "Start", "Duration", "Matched")
        if self._one_line:
            heading = GAP.join([heading, self._root("Root service", "Root span")])
        if self._is_narrow:
            heading = Text("Trace id")
        heading.stylize("bold")
        show(self.console, heading)

    def trace(self, trace: TraceResult) -> None:
        """Print a trace and its matching spans."""
        if self._is_narrow:
            self._narrow_trace(trace)
        else:
            self._wide_trace(trace)
        for found in trace.sets:
            self._set(found, trace)
        if trace.sets:
            show(self.console, Text())

    def _narrow_trace(self, trace: TraceResult) -> None:
        show(self.console, Text(printable(trace.trace_id), "cyan"))
        facts = [moment(trace.start_ns), _duration(trace), f"{trace.matched:,} matched"]
        show_items(self.console, [Text(fact) for fact in facts], GAP)
        show(self.console, GAP + self._root(*_root_of(trace)))

    def _wide_trace(self, trace: TraceResult) -> None:
        header = _header(printable(trace.trace_id), moment(trace.start_ns), _duration(trace), f"{trace.matched:,}")
        header.stylize("cyan", 0, _TRACE_ID)
        root = self._root(*_root_of(trace))
        if self._one_line:
            show(self.console, GAP.join([header, root]))
        else:
            show(self.console, header)
            show(self.console, GAP + root)

    def _root(self, service: str, name: str) -> Text:
        width = _SERVICE if self._one_line else min(_SERVICE, cell_len(service))
        before = _TAKEN if self._one_line else len(GAP)
        rest = self.console.width - before - width - len(GAP)
        return line([Cell(service, width, "bold"), Cell(name, rest)])

    def _set(self, found: SpanSetResult, trace: TraceResult) -> None:
        if found.attributes or len(trace.sets) > 1:
            heading = Text(counted(found.matched, "span"), "dim")
            show_items(self.console, [heading, *attributes(found.attributes)], GAP)
        width = _name_width(found.spans)
        for span in found.spans:
            about = attributes(span.attributes)
            shown = _span(span, trace, width, with_id=not self._is_narrow)
            show_beside(self.console, shown, about, _ATTRIBUTE_INDENT)
        if (more := found.matched - len(found.spans)) > 0:
            show(self.console, _SPAN_INDENT + Text(f"and {more:,} more", "dim"))


def _header(trace_id: str, start: str, length: str, matched: str) -> Text:
    return line(
        [
            Cell(trace_id, _TRACE_ID),
            Cell(start, _START),
            Cell(length, _DURATION, align="right"),
            Cell(matched, _MATCHED, align="right"),
        ]
    )


def _duration(trace: TraceResult) -> str:
    # The answer has whole milliseconds only, truncated.
    return duration(trace.duration_ms * _MILLISECOND) if trace.duration_ms else "<1ms"


def _name_width(spans: Iterable[SpanResult]) -> int:
    return min(_SPAN_NAME, max((cell_len(printable(span.name)) for span in spans), default=0))


def _root_of(trace: TraceResult) -> tuple[str, str]:
    return printable(trace.root_service) or "?", printable(trace.root_name) or "?"


def _span(span: SpanResult, trace: TraceResult, name_width: int, *, with_id: bool) -> Text:
    after = span.start_ns - trace.start_ns
    cells = [
        *([Cell(printable(span.span_id), _SPAN_ID, "dim")] if with_id else []),
        Cell(f"{'+' if after >= 0 else ''}{duration(after)}", _OFFSET, align="right"),
        Cell(duration(span.duration_ns), _SPAN_DURATION, align="right"),
        Cell(printable(span.name), name_width),
    ]
    return _SPAN_INDENT + line(cells)
