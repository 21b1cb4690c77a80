"""An edge with tokens and TLS: every gRPC port asks for credentials, and so does the port for probes."""

import ssl
from collections.abc import Callable, Iterator
from http.client import HTTPSConnection
from pathlib import Path

import grpc
import pytest

from tests.edge_process import SpanlakeEdge
from tests.payloads import export_request
from tests.scenarios.access.certificates import Authority
from tests.scenarios.access.kit import ADMIN, EXPORT, READER, SENDERS, SHOP, WRITER, bearer, tenants_in, token_file
from tests.server_process import ask

GRPC = ("otlp-grpc", "jaeger-grpc", "opencensus")
StartEdge = Callable[..., SpanlakeEdge]


@pytest.fixture
def start_edge(tmp_path: Path) -> Iterator[StartEdge]:
    """Starts edges, ready by their log: the port for probes may want credentials or TLS."""
    running: list[SpanlakeEdge] = []

    def start(*arguments: str) -> SpanlakeEdge:
        ending = ("--drain-seconds", "20", "--unready-seconds", "0")
        edge = SpanlakeEdge(tmp_path / "data", (*ending, *arguments))
        running.append(edge)
        edge.wait_for(lambda: '"event": "ready"' in edge.log() or edge.status is not None)
        assert edge.status is None, edge.log()
        return edge

    yield start
    for edge in running:
        edge.stop()


def test_edge_asks_for_tokens(start_edge: StartEdge, tmp_path: Path) -> None:
    edge = start_edge("--tokens", str(token_file(tmp_path)))
    for protocol in GRPC:
        send = SENDERS[protocol]
        found = [send(edge, headers) for headers in ({}, bearer(READER), bearer(SHOP, "bank"), bearer(WRITER))]
        assert found == ["UNAUTHENTICATED", "PERMISSION_DENIED", "PERMISSION_DENIED", "OK"]
    assert tenants_in(edge.data) == {"shop"}
    port = 8080 + edge.offset
    assert ask(port, "GET", "/ready").status == 200
    statuses = [ask(port, "GET", "/metrics", headers=found).status for found in ({}, bearer(SHOP), bearer(ADMIN))]
    assert statuses == [401, 403, 200]


def test_edge_speaks_tls(start_edge: StartEdge, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("edge")
    edge = start_edge("--tls-cert", str(issued.cert), "--tls-key", str(issued.key))
    trusted = grpc.ssl_channel_credentials(authority.file.read_bytes())
    with grpc.secure_channel(f"localhost:{4317 + edge.offset}", trusted) as channel:
        call = channel.unary_unary(EXPORT, bytes, bytes)
        assert call(export_request("one").SerializeToString(), timeout=60) == b""
    tls = ssl.create_default_context(cafile=str(authority.file))
    connection = HTTPSConnection("127.0.0.1", 8080 + edge.offset, context=tls, timeout=60)
    connection.request("GET", "/ready")
    assert connection.getresponse().status == 200
    connection.close()
