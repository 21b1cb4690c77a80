"""A segment that an SDK of X-Ray sent goes through the Collector of docs/from-x-ray.md to a server, over UDP."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from tests.documents import document, fenced, section
from tests.receivers.translated import attributes
from tests.scenarios.interop.clients import prepared
from tests.server_process import SpanlakeServer, free_offset, patiently

_PORT = re.compile(r"(?<=0\.0\.0\.0:)\d+")
_XRAY = 2000
_HEADER = b'{"format": "json", "version": 1}\n'  # of each datagram to a daemon
_PROTOBUF = {"Accept": "application/protobuf"}
_PATIENCE = 60  # seconds
Segment = dict[str, Any]


@contextmanager
def collector(server: SpanlakeServer, folder: Path) -> Iterator[int]:
    """Run the document's Collector in front of a server; yields the port for segments."""
    (text,) = fenced(section(document("docs/from-x-ray.md"), "ECS, EKS and EC2"), "yaml")
    offset = free_offset()
    file, log = folder / "collector.yaml", folder / "collector.log"
    file.write_text(_PORT.sub(lambda port: str(int(port[0]) + offset), text))
    variables = {
        "SPANLAKE_URL": server.otlp_http,
        "SPANLAKE_TOKEN": "none",
        "AWS_REGION": "us-east-1",  # which a task has; the receiver hands sampling rules on to there
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [prepared("xray") / "collector", "--config", file],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | variables,
        )
    try:
        for _ in patiently():
            if process.poll() is not None or "Everything is ready" in log.read_text():
                break
        assert process.poll() is None, log.read_text()
        yield _XRAY + offset
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def recorded() -> Segment:
    """Return the segment as if it had been sent now: times are moved, and the id of the trace, which has its time."""
    segment: Segment = json.loads((prepared("xray") / "segment.json").read_text())
    now = int(time.time())
    _, _, unique = segment["trace_id"].split("-")
    _move(segment, now - int(segment["start_time"]))
    return {**segment, "trace_id": f"1-{now:08x}-{unique}"}


def _move(segment: Segment, seconds: int) -> None:
    for name in ("start_time", "end_time"):
        segment[name] += seconds
    for each in segment.get("subsegments", ()):
        _move(each, seconds)


def all_of(segment: Segment) -> Iterator[Segment]:
    """Yield the segment and its subsegments at any depth."""
    yield segment
    for each in segment.get("subsegments", ()):
        yield from all_of(each)


def test_recorded_segment_becomes_a_trace(server: SpanlakeServer, tmp_path: Path) -> None:
    segment = recorded()
    sent = {each["id"]: each for each in all_of(segment)}
    with collector(server, tmp_path) as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(_HEADER + json.dumps(segment).encode(), ("127.0.0.1", port))
        path = f"/api/traces/{segment['trace_id']}"  # as X-Ray spells it
        server.wait_for(lambda: server.get(path).status == 200)
        trace = TracesData.FromString(server.get(path, _PROTOBUF).body)
    spans = {
        span.span_id.hex(): span
        for resource in trace.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert spans.keys() == sent.keys()
    for id_, span in spans.items():
        was = sent[id_]
        assert span.name == was["name"]
        assert abs(span.start_time_unix_nano - was["start_time"] * 1e9) < 1e3
        assert {each["id"] for each in was.get("subsegments", ())} == {
            child for child, of in spans.items() if of.parent_span_id == span.span_id
        }
        assert (span.status.code == Status.STATUS_CODE_ERROR) == any(
            was.get(name) for name in ("fault", "error", "throttle")
        )
    annotated = {key: value for each in sent.values() for key, value in each.get("annotations", {}).items()}
    assert annotated
    shown = {key: value for span in spans.values() for key, value in attributes(span).items()}
    assert annotated.items() <= shown.items()
