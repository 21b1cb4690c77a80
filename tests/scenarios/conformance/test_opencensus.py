"""Recorded payloads of OpenCensus, which Tempo 3.1 no longer takes, against the mapping of the Collector that it was.

The rules are those of opentelemetry-collector-contrib's pkg/translator/opencensus and of its receiver. In two things
spanlake differs: a stream whose first request has no node is taken all the same, and a trace id of 8 bytes gets its
zeros on the left, as 64-bit ids of all protocols do, so that it is found by its own digits.
"""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanlake.receivers.opencensus.translate import Stream, export_requests
from tests.receivers.translated import alone, attributes, request
from tests.recorded import checker
from tests.scenarios.conformance.test_protocols import CASES

T0 = 1_795_348_800_000_000_000
MS = 1_000_000
UNKNOWN = "<Unknown OpenCensus attribute value type>"
RESOURCE = {
    "service.name": "oc-svc",
    "opencensus.starttime": "2026-11-22T12:00:00Z",
    "host.name": "oc-host",
    "process.pid": 4711,
    "telemetry.sdk.version": "0.22.0",
    "opencensus.exporterversion": "0.6.0",
    "telemetry.sdk.language": "go",
}
PYTHON = {
    "service.name": "opencensus-py",
    "opencensus.starttime": "2026-11-22T12:00:00.001Z",
    "host.name": "oc-host",
    "process.pid": 4711,
    "telemetry.sdk.version": "0.11.4",
    "opencensus.exporterversion": "0.0.1",
    "telemetry.sdk.language": "python",
}
UNSET, ERROR = 0, 2
SERVER, CLIENT, PRODUCER = 2, 3, 4
SAME_PROCESS = "opencensus.same_process_as_parent_span"

Said = dict[str, Any]
"""Content of a span beyond empty and zero values; times count from T0."""


def message_event(type_: str, id_: int, size: int, compressed: int) -> Said:
    return {
        "message.type": type_,
        "messaging.message_id": id_,
        "messaging.message_payload_size_bytes": size,
        "messaging.message_payload_compressed_size_bytes": compressed,
    }


def plain(name: str, **more: Any) -> Said:
    """A span of the same five milliseconds as most."""
    return {"name": name, "start": 0, "end": 5 * MS} | more


def of_python(link_to: str, parent: str) -> list[tuple[Said, Said]]:
    """Returns a server's span and a client's, each in a stream of its own, as sent by opencensus-ext-ocagent."""
    call = {
        "name": "call",
        "parent": "c7fde805ec99108d",
        "kind": CLIENT,
        "start": 5 * MS,
        "end": 8 * MS,
        "status": (ERROR, "unavailable"),
        "events": [
            (6 * MS, "retry", {"attempt": 1, "why": "slow"}, 0),
            (7 * MS, "message", message_event("SENT", 1, 100, 50), 0),
        ],
        "links": [(link_to, "1122334455667788", {})],
    }
    get = {
        "name": "GET /things",
        "kind": SERVER,
        "start": 3 * MS,
        "end": 9 * MS,
        "status": (UNSET, ""),
        "attributes": {"http.method": "GET", "n": 7, "ok": True, "unicode": "żółć"},
    }
    return [(PYTHON, call), (PYTHON, get | ({"parent": parent} if parent else {}))]


