"""A load on a server: all protocols at a given rate, queries beside, and a tenant that floods."""

import os
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

from bench.measure.server import Server
from bench.workload.mixed import Answer, Protocol, ask, protocols

QUERIES = {
    "search": "/api/search?limit=20&q=" + quote('{ span.http.status_code = 500 && name = "GET /0" }'),
    "rate": "/api/metrics/query_range?q=" + quote("{ } | rate() by (name)") + "&since=10m&step=10s",
    "names": "/api/v2/search/tags?limit=100",
}
STORED = frozenset(("200", "202", "OK"))
"""Statuses of requests that were not refused."""
MEMORY_SECONDS = 0.5
"""The time between two looks at the server's memory."""
FLOODING = "flooding"
"""The tenant that floods."""


@dataclass
class Seen:
    """Outcomes of requests in one phase."""

    begin: float
    """Monotonic seconds, as all moments are."""
    times: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """The moment of the answer and the seconds until then, by protocol or query, of the tenants that do not flood."""
    answers: Counter[str] = field(default_factory=Counter)
    refused_without_hint: Counter[str] = field(default_factory=Counter)
    flood: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    """Requests that were due, and that no connection was free for until the end."""
    memory: list[int] = field(default_factory=list)
    """Bytes of the server over time."""
    processors: float = 0.0
    """Those that the server has used."""
    share: float = 0.0
    """Of the machine, with the senders, that was used."""


@dataclass
class Load:
    """Senders and askers of a server."""

    server: Server
    every: Sequence[Protocol]
    spans: int
    tenants: Sequence[str]
    ask_every: float = 2.0
    """Seconds between the beginnings of a query's runs."""
    seen: Seen = field(default_factory=lambda: Seen(time.monotonic()))
    stored: Counter[str] = field(default_factory=Counter)
    """Acknowledged spans by tenant."""
    numbers: Iterator[int] = field(default_factory=lambda: count(time.time_ns()))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, tenant: str, name: str, answer: Answer, seconds: float) -> None:
        """Count an outcome."""
        with self.lock:
            if answer.is_stored:
                self.stored[tenant] += self.spans
            self.seen.times[name].append((time.monotonic(), seconds))
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
            status, _ = ask(self.server.tempo, QUERIES[name], {"X-Scope-OrgID": tenant})
            self.note(tenant, name, Answer(str(status), has_hint=status == 200), time.monotonic() - due)
            time.sleep(max(due + self.ask_every - time.monotonic(), 0))

    def watch(self, end: float) -> None:
        """Note the memory that the server has."""
        while time.monotonic() < end:
            self.seen.memory.append(_resident(self.server.pid))
            time.sleep(MEMORY_SECONDS)

    def phase(self, seconds: float, spans_per_second: float, connections: int = 0) -> Seen:
        """Run for so long, with so many connections of each kind that flood; returns what was seen."""
        self.seen, used, busy = Seen(begin := time.monotonic()), self.server.usage().cpu_seconds, busy_seconds()
        end = begin + seconds
        senders = max(2, round(spans_per_second / self.spans / 10))  # a sender has 10 requests a second at most
        every = senders * len(self.every) * self.spans / spans_per_second
        work: list[Callable[[], None]] = [lambda: self.watch(end)]
        for number, protocol in enumerate(self.every):
            for sender in range(senders):
                first = begin + every * (sender * len(self.every) + number) / (senders * len(self.every))
                work.append(lambda protocol=protocol, first=first: self.send(protocol, every, first, end))  # type: ignore[misc]
        work += [lambda name=name: self.ask(name, end) for name in QUERIES]  # type: ignore[misc]
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
                self.stored[FLOODING] += stored
        passed = time.monotonic() - begin
        self.seen.processors = (self.server.usage().cpu_seconds - used) / passed
        self.seen.share = (busy_seconds() - busy) / passed / (os.cpu_count() or 1)
        return self.seen


def flood(offset: int, spans: int, connections: int, seconds: float) -> tuple[Counter[str], int]:
    """Send and ask as fast as answers come, on so many connections of each kind; returns answers and stored spans.

    It runs in a process of its own with a low priority, so that it takes no time from those whose times are measured:
    the clients of a tenant that floods are on another machine.
    """
    os.nice(19)
    answers: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    lock, end, every = threading.Lock(), time.monotonic() + seconds, protocols(spans)
    numbers = count(time.time_ns())

    def send(protocol: Protocol) -> None:
        connection = protocol.connect(offset)
        while time.monotonic() < end:
            with lock:
                number = next(numbers)
            answer = connection(protocol.body(number), FLOODING)
            with lock:
                answers[answer.status] += 1
                stored[FLOODING] += spans if answer.is_stored else 0

    def query() -> None:
        while time.monotonic() < end:
            status, _ = ask(3200 + offset, QUERIES["rate"], {"X-Scope-OrgID": FLOODING})
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


def busy_seconds() -> float:
    """Return the processor time that all processes of the machine have used: fields of proc_stat(5)."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
