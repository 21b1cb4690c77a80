"""The life of a server process: what it says, what it refuses, and how it ends."""

import json
import signal
import socket
import threading
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.payloads import export_request, stored_names
from tests.server_process import HalfSent, SpanlakeServer, free_offset, run_until_exit


def test_server_logs_its_addresses(start_server: StartServer) -> None:
    server = start_server()
    listening = {(event["serves"], event["url"]) for event in server.events() if event["event"] == "listening"}
    assert listening == {
        ("Tempo API", f"http://127.0.0.1:{3200 + server.offset}"),
        ("OTLP over HTTP", f"http://127.0.0.1:{4318 + server.offset}"),
        ("Jaeger over HTTP", f"http://127.0.0.1:{14268 + server.offset}"),
        ("Jaeger's sampling", f"http://127.0.0.1:{5778 + server.offset}"),
        ("Zipkin", f"http://127.0.0.1:{9411 + server.offset}"),
        ("Jaeger, compact Thrift", f"udp://127.0.0.1:{6831 + server.offset}"),
        ("Jaeger, binary Thrift", f"udp://127.0.0.1:{6832 + server.offset}"),
        ("OTLP over gRPC", f"grpc://127.0.0.1:{4317 + server.offset}"),
        ("Jaeger over gRPC", f"grpc://127.0.0.1:{14250 + server.offset}"),
        ("OpenCensus over gRPC", f"grpc://127.0.0.1:{55678 + server.offset}"),
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--retention", "14"), "'14' is not an age"),
        (("--retention", "-1d"), "'-1d' is not an age"),
        (("--retention-bytes", "50XB"), "'50XB' is not a size"),
        (("--max-request-bytes", "0"), "'0' allows nothing"),
        (("--linger-ms", "-1"), "greater than or equal to 0"),
        (("--port-offset", "x"), "--port-offset"),
        (("--jaeger-sampling", "1.5"), "less than or equal to 1"),
        (("--unknown", "x"), "No such option"),
    ],
)
def test_server_rejects_invalid_setting_as_usage_error(
    tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    finished = run_until_exit(*arguments, log=tmp_path / "log")
    assert finished.status == 2
    assert complaint in finished.output


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("SPANLAKE_RETENTION", "soon", "'soon' is not an age"),
        ("SPANLAKE_RETENTION_BYTES", "much", "'much' is not a size"),
        ("SPANLAKE_PORT_OFFSET", "x", "SPANLAKE_PORT_OFFSET"),
    ],
)
def test_server_reads_settings_from_environment(tmp_path: Path, variable: str, value: str, complaint: str) -> None:
    finished = run_until_exit(log=tmp_path / "log", environment={variable: value})
    assert finished.status == 2
    assert complaint in finished.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--port-offset", "70000"), "invalid port offset 70000: it must be from 0 to 51267"),
        (("--port-offset", "-1"), "invalid port offset -1: it must be from 0 to 51267"),
        (("--listen", "203.0.113.1"), "cannot listen on 203.0.113.1:"),
        (("--listen", "no such host"), "cannot listen on no such host:"),
        (("--max-request-bytes", "1GiB"), "are too few for requests of 1073741824 bytes"),
    ],
)
def test_server_exits_on_unusable_setting(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    finished = run_until_exit("--data", str(tmp_path / "data"), *arguments, log=tmp_path / "log")
    assert finished.status == 1
    assert complaint in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize("port", [3200, 4317])
def test_server_exits_when_port_is_in_use(tmp_path: Path, port: int) -> None:
    offset = free_offset()
    with socket.create_server(("127.0.0.1", port + offset)):
        finished = run_until_exit("--data", str(tmp_path), "--port-offset", str(offset), log=tmp_path / "log")
    assert finished.status == 1
    assert f"cannot listen on 127.0.0.1:{port + offset}" in finished.output
    assert "--port-offset" in finished.output


def test_server_exits_on_unusable_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    arguments = ("--data", str(tmp_path / "file"), "--port-offset", str(free_offset()))
    finished = run_until_exit(*arguments, log=tmp_path / "log")
    assert finished.status == 1
    assert "file" in finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_idle_server_exits_with_success(start_server: StartServer, name: str) -> None:
    server = start_server()
    server.send_signal(signal.Signals[name])
    assert server.exit_status() == 0
    assert server.events()[-2:] == [
        {**server.events()[-2], "event": "shutting down", "signal": name},
        {**server.events()[-1], "event": "stopped"},
    ]


def test_stopping_server_finishes_accepted_requests(start_server: StartServer) -> None:
    server = start_server()
    accepted = HalfSent(server, export_request("accepted").SerializeToString())
    server.wait_for(lambda: server.bytes_in_flight() > 0)
    server.ask_to_stop()
    server.wait_for(lambda: not _is_reached(server))
    assert accepted.finish().status == 200
    assert server.exit_status() == 0
    assert stored_names(server.data) == ["accepted"]


def _is_reached(server: SpanlakeServer) -> bool:
    try:
        server.get("/ready")
    except ConnectionError:
        return False
    return True


def test_acknowledged_spans_survive_a_kill_at_any_time(start_server: StartServer) -> None:
    server = start_server()
    acknowledged: list[str] = []
    senders = [threading.Thread(target=_send, args=(server, f"{number}", acknowledged)) for number in range(4)]
    for sender in senders:
        sender.start()
    server.wait_for(lambda: len(acknowledged) > 40)
    server.kill()
    for sender in senders:
        sender.join()
    again = start_server(data=server.data)
    assert set(acknowledged) <= set(stored_names(again.data))
    status = json.loads(again.get("/status").body)
    assert sum(day["spans"] for day in status["store"]) >= len(acknowledged)


def _send(server: SpanlakeServer, name: str, acknowledged: list[str]) -> None:
    """Send spans until the server is gone, keeping the names of those it has acknowledged."""
    for number in range(10_000):
        span = f"{name}-{number}"
        try:
            answer = server.post_traces(export_request(span).SerializeToString())
        except OSError:
            return
        assert answer.status == 200
        acknowledged.append(span)


def test_second_server_shares_data_directory(start_server: StartServer) -> None:
    one = start_server()
    other = start_server(data=one.data)
    assert one.post_traces(export_request("one").SerializeToString()).status == 200
    assert other.post_traces(export_request("other").SerializeToString()).status == 200
    assert stored_names(one.data) == ["one", "other"]


def test_server_closes_connection_with_endless_headers(server: SpanlakeServer) -> None:
    with socket.create_connection(("127.0.0.1", 3200 + server.offset)) as client:
        client.sendall(b"GET /ready HTTP/1.1\r\nX: ")
        with pytest.raises(ConnectionError):
            client.sendall(b"x" * (64 << 20))
    assert server.get("/ready").status == 200


def test_server_accepts_long_bodies(server: SpanlakeServer, tenant: str) -> None:
    body = export_request("large", filler=3 << 20).SerializeToString()
    for _ in range(2):
        assert server.post_traces(body, headers={"X-Scope-OrgID": tenant}).status == 200
