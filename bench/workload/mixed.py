"""Requests of all protocols for a load at a given rate: each has traces of its own, and costs its sender little."""

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.workload import translations

_MARK = b"\xabMIXLOAD"
"""First half of every trace id of a template, in whose place each request has a number."""
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_POST_SPANS = "/jaeger.api_v2.CollectorService/PostSpans"
_PATIENCE = 60.0  # seconds
_SPANS_OF_TRACE = 10
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True)
class Answer:
    """Outcome of one request."""

    status: str
    is_stored: bool = False
    has_hint: bool = False
    """True where a refusal says after how long to repeat."""


Send = Callable[[bytes, str], Answer]
"""Sends a body for a tenant on a connection of its own."""


@dataclass(frozen=True)
class Protocol:
    """A protocol: the encoding of requests, and how to open a connection, given the offset of ports."""

    name: str
    template: Callable[[], bytes]
    connect: Callable[[int], Send]
    is_text: bool = False

    def body(self, number: int) -> bytes:
        """Return the request of a number."""
        template, mark, mine = self.template(), _MARK, number.to_bytes(8)
        if self.is_text:
            return template.replace(mark.hex().encode(), mine.hex().encode())
        return template.replace(mark, mine)


class _Templates:
    """Requests that start now: made anew once a second, so that few of all traces start at the same moment."""

    def __init__(self, spans: int) -> None:
        self._spans = spans
        self._lock = threading.Lock()
        self._made_at = 0.0
        self._encoded: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        """Return the template of a protocol."""
        with self._lock:
            if (now := time.monotonic()) - self._made_at >= 1:
                self._encoded, self._made_at = _encoded(_request(self._spans)), now
            return self._encoded[name]


def _encoded(request: ExportTraceServiceRequest) -> dict[str, bytes]:
    """Return the request as each protocol has it."""
    (zipkin,) = translations.zipkin_json(request)
    (thrift,) = translations.jaeger_thrift(request)
    (jaeger,) = translations.jaeger_proto(request)
    otlp = request.SerializeToString()
    return {"otlp-http": otlp, "otlp-grpc": otlp, "zipkin": zipkin, "jaeger-http": thrift, "jaeger-grpc": jaeger}


def protocols(spans: int) -> list[Protocol]:
    """Make the protocols, with requests of so many spans."""
    templates = _Templates(spans)

    def protocol(name: str, connect: Callable[[int], Send], *, is_text: bool = False) -> Protocol:
        return Protocol(name, partial(templates.get, name), connect, is_text)

    return [
        protocol("otlp-http", _over_http(4318, "/v1/traces", "application/x-protobuf")),
        protocol("otlp-grpc", _over_grpc(4317, _EXPORT)),
        protocol("zipkin", _over_http(9411, "/api/v2/spans", "application/json"), is_text=True),
        protocol("jaeger-http", _over_http(14268, "/api/traces", "application/x-thrift")),
        protocol("jaeger-grpc", _over_grpc(14250, _POST_SPANS)),
    ]


def _request(spans: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "mixed"
    scope_spans = resource_spans.scope_spans.add()
    now = time.time_ns()
    for number in range(spans):
        trace, place = divmod(number, _SPANS_OF_TRACE)
        first = trace * _SPANS_OF_TRACE + 1
        span = scope_spans.spans.add(
            trace_id=_MARK + (trace + 1).to_bytes(8),
            span_id=(number + 1).to_bytes(8),
            parent_span_id=first.to_bytes(8) if place else b"",
            name=f"GET /{number % 20}",
            kind=2,
            start_time_unix_nano=now + number * 1000,
            end_time_unix_nano=now + number * 1000 + 10**6,
        )
        for key in ("http.route", "peer.service", "user.plan", "zone"):
            span.attributes.add(key=key).value.string_value = f"{key}-{number % 7}"
        span.attributes.add(key="http.status_code").value.int_value = 200 if number % 50 else 500
    return request


def _over_http(port: int, path: str, content_type: str) -> Callable[[int], Send]:
    def connect(offset: int) -> Send:
        connection = http.client.HTTPConnection("127.0.0.1", port + offset, timeout=_PATIENCE)

        def send(body: bytes, tenant: str) -> Answer:
            headers = {"Content-Type": content_type, "X-Scope-OrgID": tenant}
            try:
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                return Answer(type(error).__name__)
            return Answer(str(response.status), response.status in (200, 202), "retry-after" in response.headers)

        return send

    return connect


def _over_grpc(port: int, method: str) -> Callable[[int], Send]:
    def connect(offset: int) -> Send:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.insecure_channel(f"127.0.0.1:{port + offset}", options)
        call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)

        def send(body: bytes, tenant: str) -> Answer:
            try:
                call(body, timeout=_PATIENCE, metadata=(("x-scope-orgid", tenant),))
            except grpc.RpcError as error:
                hints = {item.key for item in error.trailing_metadata() or ()}
                return Answer(
                    error.code().name, has_hint=_DETAILS in hints or error.code() is grpc.StatusCode.UNAVAILABLE
                )
            return Answer("OK", is_stored=True)

        return send

    return connect


def ask(port: int, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Ask the Tempo API once; returns the status, 0 without one, and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
