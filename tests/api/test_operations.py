"""Tests the endpoints for operators and probes on a real server."""

import json
import re
from dataclasses import dataclass

from spanlake.api.operations import config_page
from tests.payloads import export_request
from tests.server_process import SpanlakeServer, ask


def test_ready(server: SpanlakeServer) -> None:
    answer = server.get("/ready")
    assert (answer.status, answer.body) == (200, b"ready\n")


def test_port_of_the_tempo_api_serves_operations(server: SpanlakeServer) -> None:
    assert ask(3200 + server.offset, "GET", "/ready").status == 200
    assert ask(3200 + server.offset, "GET", "/metrics").status == 200


def test_metrics_follow_what_is_received(server: SpanlakeServer, tenant: str) -> None:
    names = [
        "spanlake_ingest_spans_received_total",
        'spanlake_ingest_spans_rejected_total{reason="invalid_trace_id"}',
        'spanlake_ingest_requests_total{code="200",protocol="http-protobuf"}',
        'spanlake_ingest_requests_total{code="400",protocol="http-protobuf"}',
        "spanlake_ingest_requests_repeated_total",
        "spanlake_blocks_written_total",
        "spanlake_blocks",
        "spanlake_stored_spans",
    ]
    before = {name: server.metric(name) for name in names}
    request = export_request("one", "two", "three")
    request.resource_spans[0].scope_spans[1].spans[0].trace_id = b""
    body = request.SerializeToString()
    headers = {"X-Scope-OrgID": tenant}
    for sent in (body, body, b"\xff"):
        server.post_traces(sent, headers=headers)
    assert [server.metric(name) - before[name] for name in names] == [3, 1, 2, 1, 1, 1, 1, 2]


def test_metrics_are_told_as_prometheus_wants_them(server: SpanlakeServer) -> None:
    assert server.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


def test_status(server: SpanlakeServer, tenant: str) -> None:
    start_ns = 1_700_000_000_000_000_000  # 2023-11-14
    body = export_request("one", "two", start_ns=start_ns).SerializeToString()
    server.post_traces(body, headers={"X-Scope-OrgID": tenant})
    status = json.loads(server.get("/status").body)
    assert status["state"] == "ready"
    assert re.fullmatch(r"\d+\.\d+\.\d+", status["version"])
    assert status["uptimeSeconds"] >= 0
    assert status["settings"]["retentionBytes"] == "50000000000"
    (day,) = (day for day in status["store"] if day["tenant"] == tenant)
    assert day == {**day, "date": "2023-11-14", "blocks": 1, "spans": 2}
    assert day["bytes"] > 0
    assert day["levels"] == [{"level": 0, "blocks": 1, "spans": 2, "bytes": day["bytes"]}]


def test_build_info_has_the_keys_of_tempo(server: SpanlakeServer) -> None:
    """Grafana compares the version with those of Tempo to know what it may use."""
    info = json.loads(server.get("/api/status/buildinfo").body)
    assert set(info) == {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}
    assert re.fullmatch(r"3\.\d+\.\d+\+spanlake\.\d+\.\d+\.\d+", info["version"])


def test_version_page(server: SpanlakeServer) -> None:
    info = json.loads(server.get("/api/status/buildinfo").body)
    page = server.get("/status/version")
    assert page.headers["content-type"].startswith("text/plain")
    assert page.body.decode().startswith(f"tempo, version {info['version']} (branch: , revision: )\n")


def test_endpoints_page(server: SpanlakeServer) -> None:
    lines = dict(line.split(maxsplit=1) for line in server.get("/status/endpoints").body.decode().splitlines())
    assert lines["/api/traces/{trace_id}"] == "DELETE, GET, HEAD"
    assert lines["/api/v2/search/tag/{tag}/values"] == lines["/status/endpoints"] == "GET, HEAD"
    assert lines["/v1/traces"] == "POST"


def test_config_page(server: SpanlakeServer) -> None:
    page = server.get("/status/config").body.decode().splitlines()
    assert "port_offset: " + str(server.offset) in page
    assert 'listen: "127.0.0.1"' in page
    assert "retention: null" in page
    assert page[page.index("query:") + 1] == "  seconds: 30.0"
    refused = server.get("/status/config?mode=diff")
    assert (refused.status, b"mode is not supported" in refused.body) == (400, True)


@dataclass
class Settings:
    objects: str = "s3://user:word@bucket/x"
    api_token: str = "abc"
    access_key: str = ""
    origins: tuple[str, ...] = ("a", "http://u:p@h")


def test_config_page_shows_no_secret() -> None:
    assert config_page(Settings()).splitlines() == [
        'objects: "s3://<secret>@bucket/x"',
        'api_token: "<secret>"',
        'access_key: ""',
        'origins: ["a", "http://<secret>@h"]',
    ]


def test_an_unknown_path(server: SpanlakeServer) -> None:
    answer = server.get("/nothing/here")
    assert (answer.status, answer.body) == (404, b"Not Found\n")
