"""Page of a trace: header, waterfall, and remarks on incomplete or inconsistent spans."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from spanlake.cli.client.trace import Trace
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import counted, duration, moment, zone
from spanlake.cli.render.span_tree import Node, Place, arranged
from spanlake.cli.render.terminal import glyphs
from spanlake.cli.render.text import cut, show, show_items
from spanlake.cli.render.waterfall import TimeLine, show_resources, show_waterfall

_NO_INDENT = Text()


def show_trace(console: Console, trace_id: str, trace: Trace, max_spans: int | None, *, with_attributes: bool) -> None:
    """Print a trace that has spans; ``max_spans`` limits their number, None prints all."""
    _show_header(console, trace_id, trace)
    nodes = list(arranged(trace.spans, glyphs(console)))
    shown = nodes[:max_spans]
    show_waterfall(console, shown, trace.spans, with_attributes=with_attributes)
    if with_attributes:
        show(console, Text())
        show_resources(console, [node.span for node in shown])
    if remarks := list(_remarks(nodes, len(shown), trace, console)):
        show(console, Text())
        for remark in remarks:
            show_items(console, [Text(remark, "dim")], _NO_INDENT)


def _show_header(console: Console, trace_id: str, trace: Trace) -> None:
    time_line = TimeLine.of(trace.spans, cells=1)
    services = len({span.service for span in trace.spans})
    errors = sum(span.is_error for span in trace.spans)
    start = f"{moment(time_line.start_ns)} {zone(time_line.start_ns)}" if time_line.start_ns else "without a start"
    counts = f"{counted(len(trace.spans), 'span')}, {counted(services, 'service')}, "
    facts = Text(f"{start}, {duration(time_line.length_ns)}, {counts}")
    facts.append(counted(errors, "error"), "bold red" if errors else "")
    show(console, Text.assemble(("Trace ", "bold"), (trace_id, "bold cyan")))
    show_items(console, [facts], _NO_INDENT)
    show(console, Text())


def _remarks(nodes: Sequence[Node], shown: int, trace: Trace, console: Console) -> Iterator[str]:
    marks = glyphs(console)
    if more := len(nodes) - shown:
        yield f"{counted(more, 'span')} not shown: --max-spans 0 shows all."
    if orphans := sum(node.place is Place.ORPHAN for node in nodes):
        yield f"{marks.orphan}{counted(orphans, 'span')} whose parent is not in the trace."
    if cycles := sum(node.place is Place.CYCLE for node in nodes):
        yield f"{marks.cycle}{counted(cycles, 'span')} whose ancestors form a cycle."
    if trace.note:
        yield cut(printable(trace.note))
