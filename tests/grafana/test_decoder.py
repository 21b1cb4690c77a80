"""Traces as protobuf, read as Grafana's backend reads them: it follows resource, scope and status without a test.

Asked for are all traces of Grafana's own data and of the recorded payloads of every protocol that is sent over HTTP or
gRPC, and ids that no trace has.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.grafana.test_requests import FOLDER
from tests.recorded import checker, script
from tests.scenarios.conformance.test_protocols import CASES, protocols
from tests.server_process import Answer, SpanlakeServer

PROTOBUF = {"Accept": "application/protobuf"}
UNKNOWN = ["9a721042d8c64ec91efe6a43fc9a1483", "abc123", "0", "f" * 32]


@cache
def grafana() -> Any:
    """Grafana's own checks, which decode answers by hand."""
    return script(FOLDER / "check.py")


def cases() -> list[Any]:
    """The recorded payloads that make traces; what comes in datagrams is stored like the others."""
    rows = checker().load(CASES)
    return [pytest.param(row, id=row["id"]) for row in rows if recorded_traces(row) and "udp" not in row["id"]]


def recorded_traces(case: dict[str, Any]) -> list[str]:
    """The ids of the traces that the reference made of a payload."""
    return [trace_id for trace_id, want in case["traces"].items() if want and want["status"] == 200]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server that holds Grafana's data, of the default tenant, as the payloads of other protocols will be."""
    server = SpanlakeServer(tmp_path_factory.mktemp("decoder") / "data").wait_until_ready()
    try:
        grafana().load(server.otlp_http, FOLDER / "data.jsonl", 1_795_348_800, "")
        yield server
    finally:
        server.stop()


def own_traces() -> list[str]:
    """The ids of Grafana's data."""
    found = set()
    for line in (FOLDER / "data.jsonl").read_text().splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            found |= {span["traceId"] for scope in resource["scopeSpans"] for span in scope["spans"]}
    return sorted(found)


def messages(server: SpanlakeServer, trace_id: str) -> list[TracesData]:
    """A trace as both versions of the API answer it."""
    first, second = (server.get(f"/api/{path}/{trace_id}", PROTOBUF) for path in ("traces", "v2/traces"))
    assert (first.status, second.status) == (200, 200), trace_id
    return [TracesData.FromString(first.body), TracesData.FromString(trace_of(second))]


def trace_of(answer: Answer) -> bytes:
    """Field 1 of a TraceByIDResponse, which is there."""
    (trace,) = (value for number, value in grafana().fields(answer.body) if number == 1)
    assert isinstance(trace, bytes)
    return trace


def missing(trace: TracesData) -> list[str]:
    """Lists the absent messages for which Grafana would follow a null pointer."""
    found = [f"resource of {one.schema_url}" for one in trace.resource_spans if not one.HasField("resource")]
    scopes = [scope for one in trace.resource_spans for scope in one.scope_spans]
    found += [f"scope of {one.schema_url}" for one in scopes if not one.HasField("scope")]
    return found + [f"status of {span.name}" for one in scopes for span in one.spans if not span.HasField("status")]


def spans(trace: TracesData) -> int:
    return sum(len(scope.spans) for resource in trace.resource_spans for scope in resource.scope_spans)


@pytest.mark.parametrize("trace_id", own_traces())
def test_grafanas_own_data(stored: SpanlakeServer, trace_id: str) -> None:
    found = messages(stored, trace_id)
    assert [missing(trace) for trace in found] == [[], []]
    assert spans(found[0]) == spans(found[1]) > 0


@pytest.mark.parametrize("case", cases())
def test_payload_of_another_protocol(stored: SpanlakeServer, case: dict[str, Any]) -> None:
    protocols().send("127.0.0.1", stored.offset, case)
    for trace_id in recorded_traces(case):
        found = messages(stored, trace_id)
        assert [missing(trace) for trace in found] == [[], []]
        assert spans(found[0]) == spans(found[1]) > 0


@pytest.mark.parametrize("trace_id", UNKNOWN)
@pytest.mark.parametrize("when", ["", "?start=1795348000&end=1795349000"])
def test_id_of_no_trace(stored: SpanlakeServer, trace_id: str, when: str) -> None:
    assert stored.get(f"/api/traces/{trace_id}{when}", PROTOBUF).status == 404
    answer = stored.get(f"/api/v2/traces/{trace_id}{when}", PROTOBUF)
    assert (answer.status, trace_of(answer)) == (200, b"")


def test_narrowed_trace(stored: SpanlakeServer) -> None:
    for trace_id in own_traces()[:5]:
        answer = stored.get(f"/api/v2/traces/{trace_id}?q=%7B%20name%20%3D%20%22nothing%22%20%7D", PROTOBUF)
        assert trace_of(answer) == b""
        assert dict(grafana().fields(answer.body))[3] == 1
