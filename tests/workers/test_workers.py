"""Workers share the ports, and one that dies takes nothing with it."""

import json
import socket
from functools import partial

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from spanlake.receivers.thrift import I64
from spanlake.store.tenant import DEFAULT_TENANT
from tests.conftest import StartServer
from tests.edge.test_span_streams import census, channel_to, export, post_spans
from tests.payloads import stored_names
from tests.receivers import jaeger_spans
from tests.receivers.jaeger.test_protobuf import posted, span
from tests.receivers.opencensus.test_translate import NODE
from tests.receivers.thrift_writer import Fields
from tests.workers.conftest import StartEdge
from tests.workers.edge import SpanlakeEdge, lost, sending

RECEIVED = "spanlake_ingest_spans_received_total"


def test_workers_all_take_requests_and_sum_their_metrics(start_edge: StartEdge) -> None:
    edge = start_edge()
    with sending(edge, 24) as clients:
        edge.wait_for(lambda: all(edge.connections(pid) > 0 for pid in edge.worker_pids()))
        edge.wait_for(lambda: len(clients.acknowledged) > 200)
    sent = len(clients.acknowledged)
    assert (clients.refused, clients.surprises) == (0, [])
    assert edge.metric('spanlake_ingest_requests_total{code="OK",protocol="grpc"}') == sent
    assert edge.metric(RECEIVED) == sent
    assert edge.metric("spanlake_commit_duration_seconds_count") == edge.metric("spanlake_blocks_written_total")
    assert edge.metric('spanlake_commit_duration_seconds_bucket{le="+Inf"}') > 0
    assert edge.bytes_in_flight() == 0
    edge.kill_worker(edge.worker_pids()[0])
    edge.wait_for(lambda: edge.metric("spanlake_edge_workers_replaced_total") == 1)
    assert edge.metric(RECEIVED) == sent, "what a dead worker has counted is still counted"


def test_killed_worker_loses_nothing_and_is_replaced(start_edge: StartEdge, start_server: StartServer) -> None:
    """On embedded storage, with a server that answers and compacts at the same time."""
    server = start_server()
    edge = start_edge(data=server.data)
    with sending(edge) as clients:
        edge.wait_for(lambda: all(edge.connections(pid) > 0 for pid in edge.worker_pids()))
        for _ in range(2):
            alive, dead = sorted(edge.worker_pids(), key=edge.connections)
            enough = len(clients.acknowledged) + 50
            edge.kill_worker(dead)
            edge.wait_for(partial(clients.have_heard_of, enough))
            assert alive in edge.worker_pids()
            edge.wait_for_workers(2)
            assert dead not in edge.worker_pids()
    assert clients.surprises == []
    assert edge.stop() == 0
    (first, second) = [event for event in edge.events() if event["event"] == "worker ended, replacement started"]
    assert first["status"] == second["status"] == -9
    stored = sum(day["spans"] for day in json.loads(server.get("/status").body)["store"])
    assert stored >= len(clients.acknowledged)
    assert server.stop() == 0
    assert '"level": "error"' not in server.log()
    assert lost(clients.acknowledged, stored_names(edge.data)) == set()


def test_workers_accept_every_protocol(start_edge: StartEdge) -> None:
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


def test_datagrams_wait_for_replacement_of_dead_worker(start_edge: StartEdge) -> None:
    edge = start_edge()
    edge.kill_worker(edge.worker_pids()[0])
    for number in range(40):  # each from a port of its own, which decides which worker it is for
        send(edge, 6831, jaeger_spans.compact_call(jaeger_spans.batch(numbered(number))))
    edge.wait_for(lambda: counted(edge, "jaeger-compact", "stored") == 40)
    edge.wait_for_workers(2)


def test_edge_is_unready_while_no_worker_takes_requests(start_edge: StartEdge) -> None:
    edge = start_edge(workers=1)
    edge.kill_worker(edge.worker_pids()[0])
    edge.wait_for(lambda: edge.get("/ready").status == 503)
    assert edge.get("/ready").body == b"no worker takes requests\n"
    edge.wait_until_ready()


def send(edge: SpanlakeEdge, port: int, *datagrams: bytes) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port + edge.offset))


def counted(edge: SpanlakeEdge, protocol: str, code: str) -> float:
    return edge.metric(f'spanlake_ingest_requests_total{{code="{code}",protocol="{protocol}"}}')


def is_counted(edge: SpanlakeEdge, protocol: str, code: str) -> bool:
    return counted(edge, protocol, code) > 0


def numbered(number: int) -> Fields:
    """A span of its own id."""
    return [(3, I64, number + 1) if field[0] == 3 else field for field in jaeger_spans.span({"n": number})]
