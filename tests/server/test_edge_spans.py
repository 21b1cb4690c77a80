"""Spans through an edge: every protocol is stored and counted, beside a server on the same storage."""

import socket
from functools import partial

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from spanlake.store.tenant import DEFAULT_TENANT
from tests.conftest import StartServer
from tests.edge.test_span_streams import census, channel_to, export, post_spans
from tests.edge_process import SpanlakeEdge, lost, sending
from tests.payloads import stored_names
from tests.receivers import jaeger_spans
from tests.receivers.jaeger.test_protobuf import posted, span
from tests.receivers.opencensus.test_translate import NODE
from tests.server.conftest import StartEdge

RECEIVED = "spanlake_ingest_spans_received_total"


def test_edge_counts_requests_and_commits(start_edge: StartEdge) -> None:
    edge = start_edge()
    with sending(edge) as clients:
        edge.wait_for(lambda: len(clients.acknowledged) > 200)
    sent = len(clients.acknowledged)
    assert (clients.refused, clients.surprises) == (0, [])
    assert edge.metric('spanlake_ingest_requests_total{code="OK",protocol="grpc"}') == sent
    assert edge.metric(RECEIVED) == sent
    assert edge.metric("spanlake_commit_duration_seconds_count") == edge.metric("spanlake_blocks_written_total")
    assert edge.metric('spanlake_commit_duration_seconds_bucket{le="+Inf"}') > 0
    assert edge.bytes_in_flight() == 0


def test_edges_that_are_killed_lose_nothing_beside_a_server(start_edge: StartEdge, start_server: StartServer) -> None:
    """On embedded storage, with a server that answers and compacts at the same time."""
    server = start_server()
    acknowledged: list[str] = []
    for _ in range(2):
        edge = start_edge(data=server.data)
        with sending(edge) as clients:
            edge.wait_for(lambda: len(clients.acknowledged) > 50)
            edge.kill()
        assert clients.surprises == []
        acknowledged += clients.acknowledged
    assert server.stop() == 0
    assert '"level": "error"' not in server.log()
    assert lost(acknowledged, stored_names(server.data)) == set()


def test_edge_accepts_every_protocol(start_edge: StartEdge) -> None:
    edge = start_edge()
    for port in (4317, 14250, 55678):
        with channel_to(edge, port) as channel:
            assert HealthStub(channel).Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
    with channel_to(edge, 14250) as channel:
        post_spans(channel, posted(span()), DEFAULT_TENANT)
    with channel_to(edge, 55678) as channel:
        assert export(channel, [census("of a stream", node=NODE)], DEFAULT_TENANT) == []
    with sending(edge, 1) as clients:
        edge.wait_for(lambda: bool(clients.acknowledged))
    send(edge, 6831, jaeger_spans.compact_call(jaeger_spans.batch(jaeger_spans.span())))
    send(edge, 6832, jaeger_spans.binary_call(jaeger_spans.batch(jaeger_spans.span())), b"rubbish")
    for protocol, code in (
        ("jaeger-grpc", "OK"),
        ("opencensus", "OK"),
        ("grpc", "OK"),
        ("jaeger-compact", "stored"),
        ("jaeger-binary", "stored"),
        ("jaeger-binary", "malformed"),
    ):
        edge.wait_for(partial(is_counted, edge, protocol, code))
    assert {"get", "of a stream", "operation", "client-0-0"} <= set(stored_names(edge.data))


def send(edge: SpanlakeEdge, port: int, *datagrams: bytes) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port + edge.offset))


def is_counted(edge: SpanlakeEdge, protocol: str, code: str) -> bool:
    return edge.metric(f'spanlake_ingest_requests_total{{code="{code}",protocol="{protocol}"}}') > 0
