"""Spans by the semantic conventions: HTTP, RPC, databases, messages, and calls of language models."""

from random import Random

from spanlake.cli.demo.operation import (
    CLIENT,
    CONSUMER,
    INTERNAL,
    PRODUCER,
    SERVER,
    Attributes,
    Call,
    Failure,
    Operation,
    Value,
    Varying,
    nothing,
)

_AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
)
_SERVER_ERROR: Attributes = {"http.response.status_code": 500, "error.type": "500"}


def joined(*varying: Varying) -> Varying:
    """Return all attributes of several sources."""

    def draw(random: Random) -> Attributes:
        return {key: value for one in varying for key, value in one(random).items()}

    return draw


def user(random: Random) -> Attributes:
    """Return the visitor who asks."""
    number = random.randrange(900)
    return {"enduser.id": f"u{number:04}", "app.loyalty": ("gold", "silver", "none")[number % 3]}


def _browser(random: Random) -> Attributes:
    return {
        "user_agent.original": random.choice(_AGENTS),
        "client.address": f"203.0.113.{random.randrange(1, 255)}",
        "network.peer.port": random.randrange(32_768, 60_999),
    }


def page(method: str, route: str, own_ms: float, *calls: Call, varying: Varying = nothing) -> Operation:
    """Return a request of a visitor, answered by the frontend."""
    attributes: Attributes = {
        "http.request.method": method,
        "http.route": route,
        "url.path": route.replace("{id}", "OLJCESPC7Z"),
        "url.scheme": "https",
        "server.address": "shop.example.com",
        "server.port": 443,
        "network.protocol.version": "2",
        "http.response.status_code": 200,
    }
    name = f"{method} {route}"
    more = joined(_browser, user, varying)
    return Operation("frontend", name, SERVER, own_ms, attributes, more, calls, on_error=_SERVER_ERROR, library="http")


def http(caller: str, service: str, method: str, route: str, own_ms: float, *calls: Call) -> Operation:
    """Return a request over HTTP from one service to another: the client's span above the server's."""
    shared: dict[str, Value] = {
        "http.request.method": method,
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
    }
    host: dict[str, Value] = {"server.address": f"{service}.shop.svc.cluster.local", "server.port": 8080}
    url: dict[str, Value] = {"url.full": f"http://{service}.shop.svc.cluster.local:8080{route}"}
    to: dict[str, Value] = {"http.route": route, "url.path": route, "url.scheme": "http"}
    server = Operation(
        service,
        f"{method} {route}",
        SERVER,
        own_ms,
        shared | host | to,
        user,
        calls,
        on_error=_SERVER_ERROR,
        library="http",
    )
    return Operation(
        caller, method, CLIENT, 0.4, shared | host | url, calls=(Call(server),), on_error=_SERVER_ERROR, library="http"
    )


def external(
    caller: str, method: str, host: str, path: str, own_ms: float, failure: Failure | None = None
) -> Operation:
    """Return a request to a host outside of the shop."""
    attributes: Attributes = {
        "http.request.method": method,
        "url.full": f"https://{host}{path}",
        "server.address": host,
        "server.port": 443,
        "http.response.status_code": 200,
    }
    failed: Attributes = {"http.response.status_code": 503, "error.type": "503"}
    return Operation(caller, method, CLIENT, own_ms, attributes, failure=failure, on_error=failed, library="http")


def rpc(caller: str, service: str, method: str, own_ms: float, *calls: Call, varying: Varying = nothing) -> Operation:
    """Return a call over gRPC: the client's span above the server's."""
    name = f"shop.{service.capitalize()}/{method}"
    attributes: Attributes = {
        "rpc.system": "grpc",
        "rpc.service": f"shop.{service.capitalize()}",
        "rpc.method": method,
        "rpc.grpc.status_code": 0,
        "server.address": f"{service}.shop.svc.cluster.local",
        "server.port": 50051,
    }
    failed: Attributes = {"rpc.grpc.status_code": 13, "error.type": "INTERNAL"}
    server = Operation(service, name, SERVER, own_ms, attributes, varying, calls, on_error=failed, library="grpc")
    return Operation(caller, name, CLIENT, 0.3, attributes, calls=(Call(server),), on_error=failed, library="grpc")


def sql(service: str, database: str, operation: str, table: str, text: str, own_ms: float) -> Operation:
    """Return a query of a PostgreSQL database."""
    attributes: Attributes = {
        "db.system.name": "postgresql",
        "db.namespace": database,
        "db.operation.name": operation,
        "db.collection.name": table,
        "db.query.text": text,
        "db.query.summary": f"{operation} {table}",
        "server.address": f"{database}-db.shop.internal",
        "server.port": 5432,
    }

    def rows(random: Random) -> Attributes:
        return {"db.response.returned_rows": random.randrange(40)} if operation == "SELECT" else {}

    return Operation(service, f"{operation} {table}", CLIENT, own_ms, attributes, rows, library="jdbc")


def cache(service: str, command: str, key: str) -> Operation:
    """Return a command of Redis."""
    attributes: Attributes = {
        "db.system.name": "redis",
        "db.operation.name": command,
        "db.query.text": f"{command} {key}",
        "server.address": "sessions.shop.internal",
        "server.port": 6379,
    }

    def hit(random: Random) -> Attributes:
        return {"app.cache.hit": random.random() < 0.83}

    return Operation(service, command, CLIENT, 0.7, attributes, hit, library="redis")


def index(service: str, operation: str) -> Operation:
    """Return a search in OpenSearch."""
    attributes: Attributes = {
        "db.system.name": "opensearch",
        "db.namespace": "products",
        "db.operation.name": operation,
        "db.query.text": '{"query":{"multi_match":{"query":"?","fields":["name","text"]}}}',
        "server.address": "products.search.internal",
        "server.port": 9200,
    }
    return Operation(service, f"{operation} products", CLIENT, 14, attributes, library="opensearch")


def work(service: str, name: str, own_ms: float, *calls: Call, varying: Varying = nothing) -> Operation:
    """Return a part of a service's own work."""
    return Operation(service, name, INTERNAL, own_ms, {"code.function.name": name}, varying, calls)


def send(service: str, topic: str, *consumers: Operation) -> Operation:
    """Return a message, and what it leads to some time later."""
    attributes: Attributes = {**_kafka(topic), "messaging.operation.type": "send", "messaging.operation.name": "send"}

    def message(random: Random) -> Attributes:
        return {
            "messaging.message.id": f"{random.getrandbits(64):016x}",
            "messaging.destination.partition.id": str(random.randrange(6)),
            "messaging.kafka.offset": random.randrange(10_000, 9_000_000),
        }

    calls = tuple(Call(one, is_beside=True) for one in consumers)
    return Operation(service, f"send {topic}", PRODUCER, 1.5, attributes, message, calls, library="kafka")


def receive(service: str, topic: str, own_ms: float, lag_ms: float, *calls: Call, is_apart: bool = False) -> Operation:
    """Return the processing of a message."""
    attributes: Attributes = {
        **_kafka(topic),
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.consumer.group.name": service,
    }
    return Operation(
        service,
        f"process {topic}",
        CONSUMER,
        own_ms,
        attributes,
        calls=calls,
        lag_ms=lag_ms,
        is_apart=is_apart,
        library="kafka",
    )


def _kafka(topic: str) -> dict[str, Value]:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "server.address": "kafka.shop.internal",
        "server.port": 9092,
    }
