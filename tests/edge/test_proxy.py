"""Connections to a gRPC port that are no gRPC, or use what grpc's core does not know, and those that are."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.edge import http2
from tests.conftest import StartServer
from tests.payloads import export_request, stored_names
from tests.server_process import SpanlakeServer

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
HEADERS, SETTINGS, PING, DATA, RST_STREAM = 1, 4, 6, 0, 3


def literal(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def block(**fields: str) -> bytes:
    """A header block of literals, as a client writes its first."""
    named = {":method": "POST", ":scheme": "http", ":path": EXPORT, ":authority": "x", "te": "trailers"}
    named |= {"content-type": "application/grpc"} | {name.replace("_", "-"): value for name, value in fields.items()}
    return b"".join(b"\x40" + literal(name.encode()) + literal(value.encode()) for name, value in named.items())


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def call(stream: int, **fields: str) -> bytes:
    return frame(HEADERS, 4, stream, block(**fields)) + frame(DATA, 1, stream, bytes(5))


@pytest.fixture
def client(server: SpanlakeServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", 4317 + server.offset), timeout=60) as client:
        yield client


def read_until(client: socket.socket, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        piece = client.recv(65536)
        assert piece, received
        received += piece
    return received


@pytest.mark.parametrize("step", [1, 10_000])
def test_call_in_unknown_compression_is_unimplemented(client: socket.socket, step: int) -> None:
    sent = http2.PREFACE + frame(SETTINGS, 0, 0) + call(1, grpc_encoding="zstd") + call(3)
    for at in range(0, len(sent), step):
        client.sendall(sent[at : at + step])
    received = read_until(client, frame(RST_STREAM, 0, 3, bytes(4)))
    assert b"grpc-encoding 'zstd' is not supported: use gzip, deflate or none" in received
    assert b"\x0bgrpc-status\x0212" in received
    assert b"\x14grpc-accept-encoding\x17identity, deflate, gzip" in received
    client.sendall(frame(PING, 0, 0, b"12345678"))
    read_until(client, frame(PING, 1, 0, b"12345678"))


@pytest.mark.parametrize("fields", [{}, {"grpc_encoding": "gzip"}, {"grpc_encoding": "identity"}])
def test_call_in_known_compression_is_left_to_grpc(client: socket.socket, fields: dict[str, str]) -> None:
    client.sendall(http2.PREFACE + frame(SETTINGS, 0, 0) + call(1, **fields))
    assert b"grpc-encoding" not in read_until(client, b"grpc-status")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (literal(b"gzip"), None),
        (bytes.fromhex("839bd9ab"), None),  # gzip in Huffman's code
        (bytes.fromhex("83f684c9"), "'zstd'"),
        (bytes.fromhex("854543aebf5f"), "'snappy'"),
        (literal(b"br"), "'br'"),
        (b"", None),
    ],
)
@pytest.mark.parametrize("name", ["0d677270632d656e636f64696e67", "8a9acac8b16a21e435537f"])
def test_unknown_encoding_reads_text_and_huffman_codes(name: str, value: bytes, found: str | None) -> None:
    assert http2.unknown_encoding(block() + b"\x40" + bytes.fromhex(name) + value) == found


def test_unknown_encoding_ignores_accepted_encodings() -> None:
    assert http2.unknown_encoding(block(grpc_accept_encoding="zstd")) is None


@given(st.binary(max_size=100))
def test_first_headers_takes_any_bytes(data: bytes) -> None:
    end, found = http2.first_headers(data)
    assert 0 <= end <= len(data)
    http2.unknown_encoding(found or b"")


@pytest.mark.parametrize("sent", [b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"rubbish"])
def test_connection_without_http2_is_told_the_right_port(start_server: StartServer, sent: bytes) -> None:
    server = start_server()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", 4317 + server.offset), timeout=60) as client:
            client.sendall(sent)
            answer = read_until(client, b"this port speaks gRPC")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert f"OTLP over HTTP is sent to port {4318 + server.offset}".encode() in answer
        assert f"the Tempo API is on port {3200 + server.offset}".encode() in answer
    event = "connection refused, not gRPC"
    assert [line["port"] for line in server.events() if line["event"] == event] == [4317 + server.offset]


def test_connections_that_send_nothing_do_not_block_others(
    server: SpanlakeServer, client: socket.socket, tenant: str
) -> None:
    client.sendall(http2.PREFACE[:5])
    body = export_request(*(f"{number:05}" for number in range(2000)), filler=500).SerializeToString()
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        export = channel.unary_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)
        export(body, timeout=60, metadata=(("x-scope-orgid", tenant),))
    assert len(stored_names(server.data, tenant)) == 2000


def test_call_of_service_on_another_port_is_told_the_port(server: SpanlakeServer) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{14250 + server.offset}") as channel:
        export = channel.unary_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError) as refused:
            export(b"", timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert f"OTLP over gRPC is sent to port {4317 + server.offset}" in (refused.value.details() or "")


def test_call_whose_method_is_no_text_ends_its_connection_alone(server: SpanlakeServer, tenant: str) -> None:
    sent = http2.PREFACE + frame(SETTINGS, 0, 0) + call(1).replace(b"/Export", b"/\xff\xfeport")
    for port in (4317, 14250, 55678):
        with socket.create_connection(("127.0.0.1", port + server.offset), timeout=60) as client:
            client.sendall(sent)
            with suppress(ConnectionResetError):
                while client.recv(65536):
                    continue
    assert [event["level"] for event in server.events() if event["event"] == "call refused, head malformed"]
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        export = channel.unary_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)
        export(export_request("after").SerializeToString(), metadata=(("x-scope-orgid", tenant),), timeout=60)
    assert stored_names(server.data, tenant) == ["after"]