MAPPED: dict[str, list[tuple[Said, Said]]] = {
    "opencensus-grpc-02": [
        (
            RESOURCE,
            {
                "name": "żądanie 🚀",
                "start": 123_456,
                "end": 5 * MS,
                "attributes": {
                    "s": "text",
                    "s.empty": "",
                    "i": 42,
                    "i.neg": -7,
                    "i.zero": 0,
                    "d": 2.5,
                    "b.true": True,
                    "b.false": False,
                    "cut": "abc",
                    "none": UNKNOWN,
                    "ключ": "значение",
                },
                "dropped_attributes": 3,
            },
        )
    ],
    "opencensus-grpc-03": [
        (
            RESOURCE,
            {
                "name": "events",
                "start": 0,
                "end": 90 * MS,
                "events": [
                    (1 * MS, "cache.miss", {"key": "user:7", "hit": False, "n": 2, "r": 0.5}, 1),
                    (2 * MS, "bare", {}, 0),
                    (3 * MS, "message", message_event("SENT", 1, 1024, 512), 0),
                    (4 * MS, "message", message_event("RECEIVED", 2, 77, 0), 0),
                    (5 * MS, "message", message_event("TYPE_UNSPECIFIED", 3, 0, 0), 0),
                    (6 * MS, "An unknown OpenCensus TimeEvent type was detected when translating", {}, 0),
                ],
                "dropped_events": 9,
                "links": [
                    ("c2aaef33f81100b12c285996e83577f1", "d3f2133bfec866d7", {"k": "v"}),
                    ("27f9a461a9446cd0bd1c203c28ce4559", "acb5c65bb5ae787f", {}),
                    ("c2aaef33f81100b12c285996e83577f1", "69b01de874bcaeec", {}),
                ],
                "dropped_links": 6,
            },
        )
    ],
    "opencensus-grpc-04": [
        (RESOURCE, plain("status 1", status=(UNSET, ""))),
        (RESOURCE, plain("status 2", status=(UNSET, "fine"))),
        (RESOURCE, plain("status 3", status=(ERROR, "unknown"))),
        (RESOURCE, plain("status 4", status=(ERROR, "not found"))),
        (RESOURCE, plain("status 5", status=(ERROR, ""))),
        (RESOURCE, plain("status 6", status=(ERROR, "negative"))),
        (RESOURCE, plain("status 7")),
        (RESOURCE, plain("kinds server", kind=SERVER, state="vendor=1,other=x", attributes={SAME_PROCESS: True})),
        (
            RESOURCE,
            plain(
                "kinds client",
                kind=CLIENT,
                parent="4d88c217880150e2",
                attributes={"http.status_code": 500, SAME_PROCESS: False},
            ),
        ),
        (RESOURCE, plain("span.kind attribute", kind=PRODUCER, attributes={"error": True})),
        (RESOURCE, plain("stack")),
    ],
    "opencensus-grpc-06": [
        (RESOURCE | {"service.name": "oc-one"}, plain("first node")),
        (RESOURCE | {"service.name": "oc-two"}, plain("second node", parent="61018feb895595be")),
        (RESOURCE | {"service.name": "oc-two"}, plain("other trace")),
        (RESOURCE | {"service.name": "oc-two"}, {"name": "no end", "start": 2 * MS, "end": -T0}),
    ],
    "opencensus-grpc-07": [
        ({}, plain("good")),
        ({}, plain("eight bytes")),
        ({}, plain("no span id")),
        ({}, {"name": "", "start": 0, "end": 1 * MS}),
    ],
    "opencensus-grpc-08": of_python("bd23f3bca47af2da3d7a7d0090509e15", ""),
    "opencensus-grpc-09": of_python("d4a954f6f81ce55a9a08aa2f23c80ac2", "00000000000000aa"),
}


def cases() -> list[Any]:
    found = checker().load(CASES)
    return [case for case in found if case["protocol"] == "opencensus-grpc"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in cases()])
def test_a_recorded_stream_is_mapped_as_by_the_collector(case: dict[str, Any]) -> None:
    assert [(resource, said(span)) for resource, span in mapped(case)] == MAPPED[case["id"]]
    ids = {span.trace_id.rjust(16, b"\0").hex() for _, span in mapped(case)}
    assert ids >= set(case["traces"])


def mapped(case: dict[str, Any]) -> Iterator[tuple[Said, Span]]:
    """Resources and spans in the order in which they were sent."""
    stream = Stream()
    for payload in case["payload"]:
        for group in request(alone(export_requests)(stream.complete(b64decode(payload)))).resource_spans:
            for scope in group.scope_spans:
                for span in scope.spans:
                    yield attributes(group.resource), span


def said(span: Span) -> Said:
    told = {
        "name": span.name,
        "start": span.start_time_unix_nano - T0,
        "end": span.end_time_unix_nano - T0,
    }
    more = {
        "parent": span.parent_span_id.hex(),
        "kind": span.kind,
        "state": span.trace_state,
        "status": (span.status.code, span.status.message) if span.HasField("status") else None,
        "attributes": attributes(span),
        "dropped_attributes": span.dropped_attributes_count,
        "events": [
            (event.time_unix_nano - T0, event.name, attributes(event), event.dropped_attributes_count)
            for event in span.events
        ],
        "dropped_events": span.dropped_events_count,
        "links": [(link.trace_id.hex(), link.span_id.hex(), attributes(link)) for link in span.links],
        "dropped_links": span.dropped_links_count,
    }
    return told | {key: value for key, value in more.items() if value}
