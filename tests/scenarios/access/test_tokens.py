"""Tokens on a real server: every port, every role, and what one tenant may learn of another."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanlake.auth.access import Role
from spanlake.auth.tokens import line_of
from tests.conftest import StartServer
from tests.scenarios.access.kit import (
    ADMIN,
    BANK,
    BOTH,
    DELETER,
    LINES,
    READER,
    SENDERS,
    SHOP,
    TRACE,
    WRITER,
    basic,
    bearer,
    get,
    send_datagram,
    tenants_in,
    token_file,
)
from tests.server_process import SpanlakeServer, ask, free_offset, run_until_exit

PROTOCOLS = sorted(SENDERS)
UNKNOWN = {"401", "UNAUTHENTICATED"}
FORBIDDEN = {"403", "PERMISSION_DENIED"}
STORED = {"200", "202", "OK"}
QUERIES = [
    "/api/search?q=%7B%7D",
    "/api/search",
    f"/api/traces/{TRACE}",
    f"/api/v2/traces/{TRACE}",
    "/api/search/tags",
    "/api/v2/search/tags",
    "/api/search/tag/service.name/values",
    "/api/v2/search/tag/resource.service.name/values",
    "/api/metrics/query_range?q=%7B%7D%7Crate()",
    "/api/metrics/query?q=%7B%7D%7Crate()",
    "/api/services",
    "/api/services/operations?service=x",
    "/api/services/edges",
    "/api/attributes",
    f"/api/traces/{TRACE}/statistics",
    f"/api/traces/{TRACE}/critical-path",
    f"/api/traces/{TRACE}/diff/{TRACE}",
]
OPERATIONS = ["/status", "/status/endpoints", "/status/version", "/api/status/buildinfo", "/openapi.json", "/docs"]
FOR_ADMIN = ["/metrics", "/status/config"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server with tokens, and one span of each protocol of the bank."""
    directory = tmp_path_factory.mktemp("guarded")
    server = SpanlakeServer(directory / "data", ("--tokens", str(token_file(directory)), "--udp-tenant", "datagrams"))
    try:
        server.wait_until_ready()
        for send in SENDERS.values():
            assert send(server, bearer(BANK)) in STORED
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_senders_need_a_token_with_the_role_write(guarded: SpanlakeServer, protocol: str) -> None:
    send = SENDERS[protocol]
    assert send(guarded, {}) in UNKNOWN
    assert send(guarded, bearer(SHOP + "x")) in UNKNOWN
    assert send(guarded, {"Authorization": SHOP}) in UNKNOWN
    assert {send(guarded, bearer(token)) for token in (READER, DELETER, ADMIN)} <= FORBIDDEN
    assert send(guarded, bearer(WRITER)) in STORED
    assert send(guarded, basic(WRITER)) in STORED


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_senders_cannot_name_the_tenant_of_others(guarded: SpanlakeServer, protocol: str) -> None:
    send = SENDERS[protocol]
    assert send(guarded, bearer(SHOP, "bank")) in FORBIDDEN
    assert send(guarded, bearer(SHOP, "no-such-tenant")) in FORBIDDEN
    assert send(guarded, bearer(BOTH, "bank")) in STORED
    assert send(guarded, bearer(BOTH, "shop|bank")) in {"400", "INVALID_ARGUMENT"}
    assert "no-such-tenant" not in tenants_in(guarded.data)


def test_datagrams_belong_to_the_configured_tenant(guarded: SpanlakeServer) -> None:
    send_datagram(guarded)
    guarded.wait_for(lambda: "datagrams" in tenants_in(guarded.data))


@pytest.mark.parametrize("path", QUERIES)
def test_queries_need_a_token_with_the_role_read(guarded: SpanlakeServer, path: str) -> None:
    unknown = get(guarded, path, {})
    assert (unknown.status, "Basic" in unknown.headers["www-authenticate"]) == (401, True)
    assert get(guarded, path, bearer("wrong" + SHOP)).status == 401
    assert {get(guarded, path, bearer(token)).status for token in (WRITER, DELETER, ADMIN)} == {403}
    assert get(guarded, path, bearer(READER, "bank")).status == 403
    assert get(guarded, path, bearer(READER, "bank|shop")).status == 403
    assert {get(guarded, path, headers).status for headers in (bearer(BOTH, "shop|bank"), basic(BANK))} == {200}


