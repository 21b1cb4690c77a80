"""OTLP over HTTP, as the specification of OTLP has it, against a real server."""

import gzip
import http.client
import json
import socket
import time
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest
from google.protobuf.json_format import MessageToJson
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from spanlake.spans.otlp.validate import explain
from tests.conftest import StartServer
from tests.payloads import DAY_NS, block_files, export_request, stored_names
from tests.server_process import HalfSent, SpanlakeServer, ask

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
GOOD = export_request("good").SerializeToString()


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def zstd(data: bytes) -> bytes:
    return pa.compress(data, "zstd", asbytes=True)


COMPRESSIONS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "gzip in two members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "an old name of gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without header": ("deflate", raw_deflate),
    "zstd": ("zstd", zstd),
    "zlib": ("zlib", zlib.compress),
    "snappy": ("snappy", lambda data: pa.compress(data, "snappy", asbytes=True)),
    "lz4": ("lz4", lambda data: pa.compress(data, "lz4", asbytes=True)),
    "zstd in two frames": ("zstd", lambda data: zstd(data[:9]) + zstd(data[9:])),
}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_every_encoding_is_understood(server: SpanlakeServer, tenant: str, name: str) -> None:
    coding, compress = COMPRESSIONS[name]
    headers = {"X-Scope-OrgID": tenant, "Content-Encoding": coding}
    answer = server.post_traces(compress(GOOD), headers=headers)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, PROTOBUF, b"")
    assert stored_names(server.data, tenant) == ["good"]


@pytest.mark.parametrize("name", ["identity", "gzip"])
def test_json_is_answered_in_json(server: SpanlakeServer, tenant: str, name: str) -> None:
    coding, compress = COMPRESSIONS[name]
    document = json.loads(MessageToJson(export_request("from json")))
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span.update(traceId="5b8efff798038103d269b633813fc60c", spanId="eee19b7ec3c1b174")
    answer = server.post_traces(
        compress(json.dumps(document).encode()),
        "application/json; charset=utf-8",
        {"X-Scope-OrgID": tenant, "Content-Encoding": coding},
    )
    assert (answer.status, answer.headers["content-type"], answer.json) == (200, JSON, {})
    assert stored_names(server.data, tenant) == ["from json"]


def test_a_request_without_spans_is_fine(server: SpanlakeServer, tenant: str) -> None:
    assert server.post_traces(b"", headers={"X-Scope-OrgID": tenant}).status == 200
    assert not list(block_files(server.data, tenant))


REFUSED: dict[str, tuple[dict[str, str], bytes, int, int]] = {  # headers, body, HTTP status, google.rpc.Code
    "not protobuf": ({}, b"\xff\xff\xff", 400, 3),
    "cut short": ({}, GOOD[:-1], 400, 3),
    "not gzip": ({"Content-Encoding": "gzip"}, GOOD, 400, 3),
    "gzip cut short": ({"Content-Encoding": "gzip"}, gzip.compress(GOOD)[:-1], 400, 3),
    "gzip of nothing at all": ({"Content-Encoding": "gzip"}, b"", 400, 3),
    "gzip with rubbish after it": ({"Content-Encoding": "gzip"}, gzip.compress(GOOD) + b"!", 400, 3),
    "not deflate": ({"Content-Encoding": "deflate"}, b"\x78\x9c!", 400, 3),
    "deflate cut short": ({"Content-Encoding": "deflate"}, zlib.compress(GOOD)[:-1], 400, 3),
    "deflate with rubbish after it": ({"Content-Encoding": "deflate"}, zlib.compress(GOOD) + b"!", 400, 3),
    "not zstd": ({"Content-Encoding": "zstd"}, GOOD, 400, 3),
    "zstd cut short": ({"Content-Encoding": "zstd"}, zstd(GOOD)[:-1], 400, 3),
    "an unknown coding": ({"Content-Encoding": "br"}, GOOD, 415, 3),
    "two codings": ({"Content-Encoding": "gzip, gzip"}, gzip.compress(gzip.compress(GOOD)), 415, 3),
    "a tenant with a slash": ({"X-Scope-OrgID": "../x"}, GOOD, 400, 3),
    "several tenants": ({"X-Scope-OrgID": "a|b"}, GOOD, 400, 3),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_a_status_in_protobuf(server: SpanlakeServer, name: str) -> None:
    headers, body, status, code = REFUSED[name]
    answer = server.post_traces(body, headers=headers)
    told = Status.FromString(answer.body)
    assert (answer.status, answer.headers["content-type"], told.code) == (status, PROTOBUF, code)
    assert told.message


def test_an_empty_tenant_is_the_default_one(start_server: StartServer) -> None:
    server = start_server()
    assert server.post_traces(GOOD, headers={"X-Scope-OrgID": ""}).status == 200
    assert stored_names(server.data) == ["good"]


WRONG_PATHS = ("/", "/v1/traces/", "/v1/trace", "/v1/traces/v1/traces", "//v1/traces", "/api/search", "/anything")


def test_post_to_a_query_path_is_told_its_methods(server: SpanlakeServer) -> None:
    answer = ask(3200 + server.offset, "POST", "/api/search", body=b"q={}")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert b"'/api/search' is asked with GET, HEAD, not POST" in answer.body
    assert b"OTLP is sent to /v1/traces" in answer.body


@pytest.mark.parametrize("path", WRONG_PATHS)
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON, "text/plain"])
def test_a_wrong_path_is_answered_with_the_right_one(server: SpanlakeServer, path: str, content_type: str) -> None:
    answer = ask(4318 + server.offset, "POST", path, body=GOOD, headers={"Content-Type": content_type})
    assert answer.status in (404, 405)
    assert ("allow" in answer.headers) == (answer.status == 405)
    assert answer.headers["content-type"].startswith(content_type)
    assert b"OTLP is sent to /v1/traces" in answer.body


@pytest.mark.parametrize(
    ("port", "method", "path", "status"),
    [(4318, "GET", "/v1/trace", 404), (4318, "PUT", "/api/search", 404), (3200, "PUT", "/api/search", 405)],
)
def test_other_methods_are_answered_as_before(
    server: SpanlakeServer, port: int, method: str, path: str, status: int
) -> None:
    assert ask(port + server.offset, method, path).status == status


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/v1/logs", "OTEL_LOGS_EXPORTER=none"),
        ("/v1/metrics", "OTEL_METRICS_EXPORTER=none"),
        ("/v1development/profiles", "switch their export off"),
    ],
)
def test_other_signals_are_told_how_to_stop(server: SpanlakeServer, path: str, advice: str) -> None:
    answer = ask(4318 + server.offset, "POST", path, body=b"", headers={"Content-Type": PROTOBUF})
    told = Status.FromString(answer.body)
    assert (answer.status, told.code) == (404, 12)
    assert advice in told.message


def test_a_body_of_another_kind_is_named(server: SpanlakeServer) -> None:
    for body, content_type, word in ((b'{"a": 1}', PROTOBUF, b"JSON"), (GOOD, JSON, b"protobuf")):
        answer = server.post_traces(body, content_type)
        assert answer.status == 400
        assert word in answer.body


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"resourceSpans": 1}', b"\xff", b""])
def test_refusals_of_json_are_a_status_in_json(server: SpanlakeServer, body: bytes) -> None:
    answer = server.post_traces(body, JSON)
    assert (answer.status, answer.headers["content-type"]) == (400, JSON)
    assert isinstance(answer.json, dict)
    assert answer.json["code"] == 3
    assert answer.json["message"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/protobuf2", "", "application/x-protobuf-x"])
def test_another_content_type_is_refused(server: SpanlakeServer, content_type: str) -> None:
    answer = server.post_traces(GOOD, content_type)
    assert (answer.status, answer.headers["content-type"]) == (415, JSON)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_refused(server: SpanlakeServer, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 4318 + server.offset)
    connection.request(method, "/v1/traces")
    response = connection.getresponse()
    assert (response.status, response.getheader("allow")) == (405, "POST")
    connection.close()


@pytest.mark.parametrize("name", ["gzip", "deflate", "deflate without header", "zstd", "snappy", "lz4"])
def test_a_bomb_does_not_go_off(strict_server: SpanlakeServer, name: str) -> None:
    coding, compress = COMPRESSIONS[name]
    strict_server.post_traces(GOOD)
    before = strict_server.peak_memory()
    answer = strict_server.post_traces(compress(bytes(100 << 20)), headers={"Content-Encoding": coding})
    assert (answer.status, Status.FromString(answer.body).code) == (413, 8)
    assert strict_server.peak_memory() - before < 20 << 20


def test_a_body_may_be_as_large_as_the_limit_and_no_larger(start_server: StartServer) -> None:
    server = start_server("--max-request-bytes", str(len(GOOD)))
    assert server.post_traces(GOOD).status == 200
    assert server.post_traces(gzip.compress(GOOD + GOOD), headers={"Content-Encoding": "gzip"}).status == 413
    assert server.post_traces(GOOD + b"\0").status == 413


def test_a_body_of_unknown_length_is_limited_too(strict_server: SpanlakeServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 4318 + strict_server.offset)
    chunks = (bytes(1 << 16) for _ in range(64))
    connection.request("POST", "/v1/traces", chunks, {"Content-Type": PROTOBUF}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_what_is_wrong_with_some_spans_is_told(server: SpanlakeServer, tenant: str) -> None:
    request = export_request("no trace id", "zero span id", "long span id", "kept", "long parent")
    spans = [scope.spans[0] for scope in request.resource_spans[0].scope_spans]
    spans[0].trace_id = b""
    spans[1].span_id = bytes(8)
    spans[2].span_id = b"123456789"
    spans[4].parent_span_id = b"123456789"
    answer = server.post_traces(request.SerializeToString(), headers={"X-Scope-OrgID": tenant})
    assert answer.status == 200
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert partial.rejected_spans == 3
    assert partial.error_message == explain({"invalid_span_id": 2, "invalid_trace_id": 1})
    assert stored_names(server.data, tenant) == ["kept", "long parent"]


def test_it_is_told_in_json_too(server: SpanlakeServer, tenant: str) -> None:
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"without ids"}]}]}]}'
    answer = server.post_traces(body, JSON, {"X-Scope-OrgID": tenant})
    assert answer.json == {"partialSuccess": {"rejectedSpans": "1", "errorMessage": explain({"invalid_trace_id": 1})}}


def test_spans_outside_the_window_of_time_are_rejected(start_server: StartServer) -> None:
    server = start_server("--retention", "2d")
    now = time.time_ns()
    for age, reason in ((0, ""), (1.9, ""), (2.1, "too_old"), (-0.9, ""), (-1.1, "too_new")):
        body = export_request(f"{age} days old", start_ns=now - int(age * DAY_NS)).SerializeToString()
        answer = server.post_traces(body)
        said = ExportTraceServiceResponse.FromString(answer.body).partial_success.error_message
        assert said == explain({reason: 1} if reason else {})
    assert stored_names(server.data) == ["-0.9 days old", "0 days old", "1.9 days old"]


def test_spans_may_be_of_any_age_unless_there_is_a_retention(server: SpanlakeServer, tenant: str) -> None:
    body = export_request("old", start_ns=1).SerializeToString()
    assert server.post_traces(body, headers={"X-Scope-OrgID": tenant}).body == b""
    assert stored_names(server.data, tenant) == ["old"]


def test_a_retry_is_stored_once_however_it_is_encoded(server: SpanlakeServer, tenant: str) -> None:
    body = export_request("once").SerializeToString()
    for coding, compress in COMPRESSIONS.values():
        answer = server.post_traces(compress(body), headers={"X-Scope-OrgID": tenant, "Content-Encoding": coding})
        assert answer.status == 200
    assert stored_names(server.data, tenant) == ["once"]


def test_more_than_fits_in_memory_is_asked_to_come_again(start_server: StartServer) -> None:
    server = start_server("--max-request-bytes", "9000", "--max-in-flight-bytes", "9000")
    body = export_request("large", filler=8000).SerializeToString()
    waiting = HalfSent(server, body)
    server.wait_for(lambda: server.bytes_in_flight() > 0)
    answer = server.post_traces(body)
    assert (answer.status, answer.headers["retry-after"], Status.FromString(answer.body).code) == (429, "1", 8)
    assert waiting.finish().status == 200
    assert server.post_traces(body).status == 200
    assert server.bytes_in_flight() == 0


def test_storage_that_fails_is_a_reason_to_come_again(start_server: StartServer) -> None:
    server = start_server()
    in_the_way = server.data / "spans"
    in_the_way.touch()
    answer = server.post_traces(GOOD)
    assert (answer.status, Status.FromString(answer.body).code) == (503, 14)
    assert int(answer.headers["retry-after"]) > 0
    in_the_way.unlink()
    assert server.post_traces(GOOD).status == 200
    assert stored_names(server.data) == ["good"]


def test_a_client_that_hangs_up_leaves_nothing_behind(start_server: StartServer) -> None:
    server = start_server()
    with socket.create_connection(("127.0.0.1", 4318 + server.offset)) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n")
        client.sendall(b"Content-Length: 1000\r\n\r\n" + bytes(500))
        server.wait_for(lambda: server.bytes_in_flight() > 0)
    server.wait_for(lambda: server.bytes_in_flight() == 0)
    assert server.post_traces(GOOD).status == 200


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_the_sdk_exporter(server: SpanlakeServer, tenant: str, compression: Compression) -> None:
    exporter = OTLPSpanExporter(
        f"{server.otlp_http}/v1/traces", headers={"X-Scope-OrgID": tenant}, compression=compression
    )
    provider = TracerProvider(resource=Resource({"service.name": "sdk"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    for number in range(700):
        provider.get_tracer("tests").start_span(f"{number:03}").end()
    provider.shutdown()
    assert stored_names(server.data, tenant) == [f"{number:03}" for number in range(700)]
