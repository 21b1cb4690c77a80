"""Jaeger's datagrams, against a real server: nothing that arrives is lost, and what is no span is counted."""

import json
import signal
import socket
from collections.abc import Callable

import pytest

from spanlake.receivers.thrift import I64
from spanlake.spans.otlp.validate import REASONS
from tests.conftest import StartServer
from tests.receivers import jaeger_spans
from tests.receivers.thrift_writer import Fields
from tests.server_process import SpanlakeServer

COMPACT, BINARY = 6831, 6832


def numbered(number: int) -> Fields:
    """A span of its own id."""
    return [(3, I64, number + 1) if field[0] == 3 else field for field in jaeger_spans.span({"n": number})]


def send(server: SpanlakeServer, port: int, *datagrams: bytes) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port + server.offset))


def counted(server: SpanlakeServer, protocol: str, code: str) -> float:
    return server.metric(f'spanlake_ingest_requests_total{{code="{code}",protocol="{protocol}"}}')


@pytest.mark.parametrize(
    ("port", "protocol", "write"),
    [(COMPACT, "jaeger-compact", jaeger_spans.compact_call), (BINARY, "jaeger-binary", jaeger_spans.binary_call)],
)
def test_udp_stores_a_whole_burst(start_server: StartServer, port: int, protocol: str, write: object) -> None:
    assert callable(write)
    server = start_server()
    datagrams = [write(jaeger_spans.batch(numbered(number))) for number in range(100)]
    send(server, port, *datagrams, b"", b"\x00", b"rubbish" * 1000)
    server.wait_for(lambda: counted(server, protocol, "stored") == 100)
    server.wait_for(lambda: counted(server, protocol, "malformed") == 3)
    answer = server.get(f"/api/traces/{jaeger_spans.TRACE_ID.hex()}")
    batches = answer.json["batches"]  # type: ignore[index]
    assert sum(len(scope["spans"]) for batch in batches for scope in batch["scopeSpans"]) == 100
    assert server.bytes_in_flight() == 0


@pytest.mark.parametrize(
    ("port", "protocol", "write"),
    [(COMPACT, "jaeger-compact", jaeger_spans.compact_call), (BINARY, "jaeger-binary", jaeger_spans.binary_call)],
)
def test_udp_drops_malformed_span_alone_and_logs_it(
    start_server: StartServer, port: int, protocol: str, write: Callable[[Fields], bytes]
) -> None:
    server = start_server()
    odd = [field for field in numbered(7) if field[0] != 7]
    send(
        server,
        port,
        write(jaeger_spans.batch(numbered(0), odd, numbered(1))),
        write(jaeger_spans.batch(odd)),
        b"rubbish" * 9,
    )
    server.wait_for(lambda: counted(server, protocol, "stored") == 1 and counted(server, protocol, "malformed") == 2)
    answer = server.get(f"/api/traces/{jaeger_spans.TRACE_ID.hex()}")
    batches = answer.json["batches"]  # type: ignore[index]
    assert sum(len(scope["spans"]) for batch in batches for scope in batch["scopeSpans"]) == 2
    lines = [json.loads(line) for line in server.log().splitlines() if '"reason"' in line]
    (dropped,) = (line for line in lines if line.get("port") == port + server.offset)
    assert dropped["event"] == "datagram dropped, malformed"
    rejected = [line["reason"] for line in lines if line["event"] == "spans rejected"]
    assert rejected == [REASONS["malformed"]]


def test_udp_counts_datagrams_dropped_by_the_kernel(start_server: StartServer) -> None:
    """A server that does not read has room for some; every one sent is either stored in the end or counted."""
    server = start_server("--udp-buffer-bytes", "1MiB")
    dropped = 'spanlake_udp_datagrams_dropped_total{protocol="jaeger-compact"}'
    assert server.metric(dropped) == 0
    server.send_signal(signal.SIGSTOP)
    send(server, COMPACT, *[b"\x00" * 60_000] * 400)
    server.send_signal(signal.SIGCONT)
    server.wait_for(lambda: counted(server, "jaeger-compact", "malformed") + server.metric(dropped) == 400)
    assert server.metric(dropped) > 0


def test_udp_stores_received_datagrams_before_shutdown(start_server: StartServer) -> None:
    server = start_server()
    send(server, COMPACT, *(jaeger_spans.compact_call(jaeger_spans.batch(numbered(number))) for number in range(50)))
    assert server.stop() == 0
    again = start_server(data=server.data)
    assert again.metric("spanlake_stored_spans") == 50
