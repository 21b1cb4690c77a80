"""Jaeger's and Zipkin's spans over HTTP, against a real server: what is answered, stored and counted."""

import gzip
import http.client
import json
import zlib
from collections.abc import Callable

import pytest

from spanlake.spans.otlp.validate import explain
from tests.conftest import StartServer
from tests.payloads import stored_names
from tests.receivers import jaeger_spans
from tests.receivers.zipkin.test_v1 import THRIFT
from tests.receivers.zipkin.test_v2 import PROTO_SPAN, listed
from tests.server_process import Answer, SpanlakeServer, ask

JAEGER, ZIPKIN = 14268, 9411
SPAN = {"traceId": "abc", "id": "7", "name": "get", "timestamp": jaeger_spans.START_US, "duration": 5}
V2 = json.dumps([SPAN]).encode()
V1 = json.dumps([SPAN | {"traceId": "a" * 16, "id": "b" * 16}]).encode()
THRIFT_BATCH = jaeger_spans.over_http(jaeger_spans.batch(jaeger_spans.span()))

TAKEN: dict[str, tuple[int, str, str, bytes, str]] = {
    "Jaeger": (JAEGER, "/api/traces?format=jaeger.thrift", "application/x-thrift", THRIFT_BATCH, "operation"),
    "Jaeger, the other type": (
        JAEGER,
        "/api/traces",
        "application/vnd.apache.thrift.binary",
        THRIFT_BATCH,
        "operation",
    ),
    "Zipkin v2 JSON": (ZIPKIN, "/api/v2/spans", "application/json; charset=utf-8", V2, "get"),
    "Zipkin v2 protobuf": (ZIPKIN, "/api/v2/spans", "application/x-protobuf", listed(PROTO_SPAN), "get"),
    "Zipkin v1 JSON": (ZIPKIN, "/api/v1/spans", "application/json", V1, "get"),
    "Zipkin v1 Thrift": (ZIPKIN, "/api/v1/spans", "application/x-thrift", THRIFT, "get"),
}

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


