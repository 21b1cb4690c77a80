"""Limits of tenants on a real server: rate, size of requests, queries; each hurts its own tenant only."""

import json
import re
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.payloads import export_request
from tests.scenarios.access.kit import ADMIN, SENDERS, SHOP, TRACE, bearer, get, send_datagram, token_file
from tests.server_process import Answer, SpanlakeServer, free_offset, run_until_exit

LIMITS = """
[defaults]
ingest-rate = "100MB"

[tenants.slow]
ingest-rate = 10
ingest-burst = "1kB"

[tenants.small]
request-spans = 3

[tenants.asks-little]
query-range = "1h"
query-bytes = 10
query-series = 1

[tenants.young]
retention = "1h"

[tenants.tiny]
trace-bytes = 1

[tenants.billed]
attribute-bytes = 20
attribute-columns = 1
usage-attributes = {"service.name" = "service"}
"""
HOUR_NS = 3600 * 10**9


def limits_file(directory: Path, text: str = LIMITS) -> Path:
    path = directory / "limits.toml"
    path.write_text(text)
    return path


def send(server: SpanlakeServer, tenant: str, *names: str, **about: int) -> Answer:
    body = export_request(*names, **about).SerializeToString()
    return server.post_traces(body, headers={"X-Scope-OrgID": tenant})


@pytest.fixture
def limited(start_server: StartServer, tmp_path: Path) -> SpanlakeServer:
    """A server with these limits."""
    return start_server("--limits", str(limits_file(tmp_path)))


