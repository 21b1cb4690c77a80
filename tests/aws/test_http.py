"""Spans in and questions answered, through the functions' handlers on real storage."""

import gzip
import json
import time
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
import pytest

from spanlake.aws import ingest, query
from spanlake.aws.environment import LambdaStore
from spanlake.aws.telemetry import Handler
from tests.aws.events import Context, body_of, http_event
from tests.payloads import export_request

PROTOBUF = {"content-type": "application/x-protobuf"}
TRACE = (b"t" * 16).hex()
SHOP = {"lambda": {"tenant": "shop"}}


@pytest.fixture
def ingesting(environment: Mapping[str, str]) -> Handler:
    return ingest.handler()


@pytest.fixture
def querying(environment: Mapping[str, str]) -> Handler:
    return query.handler()


def post(ingesting: Handler, *names: str, **event: Any) -> Mapping[str, Any]:
    body = export_request(*names).SerializeToString()
    sent = {"headers": PROTOBUF, "body": body} | event
    answer: Mapping[str, Any] = ingesting(http_event("POST", "/v1/traces", **sent), Context())
    return answer


def names(querying: Handler, **event: Any) -> list[str]:
    answer = querying(http_event("GET", f"/api/traces/{TRACE}", **event), Context())
    if answer["statusCode"] == 404:
        return []
    assert answer["statusCode"] == 200
    scopes = [scope for batch in json.loads(answer["body"])["batches"] for scope in batch["scopeSpans"]]
    return sorted(span["name"] for scope in scopes for span in scope["spans"])


def test_what_is_acknowledged_is_found(ingesting: Handler, querying: Handler) -> None:
    answer = post(ingesting, "one", "two")
    assert (answer["statusCode"], body_of(answer)) == (200, b"")
    assert names(querying) == ["one", "two"]


def test_a_request_is_one_object_and_is_stored_once(ingesting: Handler, store: LambdaStore) -> None:
    body = export_request("one").SerializeToString()
    for _ in range(2):
        post(ingesting, body=body)
    assert len(list(store.objects.list("spans/"))) == 1


def test_compressed_requests(ingesting: Handler, querying: Handler) -> None:
    body = gzip.compress(export_request("one").SerializeToString())
    assert post(ingesting, body=body, headers=PROTOBUF | {"content-encoding": "gzip"})["statusCode"] == 200
    assert names(querying) == ["one"]


def test_spans_of_zipkin(ingesting: Handler, querying: Handler) -> None:
    span = {"traceId": TRACE, "id": "1", "name": "one", "timestamp": time.time_ns() // 1000}
    body, headers = json.dumps([span]).encode(), {"content-type": "application/json"}
    answer = ingesting(http_event("POST", "/api/v2/spans", headers=headers, body=body), Context())
    assert answer["statusCode"] == 202
    assert names(querying) == ["one"]


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/api/v2/spans", {"content-type": "application/json"}, b"[]", 202),
        ("/api/v1/spans", {"content-type": "application/json"}, b"[]", 202),
        ("/api/traces", {"content-type": "text/plain"}, b"x", 415),
        ("/v1/traces", PROTOBUF, b"\xff", 400),
        ("/v1/traces", PROTOBUF | {"content-encoding": "br"}, b"x", 415),
        ("/elsewhere", PROTOBUF, b"x", 404),
    ],
)
def test_other_protocols_and_refusals(
    ingesting: Handler, path: str, headers: Mapping[str, str], body: bytes, status: int
) -> None:
    answer = ingesting(http_event("POST", path, headers=headers, body=body), Context())
    assert answer["statusCode"] == status


