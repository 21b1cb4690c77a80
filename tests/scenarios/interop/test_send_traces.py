"""Every program of docs/send-traces.md, run as it stands there up to ports, and its trace read back."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.documents import document, fenced, section
from tests.scenarios.interop import kitchen
from tests.scenarios.interop.clients import ORIGIN, Run, browser, go, java, node, python
from tests.scenarios.interop.ports import moved
from tests.server_process import SpanlakeServer

Minutes = int | float | str  # as the protocol or the client has them

_DOCUMENT = document("docs/send-traces.md")
_SERVICE = re.compile(r'"((?:python|go|node|java|browser)-[a-z-]+)"')
_TEXT = "6"
"""The value in protocols that know no numbers."""

PROGRAMS: Mapping[tuple[str, str], tuple[Run, Minutes]] = {
    ("Python", "OpenTelemetry, OTLP over gRPC"): (python("otlp"), 6),
    ("Python", "OpenTelemetry, OTLP over HTTP"): (python("otlp"), 6),
    ("Python", "jaeger-client, over UDP"): (python("jaeger-client"), 6),
    ("Python", "OpenTelemetry's Jaeger exporter, over UDP"): (python("jaeger-exporter"), 6),
    ("Python", "OpenTelemetry's Jaeger exporter, over HTTP"): (python("jaeger-exporter"), 6),
    ("Python", "OpenTelemetry's Jaeger exporter, over gRPC"): (python("jaeger-exporter"), 6),
    ("Python", "OpenTelemetry's Zipkin exporter, in JSON"): (python("zipkin"), _TEXT),
    ("Python", "OpenTelemetry's Zipkin exporter, in protobuf"): (python("zipkin"), _TEXT),
    ("Python", "py-zipkin"): (python("zipkin"), _TEXT),
    ("Python", "OpenCensus"): (python("opencensus"), 6),
    ("Go", "OpenTelemetry, OTLP over gRPC"): (go, 6),
    ("Go", "jaeger-client-go, over UDP"): (go, 6),
    ("Go", "OpenCensus"): (go, 6),
    ("Go", "Zipkin"): (go, _TEXT),
    ("Node.js", "OpenTelemetry, OTLP over gRPC"): (node, 6),
    ("Node.js", "jaeger-client, over UDP"): (node, 6.0),  # all numbers of JavaScript are
    ("Node.js", "Zipkin"): (node, _TEXT),
    ("Java", "OpenTelemetry, OTLP over gRPC"): (java, 6),
    ("Java", "OpenTelemetry, OTLP over HTTP with the JDK's client"): (java, 6),
    ("Java", "jaeger-client, over HTTP"): (java, 6),
    ("Browsers", "OpenTelemetry, OTLP over HTTP"): (browser, 6),
}
_FENCES = {"Python": "python", "Go": "go", "Node.js": "js", "Java": "java", "Browsers": "js"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server to which the page may send."""
    running = SpanlakeServer(tmp_path_factory.mktemp("senders") / "data", ("--cors-origins", ORIGIN))
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()


def program(language: str, title: str) -> str:
    """The code below a heading."""
    below = section(_DOCUMENT, language).partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    (found,) = fenced(below, _FENCES[language])
    return found


def service_of(text: str) -> str:
    """The service that a program says it is."""
    (found,) = set(_SERVICE.findall(text))
    return str(found)


@pytest.mark.parametrize(("where", "how"), PROGRAMS.items(), ids=[" ".join(where) for where in PROGRAMS])
def test_program(where: tuple[str, str], how: tuple[Run, Minutes], server: SpanlakeServer, tmp_path: Path) -> None:
    run, minutes = how
    text = program(*where)
    run(moved(text, server.offset), tmp_path)
    kitchen.check(server, service_of(text), minutes)


def test_every_program_of_the_document_is_run() -> None:
    titles = {
        (language, title)
        for language in _FENCES
        for title in re.findall(r"^### (.*)$", section(_DOCUMENT, language), re.MULTILINE)
    }
    assert titles == set(PROGRAMS)
