"""Measures the datagrams that an edge takes in a second, and where the others are lost.

Jaeger's clients send them and get no answer, so each datagram is accounted for: the kernel drops it when its buffer
is full, which it counts itself, or the edge reads it and stores it. The remainder would be lost inside the edge.
"""

import argparse
import random
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tests.receivers import jaeger_spans

from bench.measure.report import console
from bench.measure.server import Server, serving
from spanlake.receivers.thrift import I64

_PORT = 6831
_SPANS = 5
"""Spans in a datagram."""
_SENDERS = 16
"""Sockets to send from."""
_TICK = 0.005
_SETTLE_SECONDS = 120.0


@dataclass(frozen=True)
class Flow:
    """Counts of the datagrams sent at one rate."""

    sent: int
    seconds: float
    stored: int
    dropped: int
    """By the kernel."""

    @property
    def lost(self) -> int:
        """Number of datagrams neither stored nor dropped by the kernel."""
        return self.sent - self.stored - self.dropped


def datagrams(number: int, chance: random.Random) -> list[bytes]:
    """So many, no two of them the same."""
    return [
        jaeger_spans.compact_call(jaeger_spans.batch(*(_span(chance) for _ in range(_SPANS)))) for _ in range(number)
    ]


def _span(chance: random.Random) -> list[tuple[int, int, object]]:
    fields = jaeger_spans.span({"http.method": "GET", "http.status_code": 200, "component": "net/http"})
    return [(3, I64, chance.getrandbits(62)) if field[0] == 3 else field for field in fields]


def flow(edge: Server, waiting: list[bytes], rate: int) -> Flow:
    """Send all of them at this many a second, and see what becomes of them."""
    stored, dropped = _stored(edge), _dropped(edge)
    seconds = _send(("127.0.0.1", _PORT + edge.offset), waiting, rate)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        found = Flow(len(waiting), seconds, int(_stored(edge) - stored), _dropped(edge) - dropped)
        if not found.lost:
            break
        time.sleep(0.1)
    return found


def _send(where: tuple[str, int], waiting: list[bytes], rate: int) -> float:
    senders = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(_SENDERS)]
    begin, sent = time.perf_counter(), 0
    while sent < len(waiting):
        due = min(len(waiting), int((time.perf_counter() - begin) * rate) + 1)
        for number in range(sent, due):
            senders[number % _SENDERS].sendto(waiting[number], where)
        sent = due
        time.sleep(_TICK)
    for sender in senders:
        sender.close()
    return time.perf_counter() - begin


def _stored(edge: Server) -> float:
    return edge.metric('spanlake_ingest_requests_total{code="stored",protocol="jaeger-compact"}')


def _dropped(edge: Server) -> int:
    """Returns the kernel's count of drops for all sockets on the port: the last column of proc_net_udp."""
    port = f":{_PORT + edge.offset:04X}"
    rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    return sum(int(row[-1]) for row in rows if row[1].endswith(port))


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[1000, 2500, 5000, 10000], help="datagrams a second")
    parser.add_argument("--seconds", type=float, default=2, help="for each rate (%(default)s)")
    options = parser.parse_args()
    screen = console()
    table = Table(title=f"spanlake edge, Jaeger's datagrams of {_SPANS} spans")
    for column in (
        "wanted/s",
        "sent/s",
        "spans/s",
        "sent",
        "stored",
        "dropped by the kernel",
        "lost inside",
        "CPU µs each",
    ):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name, screen.status("measuring"):
        chance = random.Random(1)
        with serving(Path(name) / "edge", "--unready-seconds", "0", command="edge") as edge:
            for rate in options.rates:
                before = edge.usage().cpu_seconds
                found = flow(edge, datagrams(int(rate * options.seconds), chance), rate)
                used = edge.usage().cpu_seconds - before
                speed = found.sent / found.seconds
                figures = (rate, speed, speed * _SPANS, found.sent, found.stored, found.dropped, found.lost)
                table.add_row(*(f"{figure:,.0f}" for figure in figures), f"{1e6 * used / max(found.stored, 1):,.0f}")
    screen.print(table)


if __name__ == "__main__":
    main()
