"""A Collector in front: what comes through it is what the server makes of the same bytes itself.

Of the recorded cases those marked ``free`` are left out: there a Collector refuses a whole request for what is odd in
it, and the server keeps what is good.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from tests import recorded
from tests.scenarios.conformance.test_protocols import CASES, kept, protocols
from tests.scenarios.interop import collector
from tests.server_process import SpanlakeServer, ask
from tests.spans import otlp_requests

OTLP_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_ACCEPTED = (200, 202, "OK", None)
_SCOPE_TAGS = ("otel.scope.name", "otel.scope.version")
_NEWER = frozenset({"zipkin-v2-json-05", "zipkin-v2-json-35", "zipkin-v2-proto-10"})
"""Where this Collector takes Zipkin's tags otel.scope.* for the scope. That of Tempo 3.1 leaves them on the span."""


@dataclass(frozen=True)
class Ways:
    """The two ways of a request, and by how much the ports of the Collector are moved."""

    direct: SpanlakeServer
    through: SpanlakeServer
    collector: int

    def send(self, case: dict[str, Any]) -> tuple[object, object]:
        """The answers: statuses of HTTP or gRPC, None where there are no answers."""
        direct, through = (
            protocols().send("127.0.0.1", offset, case) for offset in (self.direct.offset, self.collector)
        )
        return direct, through

    def wait_for(self, trace_id: str) -> None:
        """Return when both have the trace."""
        for server in (self.direct, self.through):
            server.wait_for(lambda server=server: server.get(f"/api/traces/{trace_id}").status == 200)  # type: ignore[misc]


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("ways")
    direct, through = SpanlakeServer(folder / "direct"), SpanlakeServer(folder / "through")
    try:
        with collector.in_front_of(through.wait_until_ready(), folder) as offset:
            yield Ways(direct.wait_until_ready(), through, offset)
    finally:
        direct.stop()
        through.stop()


@pytest.fixture(scope="module")
def answers(ways: Ways) -> dict[str, tuple[object, object]]:
    """Returns the responses to each case, once everything that was sent can be read."""
    said = {case["id"]: ways.send(case) for case in cases()}
    for case in cases():
        for trace_id in (trace_id for trace_id, trace in case["traces"].items() if trace):
            ways.wait_for(trace_id)
    return said


def cases() -> list[dict[str, Any]]:
    found = recorded.checker().load(CASES)
    return [case for case in found if not kept(case) and case["protocol"] != "opencensus-grpc"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in cases()])
def test_a_collector_makes_the_same_of_it(
    ways: Ways, answers: dict[str, tuple[object, object]], case: dict[str, Any]
) -> None:
    direct, through = (status in _ACCEPTED for status in answers[case["id"]])
    assert direct == through
    for trace_id in case["traces"]:
        assert spans(ways.direct, trace_id, case) == spans(ways.through, trace_id, case)


def test_otlp_over_grpc_through_a_collector(ways: Ways) -> None:
    body = next(recorded.bodies())
    with grpc.insecure_channel(f"127.0.0.1:{4317 + ways.collector}") as channel:
        export = channel.unary_unary(OTLP_EXPORT, request_serializer=bytes, response_deserializer=bytes)
        export(body, timeout=60, wait_for_ready=True)
    assert_same(ways, body)


def test_otlp_over_http_through_a_collector(ways: Ways) -> None:
    _, body, *_ = recorded.bodies()
    headers = {"Content-Type": "application/x-protobuf"}
    assert ask(4318 + ways.collector, "POST", "/v1/traces", body=body, headers=headers).status == 200
    assert_same(ways, body)


def assert_same(ways: Ways, body: bytes) -> None:
    """The traces of a request of OTLP, which went through the Collector."""
    assert ways.direct.post_traces(body).status == 200
    request = ExportTraceServiceRequest.FromString(body)
    trace_ids = {
        span.trace_id.hex()
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    for trace_id in trace_ids:
        ways.wait_for(trace_id)
        assert spans(ways.direct, trace_id, {}) == spans(ways.through, trace_id, {})


def spans(server: SpanlakeServer, trace_id: str, case: dict[str, Any]) -> list[Any]:
    """The spans of a trace in a form that can be compared; none when there is no trace."""
    answer = server.get(f"/api/traces/{trace_id}", {"Accept": "application/protobuf"})
    if answer.status == 404:
        return []
    trace = TracesData.FromString(answer.body)
    for resource in trace.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                _settle(span, case.get("volatile", ()))
            if case.get("id") in _NEWER:
                scope.ClearField("scope")
                _drop_scope_tags(scope.spans)
    return otlp_requests.normal(trace)


def _settle(span: Span, volatile: list[str]) -> None:
    """Take out what comes from the clock, and a status that says nothing, which a Collector always writes."""
    if "start" in volatile:
        span.start_time_unix_nano = 0
    if "end" in volatile:
        span.end_time_unix_nano = 0
    if span.status == Status():
        span.ClearField("status")


def _drop_scope_tags(found: Any) -> None:
    for span in found:
        kept = [attribute for attribute in span.attributes if attribute.key not in _SCOPE_TAGS]
        del span.attributes[:]
        span.attributes.extend(kept)
