"""Kinds of spans, with what every span of a kind has already encoded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench.workload import wire

Pool = tuple[bytes, ...]
"""Encoded attributes of which a span has one."""
Attributes = Mapping[str, wire.Value]

SCOPES = {
    "http": ("opentelemetry.instrumentation.asgi", "0.58b0"),
    "rpc": ("opentelemetry.instrumentation.grpc", "0.58b0"),
    "db": ("opentelemetry.instrumentation.dbapi", "0.58b0"),
    "app": ("shop", "3.2.1"),
}

_SAMPLED = 0x101
_ERROR_RATE = 0.013
_OWN_TIME = {"http": 2_000_000, "rpc": 900_000, "db": 1_500_000, "app": 300_000}


@dataclass(frozen=True)
class Operation:
    """A kind of span: where it happens, what it carries, and what it calls."""

    service: str
    scope: str
    constant: bytes
    """Name, kind, flags and the attributes that every such span has."""
    varying: tuple[Pool, ...]
    succeeded: Pool
    failed: Pool
    own_time: int
    """Mean time it takes itself, without what it calls, in nanoseconds."""
    error_rate: float = _ERROR_RATE
    of_user: bool = False
    """True where the operation's span carries the id of the trace's user."""
    linked: bool = False
    """True where the operation's span links to a span of an earlier trace."""
    calls: tuple["Call", ...] = ()

    def calling(self, *calls: "Call") -> "Operation":
        """Returns a copy of the operation that makes these calls."""
        return replace(self, calls=calls)

    def for_user(self) -> "Operation":
        """Returns a copy of the operation that carries the user's id."""
        return replace(self, of_user=True)


@dataclass(frozen=True)
class Call:
    """With some chance, an operation calls another between one and `most` times."""

    operation: Operation
    chance: float = 1.0
    most: int = 1


def pool(key: str, values: Iterable[wire.Value]) -> Pool:
    """Returns an encoded attribute for each of the values."""
    return tuple(wire.attributes_piece({key: value}) for value in values)


_OUTCOMES: Mapping[str, tuple[Pool, Pool]] = {
    "http": (pool("http.status_code", [200] * 9 + [304]), pool("http.status_code", [500, 502, 503])),
    "rpc": (pool("rpc.grpc.status_code", [0]), pool("rpc.grpc.status_code", [2, 4, 13, 14])),
    "db": (pool("db.pool", ["main"]), pool("db.pool", ["main", "spare"])),
    "app": (pool("app.outcome", ["done"]), pool("app.outcome", ["gave up"])),
}


class Operations:
    """Makes operations as the usual instrumentations report them."""

    def __init__(self, random: Random) -> None:
        hosts = {f"10.{random.randrange(4)}.{random.randrange(256)}.{number % 250}" for number in range(400)}
        self._everywhere = (
            pool("net.peer.ip", sorted(hosts)),
            pool("thread.id", range(1, 65)),
            pool("retry", [False] * 19 + [True]),
        )

    def http(self, service: str, method: str, route: str, ids: Sequence[str] = ("",)) -> Operation:
        """The server's side of an HTTP request for one of the ids."""
        span = Span(name=f"{method} {route}", kind=Span.SPAN_KIND_SERVER)
        attributes = {"http.method": method, "http.route": route, "http.scheme": "http"}
        urls = [f"http://{service}.example.com{route.replace('{id}', item)}" for item in ids]
        return self._operation(service, "http", span, attributes, pool("http.url", urls))

    def http_client(self, service: str, method: str, host: str, path: str) -> Operation:
        """The client's side of an HTTP request."""
        span = Span(name=method, kind=Span.SPAN_KIND_CLIENT)
        attributes = {
            "http.method": method,
            "http.url": f"http://{host}{path}",
            "http.flavor": "1.1",
            "net.peer.name": host,
        }
        return self._operation(service, "http", span, attributes)

    def rpc(self, service: str, method: str, *pools: Pool) -> Operation:
        """The server's side of a remote call."""
        name = f"shop.{service.title()}"
        span = Span(name=f"{name}/{method}", kind=Span.SPAN_KIND_SERVER)
        attributes = {"rpc.system": "grpc", "rpc.service": name, "rpc.method": method}
        return self._operation(service, "rpc", span, attributes, *pools).for_user()

    def rpc_client(self, caller: str, service: str, method: str) -> Operation:
        """The client's side of a remote call."""
        name = f"shop.{service.title()}"
        span = Span(name=f"{name}/{method}", kind=Span.SPAN_KIND_CLIENT)
        attributes = {"rpc.system": "grpc", "rpc.service": name, "rpc.method": method}
        return self._operation(caller, "rpc", span, attributes | {"net.peer.name": f"{service}.shop.svc"})

    def database(self, service: str, system: str, statements: Sequence[str]) -> Operation:
        """Returns an operation that sends one of the statements, chosen at random, to the service's database."""
        verb = statements[0].split()[0]
        span = Span(name=f"{verb} {service}", kind=Span.SPAN_KIND_CLIENT)
        attributes = {"db.system": system, "db.name": service, "db.operation": verb}
        return self._operation(
            service, "db", span, attributes, pool("db.statement", statements), pool("db.rows", range(40))
        )

    def cache(self, service: str) -> Operation:
        """A look into the service's cache."""
        span = Span(name="GET", kind=Span.SPAN_KIND_CLIENT)
        attributes = {"db.system": "redis", "db.name": "0", "db.operation": "GET"}
        statements = [f"GET {service}:?", f"MGET {service}:? {service}:?"]
        return self._operation(
            service, "db", span, attributes, pool("db.statement", statements), pool("cache.hit", [True, False])
        )

    def work(self, service: str, name: str, *pools: Pool) -> Operation:
        """Work inside a service."""
        span = Span(name=name, kind=Span.SPAN_KIND_INTERNAL)
        attributes: Attributes = {"code.namespace": f"shop.{service}", "code.function": name, "app.workers": 4}
        return self._operation(service, "app", span, attributes, pool("app.variant", "abc"), *pools)

    def send(self, service: str, topic: str) -> Operation:
        """A message sent to a topic."""
        return self._message(service, topic, "send", Span.SPAN_KIND_PRODUCER)

    def process(self, service: str, topic: str) -> Operation:
        """A message read from a topic, linked to the span that sent it."""
        return replace(self._message(service, topic, "process", Span.SPAN_KIND_CONSUMER), linked=True)

    def _message(self, service: str, topic: str, verb: str, kind: "Span.SpanKind.ValueType") -> Operation:
        span = Span(name=f"{topic} {verb}", kind=kind)
        attributes = {"messaging.system": "kafka", "messaging.destination.name": topic, "messaging.operation": verb}
        return self._operation(service, "app", span, attributes, pool("messaging.kafka.partition", range(12)))

    def _operation(self, service: str, scope: str, span: Span, attributes: Attributes, *pools: Pool) -> Operation:
        span.flags = _SAMPLED
        succeeded, failed = _OUTCOMES[scope]
        return Operation(
            service=service,
            scope=scope,
            constant=span.SerializeToString() + wire.attributes_piece(attributes),
            varying=(*pools, *self._everywhere),
            succeeded=succeeded,
            failed=failed,
            own_time=_OWN_TIME[scope],
        )
