"""The recorded requests, asked of a server whose blocks have been compacted: the answers are the same."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.recorded import bodies, checker
from tests.scenarios.conformance.test_right import TENANT, requests
from tests.server_process import SpanlakeServer


@pytest.fixture(scope="module")
def compacted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server that took the same spans in requests of one resource each, all of them compacted since."""
    server = SpanlakeServer(tmp_path_factory.mktemp("compacted") / "data", ["--no-compaction"]).wait_until_ready()
    try:
        for body in bodies():
            for request in pieces(body):
                assert server.post_traces(request, headers={"X-Scope-OrgID": TENANT}).status == 200
        program = Path(sys.executable).with_name("spanlake")
        subprocess.run([program, "compact", "--data", server.data], check=True, capture_output=True)
        yield server
    finally:
        server.stop()


def pieces(body: bytes) -> Iterator[bytes]:
    """A request of its own for each resource."""
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        yield ExportTraceServiceRequest(resource_spans=[resource_spans]).SerializeToString()


@pytest.mark.parametrize("row", requests())
def test_answer_is_the_same(compacted: SpanlakeServer, row: dict[str, Any]) -> None:
    check = checker()
    status, answer = check.ask(compacted.tempo, row, tenant=TENANT)
    assert check.diff(row, row["want"], check.normal(row, status, answer)) is None
