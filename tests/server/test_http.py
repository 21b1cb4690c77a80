"""The HTTP server on the wire: what real clients do that HTTP allows."""

import socket
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.conftest import StartServer
from tests.payloads import export_request, stored_names
from tests.server_process import SpanlakeServer, ask

H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAA\r\n"
WEBSOCKET = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def post(tenant: str, name: str, lines: str = "") -> bytes:
    body = export_request(name).SerializeToString()
    head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\n{lines}X-Scope-OrgID: {tenant}\r\n"
    head += f"Content-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def talk(port: int, *sent: bytes, close_after: bool = True) -> bytes:
    """Send pieces, close this side, and read to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        for piece in sent:
            client.sendall(piece)
        if close_after:
            client.shutdown(socket.SHUT_WR)
        received = b""
        while piece := client.recv(65536):
            received += piece
        return received


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_upgrade_offer_is_ignored_at_any_split_of_the_request(
    server: SpanlakeServer, tenant: str, offer: str, size: int
) -> None:
    request = post(tenant, "kept", offer)
    pieces = [request[at : at + size] for at in range(0, len(request), size)]
    assert talk(4318 + server.offset, *pieces).startswith(b"HTTP/1.1 200 ")
    assert stored_names(server.data, tenant) == ["kept"]


def test_upgrade_offers_are_ignored_on_keep_alive_connection(server: SpanlakeServer, tenant: str) -> None:
    requests = [post(tenant, "one", H2C), post(tenant, "two"), post(tenant, "three", WEBSOCKET)]
    assert talk(4318 + server.offset, b"".join(requests)).count(b"HTTP/1.1 200 ") == 3
    assert stored_names(server.data, tenant) == ["one", "three", "two"]


def test_preface_of_http2_is_distinguished_from_a_post_byte_by_byte(server: SpanlakeServer, tenant: str) -> None:
    assert b"this port speaks HTTP/1.1" in talk(4318 + server.offset, *bytewise(PREFACE[:16]))
    assert talk(4318 + server.offset, *bytewise(post(tenant, "kept"))).startswith(b"HTTP/1.1 200 ")


def test_upgrade_offer_without_a_body_is_ignored(server: SpanlakeServer) -> None:
    answer = talk(3200 + server.offset, f"GET /api/echo HTTP/1.1\r\nHost: x\r\n{H2C}\r\n".encode())
    assert answer.endswith(b"echo")


def test_connect_method_is_refused(server: SpanlakeServer) -> None:
    answer = talk(4318 + server.offset, b"CONNECT localhost:80 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(
    ("port", "request_of", "end"),
    [
        (4318, post, b"\r\n\r\n"),
        (3200, lambda *_: b"GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n", b"echo"),
    ],
    ids=["spans", "question"],
)
def test_client_that_closes_its_side_is_answered(
    server: SpanlakeServer, tenant: str, port: int, request_of: Callable[[str, str], bytes], end: bytes
) -> None:
    answer = talk(port + server.offset, request_of(tenant, "half"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(end)


def test_client_that_closes_its_side_within_a_request_is_disconnected(server: SpanlakeServer, tenant: str) -> None:
    assert talk(4318 + server.offset, post(tenant, "cut")[:-5]) == b""
    server.wait_for(lambda: server.bytes_in_flight() == 0)
    assert stored_names(server.data, tenant) == []


@pytest.mark.parametrize(
    ("first", "event", "answer"),
    [
        (PREFACE, "connection refused, gRPC sent to an HTTP port", b"OTLP over gRPC is sent to port %d"),
        (b"\x16\x03\x01\x02\x00\x01", "connection refused, TLS sent to a port without", b""),
        (b"\x00\x01\x02", "request refused, not HTTP/1.1", b"HTTP/1.1 400 "),
    ],
    ids=["HTTP/2", "TLS", "neither"],
)
def test_other_protocols_are_logged_once_a_minute(
    start_server: StartServer, first: bytes, event: str, answer: bytes
) -> None:
    server = start_server()
    expected = answer % (4317 + server.offset) if b"%d" in answer else answer
    for _ in range(5):
        assert expected in talk(9411 + server.offset, first)
    found = [line for line in server.events() if line["event"] == event]
    assert [line["port"] for line in found] == [9411 + server.offset]


def test_pipelined_requests_are_answered_in_order(server: SpanlakeServer, tenant: str) -> None:
    requests = [post(tenant, f"name-{number}") for number in range(40)]
    assert talk(4318 + server.offset, b"".join(requests)).count(b"HTTP/1.1 200 ") == 40
    assert len(stored_names(server.data, tenant)) == 40


def test_connection_with_too_many_waiting_requests_is_closed(server: SpanlakeServer) -> None:
    with socket.create_connection(("127.0.0.1", 3200 + server.offset), timeout=60) as client:
        client.sendall(b"GET /api/search?q={} HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        received = b""
        with suppress(ConnectionError):
            while piece := client.recv(65536):
                received += piece
    assert received.count(b"HTTP/1.1 200 ") < 200


def test_request_with_too_many_headers_is_refused(server: SpanlakeServer) -> None:
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(300))
    request = b"GET /ready HTTP/1.1\r\nHost: x\r\n%b\r\n"
    assert talk(3200 + server.offset, request % lines).startswith(b"HTTP/1.1 400 ")
    assert talk(3200 + server.offset, request % lines[: lines.index(b"X-250:")]).startswith(b"HTTP/1.1 200 ")


CHUNKED = (
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    b"%bTransfer-Encoding: chunked\r\n\r\n"
)


def test_trailers_name_no_tenant(server: SpanlakeServer, tenant: str) -> None:
    body = export_request("trailed").SerializeToString()
    named = b"X-Scope-OrgID: %b\r\n" % tenant.encode()
    sent = CHUNKED % named + b"%x\r\n%b\r\n0\r\nX-Scope-OrgID: another\r\n\r\n" % (len(body), body)
    assert talk(4318 + server.offset, sent).startswith(b"HTTP/1.1 200 ")
    assert stored_names(server.data, tenant) == ["trailed"]


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"0\r\n", b"A: b\r\n" * 10_000),
        (b"0\r\nA: ", b"b" * 60_000),
        (b"2;", b"a" * 60_000),
        (b"", b"1\r\n \r\n" * 10_000),
    ],
    ids=["trailers", "trailer", "extension", "chunks"],
)
def test_request_of_more_framing_than_body_is_refused(server: SpanlakeServer, begin: bytes, more: bytes) -> None:
    def send() -> None:
        with socket.create_connection(("127.0.0.1", 4318 + server.offset), timeout=60) as client:
            client.sendall(CHUNKED % b"" + begin)
            for _ in range(1000):  # 60 MB, of which the kernel's buffers hold a few
                client.sendall(more)

    with pytest.raises(ConnectionError):
        send()


POST = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: 2, 2\r\n\r\n{}",
        b"Content-Length: +2\r\n\r\n{}",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}\r\n",
        b"Content-Length : 2\r\n\r\n{}",
        b"A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
        b"A: b\0c\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_ambiguous_request_is_refused_and_ends_the_connection(server: SpanlakeServer, head: bytes) -> None:
    answer = talk(4318 + server.offset, POST + head + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("port", [4318, 9411, 14268, 5778])
@pytest.mark.parametrize("path", ["/", "/api/search", "/api/v2/traces/1"])
def test_query_at_another_port_is_told_the_port_of_queries(server: SpanlakeServer, port: int, path: str) -> None:
    answer = ask(port + server.offset, "GET", path)
    assert answer.status == 404
    assert f"the Tempo API is on port {3200 + server.offset}".encode() in answer.body