@pytest.mark.parametrize("path", [*QUERIES, *OPERATIONS])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_answer_names_another_tenant(guarded: SpanlakeServer, path: str, method: str) -> None:
    answer = get(guarded, path, bearer(SHOP), method)
    assert answer.status in (200, 404)
    assert b"bank" not in answer.body
    assert "bank" not in str(answer.headers)


@pytest.mark.parametrize("path", FOR_ADMIN)
@pytest.mark.parametrize("spelled", ["{}", "{}%0A", "{}?x=1"])
def test_pages_of_the_whole_server_are_for_admin(guarded: SpanlakeServer, path: str, spelled: str) -> None:
    asked = spelled.format(path)
    assert {get(guarded, asked, bearer(token)).status for token in (SHOP, READER, WRITER, DELETER, BOTH)} == {403}
    assert get(guarded, path, bearer(ADMIN)).status == 200


def test_status_is_of_the_own_tenants(guarded: SpanlakeServer) -> None:
    def tenants(token: str) -> set[str]:
        found = get(guarded, "/status", bearer(token)).json
        assert isinstance(found, dict)
        assert bool(found["settings"]) == (token == ADMIN)
        return {day["tenant"] for day in found["store"]}

    assert SENDERS["otlp-http"](guarded, bearer(SHOP)) in STORED
    assert (tenants(SHOP), tenants(BANK)) == ({"shop"}, {"bank"})
    assert tenants(BOTH) == {"shop", "bank"}
    assert tenants(ADMIN) >= {"shop", "bank"}


def test_page_needs_no_token_and_tells_nothing(guarded: SpanlakeServer) -> None:
    page = get(guarded, "/", {})
    assert (page.status, b"shop" in page.body) == (200, False)
    (script,) = re.findall(r'src="(assets/[^"]+)"', page.body.decode())
    assert get(guarded, f"/{script}", {}).status == 200
    assert {get(guarded, path, {}).status for path in ("/assets/../api/search", "/assets/x/y", "/x")} == {404, 401}
    assert get(guarded, "/", {}, "POST").status == 401


@pytest.mark.parametrize(
    ("token", "tenants", "roles"),
    [
        (SHOP, ["shop"], ["read", "write"]),
        (BOTH, ["shop", "bank"], ["read", "write"]),
        (ADMIN, None, ["admin"]),
        (DELETER, ["shop"], ["delete"]),
    ],
)
def test_access_tells_the_tenants_and_roles_of_a_token(
    guarded: SpanlakeServer, token: str, tenants: list[str] | None, roles: list[str]
) -> None:
    assert get(guarded, "/api/access", bearer(token)).json == {"tenants": tenants, "roles": roles}
    assert get(guarded, "/api/access", {}).status == 401


def test_probes_need_no_token(guarded: SpanlakeServer) -> None:
    assert get(guarded, "/ready", {}).status == 200


def test_deletion_needs_its_role_and_tenant(guarded: SpanlakeServer) -> None:
    path = f"/api/traces/{TRACE}"
    assert SENDERS["otlp-http"](guarded, bearer(SHOP)) in STORED
    assert get(guarded, path, {}, "DELETE").status == 401
    assert {get(guarded, path, bearer(token), "DELETE").status for token in (SHOP, ADMIN, READER)} == {403}
    assert get(guarded, path, bearer(DELETER, "bank"), "DELETE").status == 403
    assert get(guarded, path, bearer(DELETER), "DELETE").status == 204
    assert [get(guarded, path, bearer(token)).status for token in (SHOP, BANK)] == [404, 200]


def test_tokens_are_in_no_log_and_no_answer(guarded: SpanlakeServer) -> None:
    get(guarded, "/api/search", bearer("a-token-that-nobody-knows"))
    config = get(guarded, "/status/config", bearer(ADMIN)).body.decode()
    text = guarded.log() + config
    assert not [token for token in (SHOP, BANK, ADMIN, "a-token-that-nobody-knows", LINES[0][:60]) if token in text]


