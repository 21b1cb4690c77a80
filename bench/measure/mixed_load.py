"""Measures a server under a mixed load: all protocols at a given rate, queries beside, and tenants of which one floods.

``python -m bench.measure.mixed_load --seconds 60 --spans-per-second 5000 --tenants 20 --flood 8`` runs three phases of
so many seconds: the load, the load while a tenant sends and asks as fast as it can on ``--flood`` connections of each
kind (none unless told), and the load again. At the end the spans of each tenant are counted: none that was acknowledged
may be missing. Times count from the moment at which a request was due, so that a server that stalls does not hide it.
"""

import argparse
import json
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote

from rich.table import Table

from bench.measure.report import console
from bench.measure.server import Server, serving
from bench.workload.mixed import Answer, Protocol, ask, protocols

_QUERIES = {
    "search": "/api/search?limit=20&q=" + quote('{ span.http.status_code = 500 && name = "GET /0" }'),
    "rate": "/api/metrics/query_range?q=" + quote("{ } | rate() by (name)") + "&since=10m&step=10s",
    "names": "/api/v2/search/tags?limit=100",
}
_ASK_EVERY = 2.0  # seconds, for each query
_FLOODING = "flooding"
_MIB = 1 << 20


@dataclass
class Seen:
    """Outcomes of requests in one phase."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds by protocol or query, of the tenants that do not flood."""
    answers: Counter[str] = field(default_factory=Counter)
    refused_without_hint: Counter[str] = field(default_factory=Counter)
    flood: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    """Requests that were due, and that no connection was free for until the end."""
    memory: list[int] = field(default_factory=list)


@dataclass
class Load:
    """Senders and askers of a server."""

    server: Server
    every: Sequence[Protocol]
    spans: int
    tenants: Sequence[str]
    seen: Seen = field(default_factory=Seen)
    stored: Counter[str] = field(default_factory=Counter)
    """Acknowledged spans by tenant."""
    numbers: Iterator[int] = field(default_factory=lambda: count(time.time_ns()))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, tenant: str, name: str, answer: Answer, seconds: float) -> None:
        """Count an outcome."""
        with self.lock:
            if answer.is_stored:
                self.stored[tenant] += self.spans
            self.seen.times[name].append(seconds)
            self.seen.answers[answer.status] += 1
            if not answer.is_stored and not answer.has_hint:
                self.seen.refused_without_hint[f"{name} {answer.status}"] += 1

    def send(self, protocol: Protocol, every: float, first: float, end: float) -> None:
        """Send a request every so many seconds, to one tenant after the other."""
        connection = protocol.connect(self.server.offset)
        due = first
        for number in count():
            if due >= end or time.monotonic() >= end:
                with self.lock:
                    self.seen.unsent += max(round((end - due) / every), 0)
                return
            time.sleep(max(due - time.monotonic(), 0))
            tenant = self.tenants[number % len(self.tenants)]
            answer = connection(protocol.body(next(self.numbers)), tenant)
            self.note(tenant, protocol.name, answer, time.monotonic() - due)
            due += every

    def ask(self, name: str, end: float) -> None:
        """Ask a query again and again, of one tenant after the other."""
        for number in count():
            due = time.monotonic()
            if due >= end:
                return
            tenant = self.tenants[number % len(self.tenants)]
            status, _ = ask(self.server.tempo, _QUERIES[name], {"X-Scope-OrgID": tenant})
            self.note(tenant, name, Answer(str(status), has_hint=status == 200), time.monotonic() - due)
            time.sleep(max(due + _ASK_EVERY - time.monotonic(), 0))

    def watch(self, end: float) -> None:
        """Note the memory that the server has."""
        while time.monotonic() < end:
            self.seen.memory.append(_resident(self.server.pid))
            time.sleep(0.5)

    def phase(self, seconds: float, spans_per_second: float, connections: int) -> Seen:
        """Run for so long, with so many connections of each kind that flood; returns what was seen."""
        self.seen = Seen()
        begin = time.monotonic()
        end = begin + seconds
        senders = max(2, round(spans_per_second / self.spans / 10))  # a sender has 10 requests a second at most
        every = senders * len(self.every) * self.spans / spans_per_second
        work: list[Callable[[], None]] = [lambda: self.watch(end)]
        for number, protocol in enumerate(self.every):
            for sender in range(senders):
                first = begin + every * (sender * len(self.every) + number) / (senders * len(self.every))
                work.append(lambda protocol=protocol, first=first: self.send(protocol, every, first, end))  # type: ignore[misc]
        work += [lambda name=name: self.ask(name, end) for name in _QUERIES]  # type: ignore[misc]
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as another:
            flooding = (
                another.submit(flood, self.server.offset, self.spans, connections, seconds) if connections else None
            )
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if flooding:
                self.seen.flood, stored = flooding.result()
                self.stored[_FLOODING] += stored
        return self.seen


