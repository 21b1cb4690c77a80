"""The trace that every program of docs/send-traces.md sends, and what must be known of it afterwards."""

import time
from urllib.parse import urlencode

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from tests.receivers.translated import attributes
from tests.server_process import SpanlakeServer

_PROTOBUF = {"Accept": "application/protobuf"}
_HOUR = 3_600 * 10**9  # nanoseconds
_ERROR = Status.STATUS_CODE_ERROR


def check(server: SpanlakeServer, service: str, minutes: int | float | str) -> list[Span]:
    """Find the trace of a service by search and read back its two spans by its id, the root first.

    The attribute must be found as the protocol has it.
    """
    value = f'"{minutes}"' if isinstance(minutes, str) else minutes
    found = f'{{ resource.service.name = "{service}" && name = "boil eggs" && span.eggs.minutes = {value} }}'
    whole = f'{{ resource.service.name = "{service}" && kind = server }} > {{ status = error && name = "boil eggs" }}'
    server.wait_for(lambda: bool(_trace_ids(server, found) and _trace_ids(server, whole)))
    assert _trace_ids(server, found) == _trace_ids(server, whole)
    (trace_id,) = _trace_ids(server, whole)
    breakfast, eggs = _spans(server, trace_id, service)
    assert (breakfast.parent_span_id, eggs.parent_span_id) == (b"", breakfast.span_id)
    assert (breakfast.kind, breakfast.status.code) == (Span.SPAN_KIND_SERVER, Status.STATUS_CODE_UNSET)
    assert eggs.status.code == _ERROR
    assert attributes(eggs)["eggs.minutes"] == minutes
    for span in (breakfast, eggs):  # which clients time by different clocks, so that neither need be within the other
        assert time.time_ns() - _HOUR < span.start_time_unix_nano <= span.end_time_unix_nano < time.time_ns() + _HOUR
    return [breakfast, eggs]


def _trace_ids(server: SpanlakeServer, q: str) -> list[str]:
    answer = server.get(f"/api/search?{urlencode({'q': q})}")
    assert answer.status == 200, answer.body
    assert isinstance(answer.json, dict)
    return [trace["traceID"] for trace in answer.json["traces"]]


def _spans(server: SpanlakeServer, trace_id: str, service: str) -> list[Span]:
    """All spans of a trace, each of which must be of this service."""
    trace = TracesData.FromString(server.get(f"/api/traces/{trace_id}", _PROTOBUF).body)
    assert {attributes(each.resource)["service.name"] for each in trace.resource_spans} == {service}
    spans = [span for each in trace.resource_spans for scope in each.scope_spans for span in scope.spans]
    assert {span.name for span in spans} == {"make breakfast", "boil eggs"}
    return sorted(spans, key=lambda span: span.name == "boil eggs")
