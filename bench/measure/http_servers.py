"""Compares HTTP servers that speak HTTP/2 without TLS (h2c) with spanlake's own.

Each server runs an application that reads a body and answers nothing, so that the figures are the server's own
work: CPU time of its processes for each request, of HTTP/1.1 and, where it is spoken, h2c. The other servers are not
among spanlake's packages; they and the client's h2 have to be installed:

    python -m venv servers && servers/bin/pip install hypercorn granian h2 uvloop
    python -m bench.measure.http_servers --environment servers
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bench.measure.report import console

_PORT = 7995
_SIZES: Mapping[int, int] = {300: 9000, 500_000: 400}
"""Bytes of a request, and how many are sent."""
_ON_ONE_CONNECTION = 900  # requests; hypercorn ends a connection after 1000
_TICKS = os.sysconf("SC_CLK_TCK")
_APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/x-protobuf"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
"""
_OURS = f"""
import asyncio, socket, uvloop
from application import app
from spanlake.server.http import HttpServer
async def main():
    listener = socket.create_server(("127.0.0.1", {_PORT}))
    server = HttpServer(app, [listener], drain_seconds=1)
    await server.start()
    await asyncio.sleep(3600)
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


@dataclass(frozen=True)
class Server:
    """A way to serve the application."""

    name: str
    command: Sequence[str]
    speaks_h2c: bool


def main() -> None:
    """Measures every server and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, required=True, help="virtual environment of the other servers")
    programs = parser.parse_args().environment.resolve()
    table = Table("server", "start, ms", "memory, MB", "protocol", "bytes", "requests/s", "CPU us a request")
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as folder:
        Path(folder, "application.py").write_text(_APPLICATION)
        Path(folder, "ours.py").write_text(_OURS)
        for server in _servers(programs / "bin"):
            for row in _measured(server, folder, programs):
                table.add_row(server.name, *row)
    console().print(table)


def _servers(programs: Path) -> Sequence[Server]:
    where = f"127.0.0.1:{_PORT}"
    hypercorn = (str(programs / "hypercorn"), "--bind", where, "--worker-class", "uvloop", "application:app")
    granian = (str(programs / "granian"), "--interface", "asgi", "--host", "127.0.0.1", "--port", str(_PORT))
    return (
        Server("uvicorn, as in spanlake", (sys.executable, "ours.py"), speaks_h2c=False),
        Server("hypercorn", hypercorn, speaks_h2c=True),
        Server("granian", (*granian, "application:app"), speaks_h2c=True),
    )


def _measured(server: Server, folder: str, programs: Path) -> Iterator[tuple[str, ...]]:
    clients: dict[str, Callable[[int, int], None]] = {"HTTP/1.1": _http_1}
    if server.speaks_h2c:
        clients["h2c"] = lambda size, count: _h2c(programs, size, count)
    for protocol, client in clients.items():
        for size, count in _SIZES.items():
            with _running(server, folder) as (process, started):
                client(size, 20)
                before, begin = _cpu_seconds(process.pid), time.perf_counter()
                client(size, count)
                seconds, cpu = time.perf_counter() - begin, _cpu_seconds(process.pid) - before
                memory = sum(_resident(pid) for pid in _family(process.pid))
                figures = f"{1000 * started:.0f}", f"{memory / 1e6:.0f}", protocol, f"{size:,}"
                yield *figures, f"{count / seconds:,.0f}", f"{1e6 * cpu / count:,.0f}"


@contextmanager
def _running(server: Server, folder: str) -> Iterator[tuple["subprocess.Popen[bytes]", float]]:
    begin = time.perf_counter()
    process = subprocess.Popen(server.command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                _http_1(1, 1)
                break
            except OSError:
                time.sleep(0.005)
        yield process, time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait()


def _http_1(size: int, count: int) -> None:
    """Sends requests one after the other."""
    request = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size)
    for begun in range(0, count, _ON_ONE_CONNECTION):
        with socket.create_connection(("127.0.0.1", _PORT)) as client:
            for _ in range(min(count - begun, _ON_ONE_CONNECTION)):
                client.sendall(request)
                _read_answer(client)


def _read_answer(client: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = client.recv(65536)
        if not piece:
            raise ConnectionError(answer)
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200 "), answer


_H2C_CLIENT = f"""
import socket, sys
import h2.config, h2.connection, h2.events
size, count = map(int, sys.argv[1:])
head = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "x")]
client = socket.create_connection(("127.0.0.1", {_PORT}))
connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
connection.initiate_connection()
for _ in range(count):
    stream, rest, ended = connection.get_next_available_stream_id(), size, False
    connection.send_headers(stream, head)
    while not ended:
        while rest and (room := min(rest, connection.local_flow_control_window(stream), 16384)):
            connection.send_data(stream, bytes(room), end_stream=rest == room)
            rest -= room
        client.sendall(connection.data_to_send())
        for event in connection.receive_data(client.recv(65536)):
            ended |= isinstance(event, h2.events.StreamEnded)
"""


def _h2c(programs: Path, size: int, count: int) -> None:
    """Sends requests one after the other on one connection, from a process that has h2."""
    python = str(programs / "bin" / "python")
    for begun in range(0, count, _ON_ONE_CONNECTION):
        part = min(count - begun, _ON_ONE_CONNECTION)
        subprocess.run([python, "-c", _H2C_CLIENT, str(size), str(part)], check=True)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _cpu_seconds(pid: int) -> float:
    ticks = 0
    for each in _family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