def post(server: SpanlakeServer, port: int, path: str, body: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(port + server.offset, "POST", path, body=body, headers=named)


@pytest.mark.parametrize("kind", TAKEN)
@pytest.mark.parametrize("coding", COMPRESSIONS)
def test_spans_are_stored(server: SpanlakeServer, tenant: str, kind: str, coding: str) -> None:
    port, path, type_, body, name = TAKEN[kind]
    headers = {"Content_Type": type_, "Content_Encoding": coding, "X_Scope_OrgID": tenant}
    answer = post(server, port, path, COMPRESSIONS[coding](body), **headers)
    assert (answer.status, answer.body) == (202, b"")
    assert stored_names(server.data, tenant) == [name]


def test_equal_bytes_are_stored_once(server: SpanlakeServer, tenant: str) -> None:
    for _ in range(2):
        assert post(server, ZIPKIN, "/api/v2/spans", V2, X_Scope_OrgID=tenant).status == 202
    assert stored_names(server.data, tenant) == ["get"]


def test_equal_bytes_in_two_formats_are_two_requests(server: SpanlakeServer, tenant: str) -> None:
    for version in ("v1", "v2"):
        assert post(server, ZIPKIN, f"/api/{version}/spans", V1, X_Scope_OrgID=tenant).status == 202
    assert stored_names(server.data, tenant) == ["get", "get"]


def test_what_was_not_stored_is_told(server: SpanlakeServer, tenant: str) -> None:
    body = json.dumps([SPAN, SPAN | {"id": ""}, SPAN | {"traceId": ""}]).encode()
    answer = post(server, ZIPKIN, "/api/v2/spans", body, X_Scope_OrgID=tenant)
    assert answer.status == 202
    assert answer.body == f"{explain({'invalid_span_id': 1, 'invalid_trace_id': 1})}\n".encode()
    assert stored_names(server.data, tenant) == ["get"]


REFUSED: dict[str, tuple[int, str, dict[str, str], bytes, int]] = {
    "no span is good": (ZIPKIN, "/api/v2/spans", {}, json.dumps([SPAN | {"id": "0"}]).encode(), 400),
    "no JSON": (ZIPKIN, "/api/v2/spans", {}, b"[", 400),
    "no Thrift": (JAEGER, "/api/traces", {"Content_Type": "application/x-thrift"}, b"[", 400),
    "no gzip": (ZIPKIN, "/api/v2/spans", {"Content_Encoding": "gzip"}, V2, 400),
    "a tenant that is none": (ZIPKIN, "/api/v2/spans", {"X_Scope_OrgID": "../x"}, V2, 400),
    "an unknown type": (ZIPKIN, "/api/v1/spans", {"Content_Type": "application/x-protobuf"}, THRIFT, 415),
    "Jaeger in JSON": (JAEGER, "/api/traces", {"Content_Type": "application/json"}, THRIFT_BATCH, 415),
    "Jaeger without type": (JAEGER, "/api/traces", {}, THRIFT_BATCH, 415),
}


@pytest.mark.parametrize(("port", "path", "headers", "body", "status"), REFUSED.values(), ids=REFUSED)
def test_refusals(
    server: SpanlakeServer, port: int, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = post(server, port, path, body, **headers)
    assert (answer.status, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert answer.body


def test_other_methods(server: SpanlakeServer) -> None:
    answer = ask(ZIPKIN + server.offset, "PUT", "/api/v2/spans", body=V2)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


PROTOCOLS = {"/api/v1/spans": "zipkin-v1", "/api/v2/spans": "zipkin-v2"}


def requests_counted(server: SpanlakeServer, path: str, code: int) -> float:
    protocol = PROTOCOLS.get(path, "jaeger-http")
    return server.metric(f'spanlake_ingest_requests_total{{code="{code}",protocol="{protocol}"}}')


@pytest.mark.parametrize("kind", TAKEN)
def test_a_body_that_is_too_large(strict_server: SpanlakeServer, kind: str) -> None:
    port, path, type_, body, _ = TAKEN[kind]
    before = requests_counted(strict_server, path, 413)
    bomb = gzip.compress(body + b" " * (2 << 20))
    assert post(strict_server, port, path, bomb, Content_Type=type_, Content_Encoding="gzip").status == 413
    assert requests_counted(strict_server, path, 413) == before + 1


@pytest.mark.parametrize("kind", TAKEN)
def test_the_connection_survives_and_refusals_are_counted(server: SpanlakeServer, tenant: str, kind: str) -> None:
    port, path, type_, body, name = TAKEN[kind]
    before = requests_counted(server, path, 400)
    tries = [(b"\xff", "identity"), (body[:-1], "identity"), (body, "gzip"), (gzip.compress(body)[:-1], "gzip")]
    connection = http.client.HTTPConnection("127.0.0.1", port + server.offset, timeout=60)
    statuses = []
    for content, coding in (*tries, (body, "identity")):
        headers = {"X-Scope-OrgID": tenant, "Content-Type": type_, "Content-Encoding": coding}
        connection.request("POST", path, body=content, headers=headers)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses == [400, 400, 400, 400, 202]
    assert requests_counted(server, path, 400) == before + 4
    assert stored_names(server.data, tenant) == [name]


@pytest.mark.parametrize(("arguments", "rate"), [((), 1.0), (("--jaeger-sampling", "0.25"), 0.25)])
def test_sampling(start_server: StartServer, arguments: tuple[str, ...], rate: float) -> None:
    answer = ask(5778 + start_server(*arguments).offset, "GET", "/sampling?service=shop")
    assert answer.json == {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": rate}}


@pytest.mark.parametrize(
    ("path", "status", "strategy"),
    [
        ("/sampling?service=shop", 200, "PROBABILISTIC"),
        ("/api/sampling?service=shop", 200, "PROBABILISTIC"),
        ("/?service=shop", 200, 0),
        ("/?service=shop&service=other", 400, None),
        ("/", 404, None),
        ("/sampling", 400, None),
        ("/sampling?service=shop&service=other", 400, None),
        ("/baggageRestrictions?service=shop", 404, None),
    ],
)
def test_where_jaegers_clients_ask(server: SpanlakeServer, path: str, status: int, strategy: str | int | None) -> None:
    answer = ask(5778 + server.offset, "GET", path)
    assert answer.status == status
    if strategy is not None:
        assert answer.json == {"strategyType": strategy, "probabilisticSampling": {"samplingRate": 1.0}}
