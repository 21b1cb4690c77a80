"""The demo: the same traces for the same seed, with an incident, and the spans of docs/traceql.md."""

import os
import signal
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanlake.cli.demo.document import document_spans
from spanlake.cli.demo.incident import REGION, VERSION, Incident
from spanlake.cli.demo.questions import questions
from spanlake.cli.demo.run import Demo
from spanlake.cli.demo.services import SERVICES
from spanlake.cli.demo.traces import Shop
from spanlake.traceql import parse, validate
from tests.query.kit import HOUR, NOON, request
from tests.scenarios.documents.test_traceql_document import SPANS
from tests.server_process import SPANLAKE, SpanlakeServer, ask, free_offset

INCIDENT = Incident(NOON, NOON + 2 * HOUR)
Spans = list[tuple[dict[str, str], Span]]


def attributes(found: Iterable[KeyValue]) -> dict[str, str]:
    """The attributes whose values are text."""
    return {one.key: one.value.string_value for one in found if one.value.HasField("string_value")}


@cache
def traces(seed: int = 1, start: int = NOON - HOUR, end: int = NOON + 3 * HOUR) -> tuple[bytes, ...]:
    return tuple(Shop(seed, INCIDENT).between(start, end, 1000))


def spans(bodies: Iterable[bytes]) -> Spans:
    """The spans with the attributes of their resources."""
    return [
        (attributes(group.resource.attributes), span)
        for body in bodies
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def test_traces_are_the_same_for_the_same_seed() -> None:
    again = tuple(Shop(1, INCIDENT).between(NOON - HOUR, NOON + 3 * HOUR, 1000))
    assert again == traces()
    assert tuple(Shop(2, INCIDENT).between(NOON - HOUR, NOON + 3 * HOUR, 1000)) != traces()


def test_traces_have_every_service_and_lie_in_the_range() -> None:
    found = spans(traces())
    assert {resource["service.name"] for resource, _ in found} == set(SERVICES)
    roots = [span for _, span in found if not span.parent_span_id and not span.links]
    assert len(roots) == 1000
    assert all(NOON - HOUR <= span.start_time_unix_nano < NOON + 3 * HOUR for span in roots)


def test_spans_lie_below_a_parent_of_their_trace() -> None:
    found = [span for _, span in spans(traces())]
    ids = {(span.trace_id, span.span_id) for span in found}
    assert len(ids) == len(found)
    assert all((span.trace_id, span.parent_span_id) in ids for span in found if span.parent_span_id)
    assert all((link.trace_id, link.span_id) in ids for span in found for link in span.links)
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in found)


def test_only_the_bad_version_times_out_in_its_region_and_time() -> None:
    failed = [
        (resource, span)
        for resource, span in spans(traces())
        if any(attributes(event.attributes).get("exception.type") == "PoolTimeoutException" for event in span.events)
    ]
    assert failed
    assert {(one["service.name"], one["service.version"], one["cloud.region"]) for one, _ in failed} == {
        ("payment", VERSION, REGION)
    }
    assert all(INCIDENT.start_ns <= span.start_time_unix_nano < INCIDENT.end_ns for _, span in failed)


def test_a_failed_call_fails_the_request_of_the_visitor() -> None:
    found = [span for _, span in spans(traces())]
    failed = {span.trace_id for span in found if span.name == "acquire connection" and span.status.code == 2}
    roots = [span for span in found if span.trace_id in failed and not span.parent_span_id]
    assert sum(span.status.code == 2 for span in roots) > len(roots) / 2


def test_document_spans_are_those_of_the_documents_table() -> None:
    expected = {
        bytes([span.trace, span.id]): one for span, (_, one) in zip(SPANS, spans([request(SPANS)]), strict=True)
    }
    found = {bytes([span.trace_id[-1], span.span_id[-1]]): (of, span) for of, span in spans([document_spans(NOON)])}
    assert set(found) == set(expected)
    for key, (_, span) in found.items():
        assert span == expected[key]
    resources = {key: of for key, (of, _) in found.items()}
    assert resources[bytes([1, 3])] == {"service.name": "bank", "region": "us"}
    (group, *_) = ExportTraceServiceRequest.FromString(document_spans(NOON)).resource_spans
    scope = group.scope_spans[0].scope
    assert (scope.name, scope.version, attributes(scope.attributes)) == ("shop", "1.4", {"flavor": "plain"})


@pytest.mark.parametrize("seconds", [0, 59, 61, 7200, 86_399])
def test_noon_of_the_document_is_past(seconds: int) -> None:
    demo = Demo(1, NOON + seconds * 10**9, is_document=True)
    assert demo.noon_ns % (24 * HOUR) == 12 * HOUR
    assert 60 * 10**9 <= demo.now_ns - demo.noon_ns < 24 * HOUR + 60 * 10**9


def test_questions_have_queries_that_are_traceql() -> None:
    found = questions("http://localhost:3200", INCIDENT)
    assert len(found) == 3
    for one in found:
        page, _, query = urlsplit(one.link).fragment.partition("?")
        assert page in {"/explore", "/search"}
        validate(parse(parse_qs(query)["q"][0]))


def test_demo_fills_a_running_server(server: SpanlakeServer) -> None:
    command = [*SPANLAKE, "demo", "--into", server.tempo, "--traceql", "--tenant", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{server.tempo}/#/search?start=" in done.stdout
    found = server.get("/api/search?q=%7B%20%7D", {"X-Scope-OrgID": "demo"}).json
    assert isinstance(found, dict)
    assert {trace["traceID"] for trace in found["traces"]} == {"1", "2", "3"}


def test_demo_serves_a_directory_of_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    offset = free_offset()
    command = [*SPANLAKE, "demo", "--traceql", "--no-browser", "--port-offset", str(offset)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        told = demo.stdout.readline()
        answer = ask(3200 + offset, "GET", "/api/traces/1")
        during = list(tmp_path.glob("spanlake-demo-*"))
        demo.send_signal(signal.SIGTERM)
        demo.wait(60)
    assert f":{3200 + offset}/#/search?start=" in told
    assert answer.status == 200
    assert (demo.returncode, len(during), list(tmp_path.glob("spanlake-demo-*"))) == (0, 1, [])


def test_demo_tells_what_hinders_it() -> None:
    done = subprocess.run(
        [*SPANLAKE, "demo", "--into", "http://127.0.0.1:9"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("spanlake: ")
    assert "Traceback" not in done.stderr
