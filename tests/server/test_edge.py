"""The life of an edge: what it says, what it refuses, and how it ends."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.test_span_streams import EXPORT, census, channel_to
from tests.edge_process import SpanlakeEdge, lost, sending
from tests.payloads import stored_names
from tests.receivers.opencensus.test_translate import NODE
from tests.server.conftest import StartEdge
from tests.server_process import free_offset, patience, patiently, run_until_exit, spawn


def test_edge_logs_its_addresses(start_edge: StartEdge) -> None:
    edge = start_edge()
    listening = {(event["serves"], event["url"]) for event in edge.events() if event["event"] == "listening"}
    assert listening == {
        ("OTLP over gRPC", f"grpc://127.0.0.1:{4317 + edge.offset}"),
        ("Jaeger over gRPC", f"grpc://127.0.0.1:{14250 + edge.offset}"),
        ("OpenCensus over gRPC", f"grpc://127.0.0.1:{55678 + edge.offset}"),
        ("Jaeger, compact Thrift", f"udp://127.0.0.1:{6831 + edge.offset}"),
        ("Jaeger, binary Thrift", f"udp://127.0.0.1:{6832 + edge.offset}"),
        ("health and metrics", f"http://127.0.0.1:{8080 + edge.offset}"),
    }
    (ready,) = [event for event in edge.events() if event["event"] == "ready"]
    assert (ready["objects"], ready["index"]) == (str(edge.data), str(edge.data))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--workers", "2"), "an edge is one process: run more of them behind a load balancer"),
        (("--health-port", "0"), "greater than or equal to 1"),
        (("--query-timeout", "3"), "No such option"),
    ],
)
def test_edge_rejects_invalid_setting_as_usage_error(
    tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    finished = run_until_exit(*arguments, log=tmp_path / "log", command="edge")
    assert finished.status == 2
    assert complaint in finished.output


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("SPANLAKE_WORKERS", "4", "an edge is one process"),
        ("SPANLAKE_HEALTH_PORT", "x", "SPANLAKE_HEALTH_PORT"),
        ("SPANLAKE_UNREADY_SECONDS", "-1", "greater than or equal to 0"),
        ("SPANLAKE_RETENTION", "soon", "'soon' is not an age"),
    ],
)
def test_edge_reads_settings_from_environment(tmp_path: Path, variable: str, value: str, complaint: str) -> None:
    finished = run_until_exit(log=tmp_path / "log", environment={variable: value}, command="edge")
    assert finished.status == 2
    assert complaint in finished.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--port-offset", "70000"), "invalid port offset 70000: it must be from 0 to 51267"),
        (("--port-offset", "9000", "--health-port", "60000"), "60000 plus the port offset 9000 exceeds 65535"),
        (("--listen", "203.0.113.1"), "cannot listen on 203.0.113.1:"),
        (("--drain-seconds", "5", "--unready-seconds", "5"), "leave nothing of 5 seconds to drain"),
        (("--max-request-bytes", "1GiB"), "are too few for requests of 1073741824 bytes"),
    ],
)
def test_edge_exits_on_unusable_setting(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    finished = run_until_exit("--data", str(tmp_path / "data"), *arguments, log=tmp_path / "log", command="edge")
    assert finished.status == 1
    assert complaint in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize(
    ("port", "kind", "shared"),
    [
        (4317, socket.SOCK_STREAM, False),
        (55678, socket.SOCK_STREAM, True),
        (8080, socket.SOCK_STREAM, True),
        (6832, socket.SOCK_DGRAM, True),
    ],
)
def test_edge_exits_when_port_is_in_use(tmp_path: Path, port: int, kind: int, shared: bool) -> None:
    """Also when the one who uses it would share it."""
    offset = free_offset()
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        taken.bind(("127.0.0.1", port + offset))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        finished = run_until_exit(
            "--data", str(tmp_path), "--port-offset", str(offset), log=tmp_path / "log", command="edge"
        )
    assert finished.status == 1
    assert f"cannot listen on 127.0.0.1:{port + offset}" in finished.output
    assert "--port-offset" in finished.output


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_second_edge_does_not_share_ports(start_edge: StartEdge, tmp_path: Path, listen: str) -> None:
    first = start_edge()
    again = ("--listen", listen, "--port-offset", str(first.offset), "--health-port", "8081")
    second = run_until_exit("--data", str(first.data), *again, log=tmp_path / "log", command="edge")
    assert second.status == 1
    assert f"cannot listen on {listen}:{6831 + first.offset}" in second.output


def test_edge_exits_on_unusable_storage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    arguments = ("--data", str(tmp_path / "file"), "--port-offset", str(free_offset()))
    finished = run_until_exit(*arguments, log=tmp_path / "log", command="edge")
    assert finished.status == 1
    assert "spanlake: cannot use the directory" in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_idle_edge_exits_with_success(start_edge: StartEdge, name: str) -> None:
    edge = start_edge()
    edge.send_signal(signal.Signals[name])
    assert edge.exit_status() == 0
    assert edge.events()[-2:] == [
        {**edge.events()[-2], "event": "shutting down", "signal": name},
        {**edge.events()[-1], "event": "stopped"},
    ]


def test_edge_is_unready_before_it_stops(start_edge: StartEdge) -> None:
    edge = start_edge("--unready-seconds", "3")
    with sending(edge) as clients:
        edge.wait_for(lambda: len(clients.acknowledged) > 100)
        edge.ask_to_stop()
        edge.wait_for(lambda: edge.get("/ready").status == 503)
        assert edge.get("/ready").body == b"shutting down\n"
        answered = len(clients.acknowledged)
        edge.wait_for(lambda: len(clients.acknowledged) > answered + 20)
        assert clients.refused == 0, "requests are taken until the load balancer has heard of the end"
        assert edge.exit_status() == 0
    assert clients.surprises == []
    assert lost(clients.acknowledged, stored_names(edge.data)) == set()
    assert "drain time exceeded" not in edge.log()


def test_edge_exits_at_once_on_second_signal(start_edge: StartEdge) -> None:
    edge = start_edge("--unready-seconds", "19")
    edge.ask_to_stop()
    edge.wait_for(lambda: "shutting down" in edge.log())
    edge.send_signal(signal.SIGTERM)
    assert edge.exit_status() == 128 + signal.SIGTERM


def test_edge_cuts_off_streams_that_never_end(start_edge: StartEdge) -> None:
    edge, over = start_edge("--drain-seconds", "1"), threading.Event()

    def messages() -> Iterator[bytes]:
        yield census("of a stream", node=NODE)
        over.wait()

    with channel_to(edge, 55678) as channel:
        method = channel.stream_stream(EXPORT, request_serializer=bytes, response_deserializer=bytes)
        call = method(messages())  # kept, since it ends with the last reference to it
        edge.wait_for(lambda: edge.metric("spanlake_ingest_spans_received_total") == 1)
        edge.ask_to_stop()
        assert edge.exit_status() == 0
        over.set()
        call.cancel()  # type: ignore[no-untyped-call]  # grpc-stubs has no type for it
    assert stored_names(edge.data) == ["of a stream"]


UNFINISHED = """
import sys, time
from pathlib import Path
from spanlake.ingest.service import Commits
from spanlake.server.edge import run
from spanlake.settings.model import Config, EdgeConfig
from spanlake.telemetry.logs import set_up_logs

set_up_logs()
Commits.close = lambda commits: time.sleep(1000)
run(EdgeConfig(Config(Path(sys.argv[1]), port_offset=int(sys.argv[2]), drain_seconds=0.5), unready_seconds=0))
"""


def test_edge_ends_when_drain_time_is_over(tmp_path: Path) -> None:
    program = (sys.executable, "-c", UNFINISHED, str(tmp_path / "data"), str(free_offset()))
    process = spawn([], tmp_path / "log", program=program)
    try:
        assert any('"event": "ready"' in (tmp_path / "log").read_text() for _ in patiently())
        process.terminate()
        assert process.wait(patience()) == 1
    finally:
        process.kill()
    assert "process ended, drain time exceeded" in (tmp_path / "log").read_text()


def test_edge_probe_reports_readiness(start_edge: StartEdge) -> None:
    edge = start_edge()
    assert probe(edge) == 0
    edge.stop()
    assert probe(edge) == 1


def probe(edge: SpanlakeEdge) -> int:
    environment = {"SPANLAKE_LISTEN": "0.0.0.0", "SPANLAKE_PORT_OFFSET": str(edge.offset)}
    command = [sys.executable, "-m", "spanlake.server.probe"]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode
