"""Every service that sends HTTP events to functions: its fields, its limits, and whose request it is."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, Response

from spanlake.aws import ingest, query
from spanlake.aws.http import ENVELOPE, http_handler
from spanlake.aws.http_events import Source, below, correlation_id, is_damaged, request_id, source_of
from spanlake.aws.settings import base_path
from spanlake.settings.units import InvalidSetting
from tests.aws.events import Context, balancer_event, body_of, http_event, rest_event, url_event
from tests.payloads import export_request

PROTOBUF = {"content-type": "application/x-protobuf"}
TRACE = (b"t" * 16).hex()
TENANT = {"lambda": {"tenant": "shop"}}
IAM = {"iam": {"userArn": "arn:aws:iam::123456789012:user/sender", "accountId": "123456789012"}}
EVENTS: Mapping[Source, Callable[..., dict[str, Any]]] = {
    Source.HTTP_API: http_event,
    Source.REST_API: rest_event,
    Source.LOAD_BALANCER: balancer_event,
    Source.FUNCTION_URL: url_event,
}
AUTHORIZED: Mapping[Source, Callable[..., dict[str, Any]]] = {
    Source.HTTP_API: lambda *given, **about: http_event(*given, authorizer=TENANT, **about),
    Source.REST_API: lambda *given, **about: rest_event(*given, authorizer=TENANT["lambda"], **about),
}


@pytest.mark.parametrize("source", EVENTS)
def test_source_is_found_by_the_event(source: Source) -> None:
    assert source_of(EVENTS[source]("GET", "/")) is source


@pytest.mark.parametrize("source", AUTHORIZED)
def test_spans_in_and_out(environment: Mapping[str, str], source: Source) -> None:
    event = AUTHORIZED[source]
    body = gzip.compress(export_request("one").SerializeToString())
    sent = ingest.handler()(
        event("POST", "/v1/traces", headers=PROTOBUF | {"Content-Encoding": "gzip"}, body=body), Context()
    )
    asked = query.handler()(event("GET", "/api/search", query={"q": '{ name = "one" && span:id != "" }'}), Context())
    assert sent["statusCode"] == 200
    assert (asked["statusCode"], len(json.loads(body_of(asked))["traces"])) == (200, 1)


@pytest.mark.parametrize("source", [Source.LOAD_BALANCER, Source.FUNCTION_URL])
def test_without_an_authorizer_nobody_is_let_in(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, source: Source
) -> None:
    monkeypatch.delenv("SPANLAKE_TRUST_TENANT_HEADER")
    body = export_request("one").SerializeToString()
    for headers in (PROTOBUF, PROTOBUF | {"x-scope-orgid": "shop"}):
        answer = ingest.handler()(EVENTS[source]("POST", "/v1/traces", headers=headers, body=body), Context())
        assert answer["statusCode"] == 403


@pytest.mark.parametrize("source", [Source.LOAD_BALANCER, Source.FUNCTION_URL])
def test_headers_count_where_they_are_trusted(
    environment: Mapping[str, str], source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLAKE_TRUST_TENANT_HEADER", "true")
    headers = PROTOBUF | {"x-scope-orgid": "shop"}
    body = export_request("one").SerializeToString()
    sent = ingest.handler()(EVENTS[source]("POST", "/v1/traces", headers=headers, body=body), Context())
    asked = query.handler()(EVENTS[source]("GET", f"/api/traces/{TRACE}", headers={"x-scope-orgid": "shop"}), Context())
    assert (sent["statusCode"], asked["statusCode"]) == (200, 200)


@pytest.mark.parametrize("source", [Source.FUNCTION_URL, Source.REST_API])
def test_whom_iam_lets_in_has_a_tenant_by_name(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, source: Source
) -> None:
    monkeypatch.setenv("SPANLAKE_TENANT_MAP", "sender=shop")
    querying, path = query.handler(), f"/api/traces/{TRACE}"
    for headers, status in (({}, 404), ({"x-scope-orgid": "shop"}, 404), ({"x-scope-orgid": "bank"}, 403)):
        event = EVENTS[source]("GET", path, headers=headers)
        event["requestContext"]["accountId"] = "123456789012"
        if source is Source.REST_API:
            event["requestContext"]["identity"] = IAM["iam"]
        else:
            event["requestContext"]["authorizer"] = IAM
        assert querying(event, Context())["statusCode"] == status


def seen(event: Mapping[str, Any], **settings: Any) -> list[str]:
    """Paths that the application sees."""
    paths: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await PlainTextResponse("")(scope, receive, send)

    http_handler(app, **settings)(dict(event), Context())
    return paths


@pytest.mark.parametrize("source", EVENTS)
def test_paths_are_below_the_prefix(source: Source) -> None:
    for path, found in (("/lake/v1/traces", "/v1/traces"), ("/lake", "/"), ("/lakes", "/lakes"), ("/ready", "/ready")):
        assert seen(EVENTS[source]("GET", path), base_path="/lake") == [found]


@pytest.mark.parametrize(
    ("domain", "stage", "path", "found"),
    [
        ("x.execute-api.us-east-1.amazonaws.com", "live", "/live/v1/traces", "/v1/traces"),
        ("x.execute-api.us-east-1.amazonaws.com", "$default", "/live/v1/traces", "/live/v1/traces"),
        ("traces.example", "api", "/api/traces/1", "/api/traces/1"),
    ],
)
def test_the_stage_is_no_part_of_the_path(domain: str, stage: str, path: str, found: str) -> None:
    event = http_event("GET", path)
    event["requestContext"] |= {"domainName": domain, "stage": stage}
    assert seen(event) == [found]


@pytest.mark.parametrize(
    ("path", "prefix", "found"),
    [("/a/b", "", "/a/b"), ("/a/b", "/a", "/b"), ("/ab", "/a", "/ab"), ("/a/a/b", "/a", "/a/b"), ("/a/", "/a", "/")],
)
def test_below(path: str, prefix: str, found: str) -> None:
    assert below(path, prefix) == found


@pytest.mark.parametrize(("text", "found"), [("", ""), ("/", ""), ("/lake/", "/lake"), ("/a/b", "/a/b")])
def test_base_path_is_a_setting(text: str, found: str) -> None:
    assert base_path({"SPANLAKE_BASE_PATH": text}) == found


@pytest.mark.parametrize("text", ["lake", "https://x/lake", "/a b", "//"])
def test_base_path_is_a_path(text: str) -> None:
    with pytest.raises(InvalidSetting, match="SPANLAKE_BASE_PATH"):
        base_path({"SPANLAKE_BASE_PATH": text})


@pytest.mark.parametrize(("source", "megabytes"), [(Source.LOAD_BALANCER, 1), (Source.HTTP_API, 6)])
def test_answers_fit_the_service(source: Source, megabytes: int) -> None:
    for size, status in ((megabytes * 2**20 - 2 * ENVELOPE, 200), (megabytes * 2**20, 422)):
        app = Response(b"a" * size, media_type="application/json")
        answer = http_handler(app)(EVENTS[source]("GET", "/"), Context())
        assert answer["statusCode"] == status
        assert len(json.dumps(answer)) <= megabytes * 2**20


def damaged(event: dict[str, Any], body: bytes) -> dict[str, Any]:
    """An event with its body handed on as text."""
    return event | {"body": body.decode(errors="replace"), "isBase64Encoded": False}


JSON = {"content-type": "application/json"}
SPANS = json.dumps([{"traceId": TRACE, "id": "1", "name": "\u00fc"}]).encode()


@pytest.mark.parametrize("source", EVENTS)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON | {"Content-Encoding": "gzip"}, gzip.compress(SPANS)),
        (JSON, gzip.compress(SPANS)),
        (JSON | {"content-encoding": "zstd"}, b"\x28\xb5\x2f\xfd" + SPANS),
        (JSON | {"content-encoding": "deflate"}, b"\x78\x9c" + SPANS),
        (PROTOBUF, b"\n\xff\xfe"),
    ],
)
def test_damaged_bodies_are_told_of(
    environment: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    source: Source,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    monkeypatch.setenv("SPANLAKE_TRUST_TENANT_HEADER", "true")
    event = damaged(EVENTS[source]("POST", "/api/v2/spans", headers=headers), body)
    answer = ingest.handler()(event, Context())
    assert answer["statusCode"] == 415
    assert b"application/x-protobuf" in body_of(answer)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, SPANS),
        (JSON, '"\ufffd"'.encode()),
        (JSON | {"content-encoding": "identity"}, '"\ufffd"'.encode()),
        (JSON, b""),
    ],
)
def test_text_is_not_damaged(headers: Mapping[str, str], body: bytes) -> None:
    assert not is_damaged(damaged(http_event("POST", "/", headers=headers), body))
    assert not is_damaged(http_event("POST", "/", headers=headers, body=gzip.compress(body)))


def test_ids_of_requests() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert [request_id(make("GET", "/")) for make in EVENTS.values()] == [
        "id",
        "rest-id",
        "Root=1-5759e988-bd862e3f",
        "id",
    ]
    for headers, found in (
        ({"traceparent": trace}, trace[3:35]),
        ({"Traceparent": trace, "X-Request-Id": "r" * 200}, "r" * 128),
        ({"x-amzn-trace-id": "Root=1-a-b"}, "Root=1-a-b"),
        ({"traceparent": "-"}, None),
        ({}, None),
    ):
        assert correlation_id(http_event("GET", "/", headers=headers)) == found