def test_several_authorization_headers_are_refused(guarded: SpanlakeServer) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", 3200 + guarded.offset, timeout=60)
    connection.putrequest("GET", "/api/search")
    for token in (SHOP, BANK):
        connection.putheader("Authorization", f"Bearer {token}")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_answers_of_several_tenants_are_merged(start_server: StartServer) -> None:
    server = start_server()
    for tenant in ("a", "b", "c"):
        assert SENDERS["otlp-http"](server, {"X-Scope-OrgID": tenant}) in STORED
    assert SENDERS["zipkin"](server, {"X-Scope-OrgID": "b"}) in STORED
    found = get(server, "/api/search?q=%7B%7D&start=0&end=2000000000", {"X-Scope-OrgID": "a|b"}).json
    assert isinstance(found, dict)
    assert {trace["traceID"] for trace in found["traces"]} == {TRACE, "7a" * 16}
    assert get(server, "/api/traces/" + "7a" * 16, {"X-Scope-OrgID": "a|c"}).status == 404
    assert get(server, "/api/traces/" + "7a" * 16, {"X-Scope-OrgID": "c|b|a"}).status == 200
    assert get(server, f"/api/traces/{TRACE}", {"X-Scope-OrgID": "a|b"}, "DELETE").status == 400


def test_changes_of_the_file_count_within_seconds(start_server: StartServer, tmp_path: Path) -> None:
    file = token_file(tmp_path, LINES[:1])
    server = start_server("--tokens", str(file))
    assert get(server, "/api/echo", bearer(BANK)).status == 401
    token_file(tmp_path, LINES[1:2])
    server.wait_for(lambda: get(server, "/api/echo", bearer(BANK)).status == 200)
    assert get(server, "/api/echo", bearer(SHOP)).status == 401
    file.write_text("rubbish\n")  # the former tokens count
    server.wait_for(lambda: "file not reloaded" in server.log())
    assert get(server, "/api/echo", bearer(BANK)).status == 200
    file.write_text(f"rubbish\n{LINES[0]}\n")  # the line that is valid counts
    server.wait_for(lambda: get(server, "/api/echo", bearer(SHOP)).status == 200)


def test_without_udp_tenant_a_server_with_tokens_takes_no_datagrams(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--tokens", str(token_file(tmp_path)))
    send_datagram(server)
    time.sleep(0.5)
    assert tenants_in(server.data) == set()
    assert "udp://" not in server.log()


@pytest.mark.parametrize("command", ["serve", "edge"])
def test_other_machines_are_not_served_without_tokens(tmp_path: Path, command: str) -> None:
    arguments = ("--listen", "0.0.0.0", "--data", str(tmp_path / "data"), "--port-offset", str(free_offset()))
    finished = run_until_exit(*arguments, log=tmp_path / "log", command=command)
    assert finished.status == 1
    assert "--tokens" in finished.output
    assert "--allow-anonymous" in finished.output


@pytest.mark.parametrize("text", ["", "sha256:12 shop read", f"{LINES[0]} more words"])
def test_invalid_file_of_tokens_ends_the_start(tmp_path: Path, text: str) -> None:
    file = token_file(tmp_path, [text])
    if not text:
        file.unlink()
    arguments = ("--data", str(tmp_path / "data"), "--port-offset", str(free_offset()), "--tokens", str(file))
    finished = run_until_exit(*arguments, log=tmp_path / "log")
    assert finished.status == 1
    assert str(file) in finished.output


def test_ports_of_receivers_serve_their_own_paths_only(server: SpanlakeServer) -> None:
    paths = {4318: "/v1/traces", 14268: "/api/traces", 9411: "/api/v2/spans"}
    for port in (*paths, 5778):
        for method, path in [("GET", "/api/search"), ("DELETE", f"/api/traces/{TRACE}"), ("GET", "/metrics")]:
            assert ask(port + server.offset, method, path).status in (404, 405)
        for other, path in paths.items():
            if other != port:
                assert ask(port + server.offset, "POST", path, body=b"").status in (404, 405)


def test_line_of_any_tenant_is_for_every_tenant(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--tokens", str(token_file(tmp_path, [line_of(SHOP, ["*"], [Role.WRITE, Role.READ])])))
    assert SENDERS["otlp-grpc"](server, bearer(SHOP, "anybody")) in STORED
    assert get(server, f"/api/traces/{TRACE}", bearer(SHOP, "anybody")).status == 200
    assert get(server, f"/api/traces/{TRACE}", bearer(SHOP)).status == 404