@pytest.mark.parametrize(
    ("path", "status", "advice"),
    [
        ("/", 404, b"OTLP is sent to /v1/traces"),
        ("/v1/traces/v1/traces", 404, b"OTLP is sent to /v1/traces"),
        ("/v1/logs", 404, b"OTEL_LOGS_EXPORTER=none"),
        ("/v1/metrics", 404, b"OTEL_METRICS_EXPORTER=none"),
    ],
)
def test_who_has_the_wrong_path_is_told_the_right_one(
    ingesting: Handler, path: str, status: int, advice: bytes
) -> None:
    answer = ingesting(http_event("POST", path, headers=PROTOBUF, body=b"x"), Context())
    assert answer["statusCode"] == status
    assert advice in body_of(answer)


@pytest.mark.parametrize("coding", ["snappy", "lz4", "zstd"])
def test_compressions_of_the_collector(
    ingesting: Handler, querying: Handler, coding: Literal["snappy", "lz4", "zstd"]
) -> None:
    body = pa.compress(export_request("one").SerializeToString(), coding, asbytes=True)
    assert post(ingesting, body=body, headers=PROTOBUF | {"content-encoding": coding})["statusCode"] == 200
    assert names(querying) == ["one"]


def test_an_empty_tenant_is_the_default_one(ingesting: Handler, querying: Handler) -> None:
    post(ingesting, "one", headers=PROTOBUF | {"x-scope-orgid": ""})
    assert names(querying) == ["one"]


def test_pages_may_send_if_their_origin_is_named(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLAKE_CORS_ORIGINS", "https://shop.example")
    ingesting = ingest.handler()
    for origin, allowed in (("https://shop.example", "https://shop.example"), ("https://other.example", None)):
        asked = {"origin": origin, "access-control-request-method": "POST"}
        preflight = ingesting(http_event("OPTIONS", "/v1/traces", headers=asked), Context())
        refused = post(ingesting, body=b"\xff", headers=PROTOBUF | {"origin": origin})
        forbidden = post(ingesting, headers={"origin": origin, "x-scope-orgid": "bank"}, authorizer=SHOP)
        assert (refused["statusCode"], forbidden["statusCode"]) == (400, 403)
        for answer in (preflight, refused, forbidden):
            assert answer["headers"].get("access-control-allow-origin") == allowed


def test_a_request_that_is_too_large_is_refused_with_advice(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLAKE_MAX_REQUEST_BYTES", "1kB")
    body = gzip.compress(export_request("one", filler=2000).SerializeToString())
    answer = post(ingest.handler(), body=body, headers=PROTOBUF | {"content-encoding": "gzip"})
    assert answer["statusCode"] == 413
    assert b"send fewer spans at a time" in body_of(answer)


def test_spans_belong_to_the_tenant_of_the_token(ingesting: Handler, querying: Handler) -> None:
    post(ingesting, "one", authorizer=SHOP)
    assert names(querying, authorizer=SHOP) == ["one"]
    assert names(querying) == []
    assert names(querying, headers={"x-scope-orgid": "shop"}) == ["one"]  # the header of a proxy is trusted


def test_the_header_of_another_tenant_is_forbidden(ingesting: Handler, querying: Handler) -> None:
    answer = post(ingesting, "one", authorizer=SHOP, headers=PROTOBUF | {"x-scope-orgid": "bank"})
    assert answer["statusCode"] == 403
    assert names(querying, authorizer=SHOP) == []


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("/api/echo", {}, 200),
        ("/ready", {}, 200),
        ("/status", {}, 200),
        ("/api/status/buildinfo", {}, 200),
        ("/api/search", {"q": "{}"}, 200),
        ("/api/search", {"q": "{"}, 400),
        ("/api/v2/search/tags", {}, 200),
        ("/api/v2/search/tag/span.a%2Fb/values", {}, 200),
        ("/api/metrics/query_range", {"q": "{} | rate()"}, 200),
        ("/api/metrics/query", {"q": "{} | rate()"}, 200),
        ("/metrics", {}, 404),
    ],
)
def test_questions(querying: Handler, path: str, parameters: Mapping[str, str], status: int) -> None:
    answer = querying(http_event("GET", path, query=parameters), Context())
    assert answer["statusCode"] == status