def flood(offset: int, spans: int, connections: int, seconds: float) -> tuple[Counter[str], int]:
    """Send and ask as fast as answers come, on so many connections of each kind; returns answers and stored spans.

    It runs in a process of its own, so that it takes no time from those whose times are measured.
    """
    answers: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    lock, end, every = threading.Lock(), time.monotonic() + seconds, protocols(spans)
    numbers = count(time.time_ns())

    def send(protocol: Protocol) -> None:
        connection = protocol.connect(offset)
        while time.monotonic() < end:
            with lock:
                number = next(numbers)
            answer = connection(protocol.body(number), _FLOODING)
            with lock:
                answers[answer.status] += 1
                stored[_FLOODING] += spans if answer.is_stored else 0

    def query() -> None:
        while time.monotonic() < end:
            status, _ = ask(3200 + offset, _QUERIES["rate"], {"X-Scope-OrgID": _FLOODING})
            with lock:
                answers[f"query {status}"] += 1

    threads = [threading.Thread(target=send, args=(every[n % len(every)],)) for n in range(connections)]
    threads += [threading.Thread(target=query) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, stored.total()


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


def found_spans(server: Server, tenant: str) -> int:
    """Count the spans of a tenant."""
    path = "/api/metrics/query?q=" + quote("{ } | count_over_time()") + "&since=2h"
    status, body = ask(server.tempo, path, {"X-Scope-OrgID": tenant})
    if status != 200:
        raise RuntimeError(f"the spans of {tenant} cannot be counted: {status} {body[:300]!r}")
    return sum(int(series["value"]) for series in json.loads(body).get("series", []))


def _share(times: Sequence[float], share: float) -> str:
    ordered = sorted(times)
    return f"{ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000:.0f}" if ordered else "-"


def _shown(name: str, seen: Seen) -> Table:
    table = Table("request", "count", "p50 ms", "p99 ms", title=name)
    for each, times in sorted(seen.times.items()):
        table.add_row(each, str(len(times)), _share(times, 0.5), _share(times, 0.99))
    return table


def _told(seen: Seen) -> Iterator[str]:
    yield f"answers: {dict(seen.answers)}; refused without a hint: {dict(seen.refused_without_hint)}"
    yield f"due and not sent: {seen.unsent}"
    if seen.flood:
        yield f"the flooding tenant's answers: {dict(seen.flood)}"
    yield f"memory: {min(seen.memory) // _MIB} to {max(seen.memory) // _MIB} MiB, {seen.memory[-1] // _MIB} at the end"


def main() -> None:
    """Run the measurement; exit status 1 when acknowledged spans are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the three phases")
    parser.add_argument("--spans-per-second", type=float, default=5000.0)
    parser.add_argument("--spans", type=int, default=100, help="of a request")
    parser.add_argument("--tenants", type=int, default=1, help="that send and ask at the rate, all together")
    parser.add_argument(
        "--flood", type=int, default=0, help="connections of one more tenant that sends, and as many that ask"
    )
    parser.add_argument("--limits", help="limits of the flooding tenant, such as 'ingest-rate = \"1MB\"'")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder) / "limits.toml"
        limits.write_text(f"[tenants.{_FLOODING}]\n{args.limits or ''}\n")
        with serving(Path(folder) / "data", "--limits", str(limits)) as server:
            missing = run(server, args)
    raise SystemExit(1 if missing else 0)


def run(server: Server, args: argparse.Namespace) -> dict[str, int]:
    """Run the phases and print what was seen; returns the missing spans by tenant."""
    tenants = [f"tenant-{number}" for number in range(args.tenants)]
    load, out = Load(server, protocols(args.spans), args.spans, tenants), console()
    load.phase(5.0, args.spans_per_second / 5, 0)  # what is loaded with the first requests is not part of the figures
    for name, connections in (("load", 0), ("load and flood", args.flood), ("load again", 0)):
        before, began = server.usage().cpu_seconds, time.monotonic()
        seen = load.phase(args.seconds, args.spans_per_second, connections)
        used = (server.usage().cpu_seconds - before) / (time.monotonic() - began)
        out.print(_shown(f"{name}, {used:.2f} processors", seen))
        for line in _told(seen):
            out.print(line)
    missing = {
        tenant: lost for tenant, wanted in load.stored.items() if (lost := wanted - found_spans(server, tenant)) > 0
    }
    out.print(f"{load.stored.total():,} spans acknowledged; missing: {missing or 'none'}")
    return missing


if __name__ == "__main__":
    main()
