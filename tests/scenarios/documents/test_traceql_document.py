"""Every example in docs/traceql.md has the answer that is written behind it, from the spans of the document's table."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanlake.query.time_range import Steps
from spanlake.spans.otlp.decode import decode
from spanlake.traceql import TraceQLError, ast, parse, validate
from spanlake.traceql.ast.walk import walk
from spanlake.traceql.literals import parse_duration
from tests.documents import document, fenced, section
from tests.query.kit import MINUTE, MS, NOON, SECOND, At, Lake, request, steps

_DOCUMENT = document("docs/traceql.md")
_TITLES = re.findall(r"^## (.*)$", _DOCUMENT, re.MULTILINE)
_ATTRIBUTE = re.compile(r"`(.+?) = (.+?)`")
_COMMENT = re.compile(r"\s+// ")
_EACH = re.compile(r"each (\w+): ")
_MORE = ", …"


@dataclass(frozen=True)
class Example:
    """A query, and what stands behind it."""

    query: str
    answer: str


def _examples() -> Iterator[Example]:
    for title in _TITLES:
        for block in fenced(section(_DOCUMENT, title), "traceql"):
            for line in block.splitlines():
                query, answer = _COMMENT.split(line)
                yield Example(query, answer)


EXAMPLES = list(_examples())

# the spans


def _rows() -> list[list[str]]:
    """The cells of the table of spans."""
    table = re.findall(r"^\| (\d.*) \|$", section(_DOCUMENT, "How to read the examples"), re.MULTILINE)
    return [[cell.strip() for cell in re.split(r" ?\|(?: |$)", row)] for row in table]


def _span(row: list[str]) -> At:
    trace, number, parent, name, service, kind, status, start, duration, attributes = row
    values = {key.strip('"'): json.loads(value) for key, value in _ATTRIBUTE.findall(attributes)}
    resource = "resource."
    return At(
        int(number),
        int(parent or 0),
        name,
        trace=int(trace),
        start=parse_duration(start) or 0,
        length=parse_duration(duration) or 0,
        status=ast.Status[status.upper()],
        kind=ast.Kind[kind.upper()],
        service=service,
        attributes={key: value for key, value in values.items() if not key.startswith(resource)},
        resource={key.removeprefix(resource): value for key, value in values.items() if key.startswith(resource)},
        scope={"flavor": "plain"},
    )


def _spans() -> list[At]:
    """The spans of the table, with what the text below it adds."""
    added: dict[str, dict[str, Any]] = {
        "pay": {"message": "refused", "events": [("exception", 400 * MS, {"exception.type": "Timeout"})]},
        "send mail": {"links": [(1, 1, {"reason": "ordered"})]},
    }
    return [replace(span, **added.get(span.name, {})) for span in map(_span, _rows())]


SPANS = _spans()
TRACES = {
    trace: frozenset(span.name for span in SPANS if span.trace == trace) for trace in {span.trace for span in SPANS}
}


def _requested() -> bytes:
    message = ExportTraceServiceRequest.FromString(request(SPANS))
    for part in message.resource_spans:
        part.scope_spans[0].scope.name, part.scope_spans[0].scope.version = "shop", "1.4"
    return message.SerializeToString()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = Lake(tmp_path_factory.mktemp("document"))
    lake.add_table(decode([_requested()]).table)
    yield lake
    lake.close()


# the answers, written as in the document


def _answer(lake: Lake, query: str, wanted: str) -> str:
    try:
        if not validate(parse(query)).is_metrics:
            return _found(lake, query)
    except TraceQLError as error:
        return f"error: {error}"
    each = _EACH.match(wanted)
    return _points(lake, query, each[1]) if each else _series(lake, query)


def _found(lake: Lake, query: str) -> str:
    found = sorted(lake.search(query), key=lambda trace: trace.header.start_ns)
    sets = [sorted(one.spans, key=lambda span: span.start_ns) for trace in found for one in trace.sets]
    sets.sort(key=lambda spans: spans[0].start_ns)
    body = parse(query).body
    separator = " / " if isinstance(body, ast.Pipeline) and _is_pipelined(body) else ", "
    return separator.join(_named([span.name for span in spans]) for spans in sets) or "nothing"


def _is_pipelined(body: ast.Pipeline) -> bool:
    return len(body.stages) > 1 or any(
        isinstance(node, ast.Pipeline | ast.ScalarFilter) for node in walk(body.stages[0])
    )


def _named(names: list[str]) -> str:
    whole = next((trace for trace, spans in TRACES.items() if spans == frozenset(names) and len(names) > 1), None)
    return ", ".join(names) if whole is None else f"trace {whole}"


def _series(lake: Lake, query: str) -> str:
    series = lake.series(query, Steps.whole(NOON, NOON + MINUTE))
    lines = sorted((_label(labels), values[0]) for labels, values in series.items())
    return ", ".join(f"{label}{value:g}" for label, value in lines if value is not None) or "nothing"


def _label(labels: tuple[Any, ...]) -> str:
    """A series' labels; none where it has only its name."""
    named = " ".join(f"{label:.12g}" if isinstance(label, float) else str(label) for label in labels)
    return "" if named.endswith("_over_time") or named == "rate" or "(" in named else f"{named}: "


def _points(lake: Lake, query: str, step: str) -> str:
    (values,) = lake.series(query, steps(0, MINUTE, parse_duration(step) or SECOND)).values()
    return f"each {step}: " + " ".join("-" if value is None else f"{value:g}" for value in values)


# the tests


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.query)
def test_example(lake: Lake, example: Example) -> None:
    answer = _answer(lake, example.query, example.answer)
    assert _is_answer(answer, example.answer), answer


def _is_answer(answer: str, wanted: str) -> bool:
    if wanted.startswith("error: "):
        return answer.startswith(wanted)
    if wanted.endswith(_MORE):
        return set(wanted.removesuffix(_MORE).split(", ")) < set(answer.split(", "))
    return answer == wanted


def test_select_shows_its_fields(lake: Lake) -> None:
    (found,) = lake.search('{ name = "pay" } | select(span.amount, resource.region)')
    (span,) = found.sets[0].spans
    assert span.attributes.items() >= {"amount": 49.5, "region": "us"}.items()


def test_every_line_is_an_example() -> None:
    assert len(EXAMPLES) > 150