def test_a_deleted_trace_is_gone(ingesting: Handler, querying: Handler) -> None:
    post(ingesting, "one")
    deletion = http_event("DELETE", f"/api/traces/{TRACE}")
    assert [querying(deletion, Context())["statusCode"] for _ in range(2)] == [204, 404]
    assert names(querying) == []


def test_the_page_is_answered_without_an_authorizer(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPANLAKE_TRUST_TENANT_HEADER")
    answer = query.handler()(http_event("GET", "/"), Context())
    assert (answer["statusCode"], "assets/" in answer["body"]) == (200, True)
    assert query.handler()(http_event("GET", "/assets/../api/search"), Context())["statusCode"] == 404


@pytest.mark.parametrize(
    "path",
    ["/ready", "/api/echo", "/status", "/api/search", f"/api/traces/{TRACE}", "/api/access", "/api/services"],
)
def test_functions_answer_nobody_without_an_authorizer(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.delenv("SPANLAKE_TRUST_TENANT_HEADER")
    headers = {"x-scope-orgid": "shop"}
    assert query.handler()(http_event("GET", path, headers=headers), Context())["statusCode"] == 403
    assert post(ingest.handler(), "one", headers=PROTOBUF | headers)["statusCode"] == 403


def test_limits_of_the_index_count_in_functions(ingesting: Handler, querying: Handler, store: LambdaStore) -> None:
    store.index.set_property("limits", "[tenants.shop]\nrequest-spans = 1\nquery-range = '1h'\n")
    refused = post(ingesting, "one", "two", authorizer=SHOP)
    assert b"fewer spans at a time" in body_of(refused)
    assert body_of(post(ingesting, "one", "two")) == b""
    asked = {"q": "{}", "start": "0", "end": "7201"}
    for authorizer, status in ((SHOP, 400), (None, 200)):
        event = http_event("GET", "/api/search", query=asked, authorizer=authorizer)
        assert querying(event, Context())["statusCode"] == status
    shown = json.loads(querying(http_event("GET", "/status/overrides", authorizer=SHOP), Context())["body"])
    assert shown == {"defaults": {}, "tenants": {"shop": {"request-spans": 1, "query-range": 3600.0}}}


def test_rate_is_one_of_all_functions(ingesting: Handler, store: LambdaStore) -> None:
    store.index.set_property("limits", "[tenants.slow]\ningest-rate = 1\ningest-burst = 100\n")
    other = ingest.handler()
    slow, fast = ({"headers": PROTOBUF | {"x-scope-orgid": tenant}} for tenant in ("slow", "fast"))
    answers = [post(each, str(number), **slow) for number, each in enumerate((ingesting, other, ingesting))]
    assert [answer["statusCode"] for answer in answers] == [200, 429, 429]
    assert 1 <= int(answers[1]["headers"]["retry-after"]) <= 60
    assert {post(each, str(number), **fast)["statusCode"] for number, each in enumerate((ingesting, other))} == {200}


def test_limits_on_spans_and_usage_count_in_functions(
    ingesting: Handler, store: LambdaStore, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = '[defaults]\nattribute-bytes = 20\ntrace-bytes = 400\nusage-attributes = ["service.name"]\n'
    store.index.set_property("limits", limits)
    sent = [export_request(name, filler=filler).SerializeToString() for name, filler in (("a", 30), ("b", 400))]
    answers = [post(ingesting, body=body) for body in sent]
    assert [answer["statusCode"] for answer in answers] == [200, 200]
    assert body_of(answers[0]) == b""
    assert b"the trace is larger" in body_of(answers[1])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    (first, second) = [line for line in lines if "_aws" in line]
    assert first["attributes_truncated"] == 1
    assert [sorted(each) for each in first["usage"]] == [["bytes", "service_name"]]
    assert second["tenant_refused"] == {"trace_too_large": 1}
