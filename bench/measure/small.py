"""Measures the cost of small requests over HTTP and gRPC: requests a second, and CPU time for each."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.table import Table

from bench.measure.report import console
from bench.measure.server import Server, serving
from bench.workload.generate import Workload, arguments, bodies
from bench.workload.load import Sent, grpc_connection, send

_CONNECTIONS = 20
_REQUESTS = 20_000
_HEAD = (
    "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n"
)
_DONE = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True)
class Result:
    """Measured cost of requests with so many spans."""

    name: str
    spans: int
    sent: Sent
    cpu_seconds: float
    peak_memory: int

    def row(self) -> Iterator[str]:
        """The cells of the table."""
        yield self.name
        yield f"{self.spans}"
        yield f"{self.sent.requests:,}"
        yield f"{self.sent.requests / self.sent.seconds:,.0f}"
        yield f"{1000 * self.cpu_seconds / self.sent.requests:.3f}"
        yield f"{self.sent.requests * self.spans / self.cpu_seconds:,.0f}"
        yield f"{self.peak_memory / 1e6:,.0f} MB"


def send_http(file: Path, port: int, connections: int) -> Sent:
    """Sends the bodies in a file from a process of its own, each connection one after the other."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_send, file, port, connections).result()


def _send(file: Path, port: int, connections: int) -> Sent:
    import uvloop

    waiting = [_HEAD.format(len(body)).encode() + body for body in bodies(file)]
    requests, size = len(waiting), sum(map(len, waiting))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return Sent(requests, size, runner.run(_drain(waiting, port, connections)))


async def _drain(waiting: list[bytes], port: int, connections: int) -> float:
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(waiting), "127.0.0.1", port)
        clients.append(client)
    begin = time.perf_counter()
    for client in clients:
        client.next()
    await asyncio.gather(*(client.ended for client in clients))
    return time.perf_counter() - begin


class _Client(asyncio.Protocol):
    """A connection that sends a request when the one before is answered."""

    def __init__(self, waiting: list[bytes]) -> None:
        self._waiting = waiting
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def next(self) -> None:
        """Sends the next request, if there is one."""
        if self._waiting:
            self._transport.write(self._waiting.pop())  # type: ignore[attr-defined]
        else:
            self.ended.set_result(None)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if not data.startswith(_DONE):
            self.ended.set_exception(RuntimeError(f"the server refused a request: {data[:500]!r}"))
            return
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed the connection"))


def measure(name: str, spans: int, workload: Workload) -> Result:
    """Sends the workload to a new server."""
    file = workload.file()
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as folder, serving(Path(folder, "data")) as server:
        before = server.usage()
        sent = _sent(name, file, server)
        time.sleep(1.5)  # what is done after the answers counts
        after = server.usage()
    return Result(name, spans, sent, after.cpu_seconds - before.cpu_seconds, after.peak_memory)


def _sent(name: str, file: Path, server: Server) -> Sent:
    if name == "gRPC":
        return send(file, grpc_connection, server.otlp_grpc, _CONNECTIONS)
    return send_http(file, server.otlp_http, _CONNECTIONS)


def main() -> None:
    """Measures every case and prints the table."""
    parser = arguments(__doc__)
    parser.add_argument("--requests", type=int, default=_REQUESTS, help="requests of each case (%(default)s)")
    parser.add_argument("--per-request", type=int, nargs="+", default=[1, 20, 100], help="spans (%(default)s)")
    parser.add_argument("--protocols", nargs="+", default=["HTTP", "gRPC"])
    options = parser.parse_args()
    screen = console()
    table = Table(title=f"Small requests, {_CONNECTIONS} connections")
    columns = ("protocol", "spans", "requests", "requests/s", "CPU ms/request", "spans/CPU-s", "peak memory")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for name in options.protocols:
        for spans in options.per_request:
            workload = Workload(options.requests * spans, spans, options.seed, options.end)
            with screen.status(f"sending: {name}"):
                table.add_row(*measure(name, spans, workload).row())
    screen.print(table)


if __name__ == "__main__":
    main()