def test_rate_refuses_its_tenant_alone_with_a_retry_hint(limited: SpanlakeServer) -> None:
    answers = [send(limited, "slow", f"{number}", filler=400) for number in range(4)]
    assert [answers[0].status, answers[-1].status] == [200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    small = [SENDERS["otlp-grpc"](limited, {"X-Scope-OrgID": "slow"}) for _ in range(8)]  # the first may still fit
    assert small[-1] == "RESOURCE_EXHAUSTED"
    assert {send(limited, "fast", f"{number}", filler=400).status for number in range(4)} == {200}
    assert limited.metric('spanlake_tenant_bytes_refused_total{reason="rate_limited",tenant="slow"}') > 400
    assert limited.metric('spanlake_tenant_spans_accepted_total{tenant="fast"}') == 4


def test_bytes_of_what_cannot_be_read_are_counted_by_tenant(limited: SpanlakeServer) -> None:
    for number in range(2):
        assert limited.post_traces(b"\xff" * (100 + number), headers={"X-Scope-OrgID": "fast"}).status == 400
    assert limited.metric('spanlake_tenant_bytes_refused_total{reason="malformed",tenant="fast"}') == 201


def test_request_larger_than_the_burst_is_taken_when_the_bucket_is_full(limited: SpanlakeServer) -> None:
    assert send(limited, "slow", "large", filler=5000).status == 200
    assert send(limited, "slow", "next").status == 429


def test_rate_holds_for_every_protocol(start_server: StartServer, tmp_path: Path) -> None:
    text = "[tenants.single-tenant]\ningest-rate = 1\ningest-burst = 1\n"
    server = start_server("--limits", str(limits_file(tmp_path, text)))
    assert send(server, "", "first").status == 200
    found = {protocol: sender(server, {}) for protocol, sender in SENDERS.items()}
    assert set(found.values()) == {"429", "RESOURCE_EXHAUSTED"}
    send_datagram(server)
    refused = 'spanlake_ingest_requests_total{code="rate_limited",protocol="jaeger-compact"}'
    server.wait_for(lambda: server.metric(refused) == 1)


def test_request_with_too_many_spans_is_refused_whole(limited: SpanlakeServer) -> None:
    answer = send(limited, "small", "a", "b", "c", "d")
    assert answer.status == 200
    assert b"fewer spans at a time" in answer.body
    assert send(limited, "small", "a", "b", "c").body == b""
    assert send(limited, "large", "a", "b", "c", "d").body == b""
    assert limited.metric('spanlake_tenant_spans_refused_total{reason="request_spans",tenant="small"}') == 4


def test_size_of_traces_holds_for_every_protocol(limited: SpanlakeServer) -> None:
    found = {protocol: sender(limited, {"X-Scope-OrgID": "tiny"}) for protocol, sender in SENDERS.items()}
    assert found == {
        "otlp-http": "200",  # with what was refused in the answer
        "zipkin": "400",
        "jaeger-http": "400",
        "otlp-grpc": "OK",
        "jaeger-grpc": "INVALID_ARGUMENT",
        "opencensus": "OK",  # its answers have no place for it
    }
    assert b"the trace is larger" in send(limited, "tiny", "a").body
    refused = limited.metric('spanlake_tenant_spans_refused_total{reason="trace_too_large",tenant="tiny"}')
    assert refused == len(SENDERS)  # the two of OTLP send the same bytes, which count once
    assert limited.metric('spanlake_tenant_spans_accepted_total{tenant="tiny"}') == 0


def test_usage_columns_and_texts_of_a_tenant(limited: SpanlakeServer) -> None:
    assert send(limited, "billed", "a", "b", filler=30).status == 200
    assert send(limited, "other", "a", filler=30).status == 200
    found = get(limited, f"/api/traces/{TRACE}", {"X-Scope-OrgID": "billed"}).body  # which waits for the blocks
    assert b'"' + b"f" * 20 + b'"' in found
    usage = get(limited, "/usage_metrics", {}).body.decode()
    (line,) = [each for each in usage.splitlines() if not each.startswith("#")]
    series, _, value = line.rpartition(" ")
    assert set(re.findall(r'(\w+)="([^"]+)"', series)) == {
        ("service", "tests"),
        ("tenant", "billed"),
        ("tracker", "cost-attribution"),
    }
    assert series.startswith("tempo_usage_tracker_bytes_received_total{")
    assert 150 < float(value) < 400
    assert limited.metric('spanlake_ingest_attributes_truncated_total{tenant="billed"}') == 2
    answer = get(limited, "/api/search?q=%7Bspan.filler%21%3Dnil%7D", {"X-Scope-OrgID": "billed"})
    assert json.loads(answer.body)["traces"]


def test_retention_of_a_tenant_refuses_older_spans(limited: SpanlakeServer) -> None:
    old = time.time_ns() - 2 * HOUR_NS
    assert b"retention" in send(limited, "young", "old", start_ns=old).body
    assert send(limited, "other", "old", start_ns=old).body == b""


def test_retention_of_a_tenant_removes_its_days_alone(start_server: StartServer, tmp_path: Path) -> None:
    first = start_server()
    for tenant in ("brief", "other"):
        assert send(first, tenant, "old", start_ns=time.time_ns() - 72 * HOUR_NS).status == 200
    first.stop()
    file = limits_file(tmp_path, '[tenants.brief]\nretention = "1d"\n')
    second = start_server("--limits", str(file), "--retention", "30d", data=first.data)
    second.wait_for(lambda: second.metric('spanlake_deleted_blocks_total{reason="age"}') == 1)
    found = [get(second, f"/api/traces/{TRACE}", {"X-Scope-OrgID": tenant}).status for tenant in ("brief", "other")]
    assert found == [404, 200]


def test_queries_are_limited_in_range_and_bytes(limited: SpanlakeServer) -> None:
    for tenant in ("asks-little", "asks-much"):
        assert send(limited, tenant, "a").status == 200
    now = int(time.time())
    long, short = f"start={now - 7200}&end={now + 60}", f"start={now - 600}&end={now + 60}"

    def status(tenant: str, path: str) -> int:
        return get(limited, path, {"X-Scope-OrgID": tenant}).status

    services = ("/api/services?", "/api/services/edges?", "/api/services/operations?service=x&", "/api/attributes?")
    for path in ("/api/search?q={}&", "/api/metrics/query_range?q={}|rate()&", "/api/v2/search/tags?", *services):
        assert status("asks-little", path.replace("{}", "%7B%7D").replace("|", "%7C") + long) == 400
        assert status("asks-much", path.replace("{}", "%7B%7D").replace("|", "%7C") + long) == 200
    assert status("asks-little", f"/api/search?q=%7B%7D&{short}") == 422
    assert {status("asks-little", path + short) for path in services} == {422}
    assert status("asks-much|asks-little", f"/api/search?q=%7B%7D&{short}") == 422
    assert status("asks-much", f"/api/search?q=%7B%7D&{short}") == 200


def test_overrides_are_shown_to_their_tenant(start_server: StartServer, tmp_path: Path) -> None:
    text = '[defaults]\ningest-rate = "1MB"\n[tenants.bank]\nretention = "7d"\n'
    file = limits_file(tmp_path, text)
    server = start_server("--limits", str(file), "--tokens", str(token_file(tmp_path)))

    def shown(token: str) -> object:
        return get(server, "/status/overrides", bearer(token)).json

    shop = {"defaults": {"ingest-rate": 1_000_000}, "tenants": {"shop": {"ingest-rate": 1_000_000}}}
    bank = {"ingest-rate": 1_000_000, "retention": 604_800}
    assert shown(SHOP) == shop
    assert shown(ADMIN) == {"defaults": shop["defaults"], "tenants": {"bank": bank}}
    file.write_text("[tenants.shop]\nrequest-spans = 5\n")
    server.wait_for(lambda: "file reloaded" in server.log())
    assert shown(SHOP) == {"defaults": {}, "tenants": {"shop": {"request-spans": 5}}}
    file.write_text("[tenants.shop]\nno-such-limit = 1\n")
    server.wait_for(lambda: "file not reloaded" in server.log())
    assert shown(SHOP) == {"defaults": {}, "tenants": {"shop": {"request-spans": 5}}}


def test_operators_pages_do_not_wait_for_queries(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--limits", str(limits_file(tmp_path, "[defaults]\nquery-concurrency = 1\n")))
    assert send(server, "a", *map(str, range(50))).status == 200
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(get(server, f"/api/traces/{TRACE}", {"X-Scope-OrgID": "a"}).status)

    asking = [threading.Thread(target=ask) for _ in range(20)]
    for thread in asking:
        thread.start()
    assert get(server, "/ready", {}).status == 200
    for thread in asking:
        thread.join()
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[tenants.a]\nrate = 1", "'rate' is not a limit of tenants.a"),
        ("[tenants.a]\ningest-rate = 'fast'", "tenants.a, ingest-rate: 'fast' is not a size"),
        ("[[", "not TOML"),
        ("tenants = 1", "tenants is not a table"),
        (json.dumps({"a": 1}), "not TOML"),
    ],
)
def test_invalid_limits_end_the_start(tmp_path: Path, text: str, wrong: str) -> None:
    file = limits_file(tmp_path, text)
    arguments = ("--data", str(tmp_path / "data"), "--port-offset", str(free_offset()), "--limits", str(file))
    finished = run_until_exit(*arguments, log=tmp_path / "log")
    assert finished.status == 1
    assert wrong in finished.output
