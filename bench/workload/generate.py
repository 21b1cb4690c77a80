"""Makes the traces that the benchmarks store: OTLP request bodies in a file, the same for the same arguments.

The file holds one body after another, each behind its length as a little-endian uint32.
"""

import argparse
import math
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.any_values import key_values

from bench.workload import wire
from bench.workload.operations import Operation
from bench.workload.shop import ZONES, Shop, open_shop

CACHE = Path("build/bench")
SPANS = 1_300_000
LARGE = 4_600
"""Spans in a request whose body has about 1.4 MB."""
SMALL = 100
WINDOW = timedelta(hours=1)
"""Time from the start of the first trace to the end."""

_LENGTH = struct.Struct("<I")
_LAST_START = timedelta(minutes=1)
"""Time from the start of the last trace to the end, so that no trace runs past it."""
_NETWORK = 120_000
"""Mean nanoseconds between the start of a span and of the first that it calls."""
_FAILURE_SPREADS = 0.4
"""The chance that a span fails when one that it called did."""
_TRACES_OF_A_ZONE = 64
"""Traces in a row that the same replicas handle: a small request comes from few resources."""


def today() -> datetime:
    """The last midnight: traces of the hour before it lie in one day, and today's runs find them in the cache."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Workload:
    """Which traces, and how they are cut into requests."""

    spans: int = SPANS
    per_request: int = LARGE
    seed: int = 1
    end: datetime = field(default_factory=today)

    def file(self) -> Path:
        """The file with the request bodies, made unless it is there."""
        name = f"{self.spans}-by-{self.per_request}-seed-{self.seed}-until-"
        path = CACHE / f"{name}{self.end:%Y%m%dT%H%M%S}.otlp"
        if not path.exists():
            for outdated in CACHE.glob(f"{name}*"):
                outdated.unlink()
            self._write(path)
        return path

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            for body in requests(self):
                file.write(_LENGTH.pack(len(body)))
                file.write(body)
        partial.replace(path)


def bodies(path: Path) -> Iterator[bytes]:
    """The request bodies in a file."""
    with path.open("rb") as file:
        while prefix := file.read(_LENGTH.size):
            yield file.read(_LENGTH.unpack(prefix)[0])


def requests(workload: Workload) -> Iterator[bytes]:
    """The request bodies, each with the same number of spans, the last perhaps with fewer."""
    random = Random(workload.seed)
    shop = open_shop(random)
    batch = _Batch(shop)
    for service, zone, scope, span in _spans(workload, shop, random):
        batch.add(service, zone, scope, span)
        if batch.spans == workload.per_request:
            yield batch.body()
            batch = _Batch(shop)
    if batch.spans:
        yield batch.body()


class _Batch:
    """Spans on their way into one request, gathered by resource and scope as a collector does."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._resources: dict[tuple[str, str], dict[str, list[bytes]]] = defaultdict(lambda: defaultdict(list))
        self.spans = 0

    def add(self, service: str, zone: str, scope: str, span: bytes) -> None:
        self._resources[service, zone][scope].append(span)
        self.spans += 1

    def body(self) -> bytes:
        """The request as OTLP protobuf."""
        return b"".join(
            wire.resource_spans(
                self._shop.resources[resource],
                [wire.scope_spans(self._shop.scopes[scope], spans) for scope, spans in scopes.items()],
            )
            for resource, scopes in self._resources.items()
        )


def _spans(workload: Workload, shop: Shop, random: Random) -> Iterator[tuple[str, str, str, bytes]]:
    """Service, zone, scope and encoded span, trace after trace, callees before their callers."""
    first = int((workload.end - WINDOW).timestamp()) * 1_000_000_000
    length = int((WINDOW - _LAST_START).total_seconds()) * 1_000_000_000
    visits, weights = list(shop.visits), list(shop.visits.values())
    made = traces = 0
    while made < workload.spans:
        start = first + length * made // workload.spans + random.randrange(1_000_000)
        operation = random.choices(visits, weights)[0]
        trace = _Trace(shop, random, ZONES[traces // _TRACES_OF_A_ZONE % len(ZONES)])
        trace.run(operation, b"", start)
        yield from trace.spans[: workload.spans - made]
        made += len(trace.spans)
        traces += 1


class _Trace:
    """Trace of one visitor's request and of all calls that it causes."""

    def __init__(self, shop: Shop, random: Random, zone: str) -> None:
        self._shop = shop
        self._random = random
        self._zone = zone
        self._id = wire.trace_piece(random.randbytes(16))
        self._user = random.choice(shop.users)
        self.spans: list[tuple[str, str, str, bytes]] = []

    def run(self, operation: Operation, parent: bytes, start: int) -> tuple[int, bool]:
        """Adds the operation's span and all that it calls; returns its end and whether it failed."""
        chance, span_id = self._random.random, self._random.randbytes(8)
        now, failed = start + int(chance() * 2 * _NETWORK), chance() < operation.error_rate
        for call in operation.calls:
            if chance() >= call.chance:
                continue
            for _ in range(int(chance() * call.most) + 1):
                now, callee_failed = self.run(call.operation, span_id, now)
                failed |= callee_failed and chance() < _FAILURE_SPREADS
        end = now + int(-math.log(1 - chance()) * operation.own_time)
        ids = wire.ids_piece(span_id, parent) + wire.times_piece(start, end)
        pieces = [self._id, ids, operation.constant, *self._attributes(operation, failed)]
        if failed:
            pieces.append(self._failure(end))
        if operation.linked:
            pieces.append(self._link())
        self.spans.append((operation.service, self._zone, operation.scope, b"".join(pieces)))
        return end, failed

    def _attributes(self, operation: Operation, failed: bool) -> list[bytes]:
        chance, outcome = self._random.random, operation.failed if failed else operation.succeeded
        pieces = [pool[int(chance() * len(pool))] for pool in (outcome, *operation.varying)]
        if operation.of_user:
            pieces.append(self._user)
        return pieces

    def _failure(self, end: int) -> bytes:
        attributes = self._random.choice(self._shop.exceptions)
        event = Span.Event(name="exception", time_unix_nano=end, attributes=key_values(attributes))
        status = Status(code=Status.STATUS_CODE_ERROR, message=str(attributes["exception.message"]))
        return Span(status=status, events=[event]).SerializeToString()

    def _link(self) -> bytes:
        link = Span.Link(trace_id=self._random.randbytes(16), span_id=self._random.randbytes(8), flags=0x101)
        link.attributes.extend(key_values({"messaging.kafka.offset": self._random.randrange(1 << 32)}))
        return Span(links=[link]).SerializeToString()


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A command line with the options that choose the traces."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--spans", type=int, default=SPANS, help="number of spans (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="other seeds make other traces (%(default)s)")
    parser.add_argument(
        "--end", type=_moment, default=today(), help="traces lie in the hour before it (last midnight UTC)"
    )
    return parser


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def main() -> None:
    """Makes one file and prints where it is."""
    parser = arguments(__doc__)
    parser.add_argument("--per-request", type=int, default=LARGE, help="spans in a request (%(default)s)")
    options = parser.parse_args()
    print(Workload(options.spans, options.per_request, options.seed, options.end).file())


if __name__ == "__main__":
    main()
