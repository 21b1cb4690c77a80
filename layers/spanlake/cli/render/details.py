"""Details of a span in addition to its line in the waterfall: ids, attributes, events, links."""

from collections.abc import Iterable, Iterator

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from rich.console import Console
from rich.text import Text

from spanlake.cli.client.trace import Span
from spanlake.cli.client.values import attributes_of
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import duration
from spanlake.cli.render.text import show, show_items
from spanlake.cli.render.values import attributes, cut

_KIND = "SPAN_KIND_"
_INDENT = Text("  ")


def show_details(console: Console, span: Span, trace_start_ns: int, indent: Text) -> None:
    """Print the ids, attributes, events and links of a span, each line after the indent."""
    for items in _details(span, trace_start_ns):
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
        yield _event(event, trace_start_ns)
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


def _event(event: SpanMessage.Event, trace_start_ns: int) -> list[Text]:
    after = event.time_unix_nano - trace_start_ns
    when = f"{'+' if after >= 0 else ''}{duration(after)}"
    head = _titled("event", Text.assemble(f"{when} ", (_text(event.name), "bold")))
    return [head, *attributes(attributes_of(event.attributes))]


def _link(link: SpanMessage.Link) -> list[Text]:
    head = _titled("link", Text(f"trace {link.trace_id.hex()} span {link.span_id.hex()}"))
    return [head, *attributes(attributes_of(link.attributes))]


def _titled(title: str, text: Text) -> Text:
    return Text.assemble((f"{title} ", "dim"), text)


def _text(text: str) -> str:
    return cut(printable(text))
