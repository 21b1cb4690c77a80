"""The web shop whose traces the benchmarks store: ten services, and what its visitors make them do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from bench.workload import wire
from bench.workload.operations import SCOPES, Attributes, Call, Operation, Operations, Pool, pool

SERVICES = (
    "frontend",
    "api",
    "cart",
    "checkout",
    "payment",
    "catalog",
    "inventory",
    "recommendations",
    "shipping",
    "email",
)
ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c")


@dataclass(frozen=True)
class Shop:
    """All that a trace can be made of."""

    visits: Mapping[Operation, float]
    """Operations that traces start with, and their relative frequency."""
    users: Pool
    exceptions: tuple[Attributes, ...]
    """Attributes of the events of failed spans."""
    resources: Mapping[tuple[str, str], bytes]
    """By service and zone: each service runs once in each zone."""
    scopes: Mapping[str, bytes]


def open_shop(random: Random) -> Shop:
    """The shop, with its addresses, prices and pod names drawn from `random`."""
    return Shop(
        visits=_Departments(random).visits(),
        users=pool("user.id", [f"u{number}" for number in range(10_000)]),
        exceptions=_exceptions(),
        resources={(service, zone): _resource(random, service, zone) for service in SERVICES for zone in ZONES},
        scopes={key: wire.scope_piece(*scope) for key, scope in SCOPES.items()},
    )


def _resource(random: Random, service: str, zone: str) -> bytes:
    return wire.resource_piece(
        {
            "service.name": service,
            "service.version": f"{len(service) % 4 + 1}.{random.randrange(20)}.0",
            "host.name": f"ip-10-0-{random.randrange(256)}-{random.randrange(256)}",
            "k8s.pod.name": f"{service}-{random.getrandbits(36):09x}-{random.getrandbits(20):05x}",
            "k8s.namespace.name": "shop",
            "cloud.region": zone[:-1],
            "cloud.availability_zone": zone,
            "deployment.environment": "production",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": "1.37.0",
        }
    )


def _exceptions() -> tuple[Attributes, ...]:
    messages = {
        "ConnectionResetError": "connection reset by peer",
        "TimeoutError": "no answer within 1000 ms",
        "PaymentRefused": "card refused: insufficient funds",
        "OutOfStock": "not enough items in stock",
        "SerializationFailure": "could not serialize access due to concurrent update",
        "ValidationError": "postal code does not match the country",
    }
    return tuple(
        {
            "exception.type": f"shop.errors.{name}",
            "exception.message": message,
            "exception.stacktrace": "Traceback (most recent call last):\n"
            '  File "/app/shop/server.py", line 118, in call\n'
            f'  File "/app/shop/calls.py", line {7 * len(name)}, in send\n'
            f"shop.errors.{name}: {message}",
        }
        for name, message in messages.items()
    )


class _Departments:
    """Operations that each part of the shop runs for a request."""

    def __init__(self, random: Random) -> None:
        self._make = Operations(random)
        self._products = [f"{random.getrandbits(40):010X}" for _ in range(2_000)]
        self._totals = pool("app.cart.total", [round(random.uniform(1, 500), 2) for _ in range(20_000)])
        self._picks = pool("app.products", [random.sample(self._products, 3) for _ in range(2_000)])

    def visits(self) -> dict[Operation, float]:
        """Returns the operations that traces start with, and their relative frequency."""
        catalog, advice = self._catalog("api"), self._recommendations()
        return {
            self._make.http("frontend", "GET", "/healthz"): 15,
            self._page("GET", "/", Call(catalog, most=2), Call(advice, 0.5)): 20,
            self._page("GET", "/product/{id}", Call(catalog), Call(advice)): 34,
            self._page("GET", "/cart", Call(self._cart("api", "View"))): 15,
            self._page("POST", "/cart", Call(self._cart("api", "Add"))): 13,
            self._page("POST", "/checkout", Call(self._checkout())): 4,
            self._page("GET", "/orders", Call(self._shipping("api", "Track"), most=6)): 6,
            self._mail(): 8,
            self._stocktaking(): 1,
        }

    def _page(self, method: str, route: str, *calls: Call) -> Operation:
        client = self._make.http_client("frontend", method, "api.shop.svc", f"/api{route}")
        api = self._route("api", method, f"/api{route}").calling(*calls)
        return self._route("frontend", method, route).calling(Call(client.calling(Call(api))))

    def _route(self, service: str, method: str, route: str) -> Operation:
        ids = self._products if "{id}" in route else [""]
        operation = self._make.http(service, method, route, ids).for_user()
        return replace(operation, varying=(*operation.varying, *self._order(route)))

    def _order(self, route: str) -> tuple[Pool, ...]:
        if route.endswith("cart"):
            return (self._totals,)
        if route.endswith("checkout"):
            return self._totals, pool("app.items", range(1, 30)), pool("app.currency", ["EUR", "CHF", "SEK"])
        return ()

    def _remote(self, caller: str, service: str, method: str, *calls: Call, pools: tuple[Pool, ...] = ()) -> Operation:
        server = self._make.rpc(service, method, *pools).calling(*calls)
        return self._make.rpc_client(caller, service, method).calling(Call(server))

    def _catalog(self, caller: str) -> Operation:
        statements = [
            "SELECT id, name, price FROM products WHERE id = $1",
            "SELECT id, name, price FROM products WHERE category = $1 ORDER BY name LIMIT 20",
            "SELECT * FROM products WHERE name ILIKE $1",
            "SELECT count(*) FROM reviews WHERE product = $1",
            "SELECT stars, text FROM reviews WHERE product = $1 ORDER BY at DESC LIMIT 10",
        ]
        database = self._make.database("catalog", "postgresql", statements)
        return self._remote(
            caller, "catalog", "Get", Call(self._make.cache("catalog")), Call(database.for_user(), 0.7, most=3)
        )

    def _cart(self, caller: str, method: str) -> Operation:
        statements = {
            "View": ["SELECT product, quantity FROM carts WHERE user_id = $1", "SELECT * FROM vouchers WHERE id = $1"],
            "Add": ["INSERT INTO carts VALUES ($1, $2, $3)", "UPDATE carts SET quantity = $3 WHERE user_id = $1"],
            "Empty": ["DELETE FROM carts WHERE user_id = $1", "UPDATE carts SET closed = now() WHERE user_id = $1"],
        }[method]
        database = self._make.database("cart", "postgresql", statements).for_user()
        calls = Call(self._make.cache("cart")), Call(database, most=2)
        return self._remote(caller, "cart", method, *calls, pools=(self._totals,))

    def _recommendations(self) -> Operation:
        statements = ["POST /products/_search more_like_this", "POST /products/_search term", "POST /products/_mget"]
        search = self._make.database("recommendations", "elasticsearch", statements)
        rank = self._make.work("recommendations", "rank products", self._picks).calling(Call(search, most=2))
        return self._remote("api", "recommendations", "For", Call(rank, 0.8))

    def _checkout(self) -> Operation:
        statements = ["INSERT INTO orders VALUES ($1, $2, $3)", "INSERT INTO items VALUES ($1, $2)"]
        place = self._make.work("checkout", "place order", self._picks).for_user()
        steps = (
            Call(self._cart("checkout", "View")),
            Call(self._catalog("checkout"), most=4),
            Call(self._inventory(), most=3),
            Call(self._payment()),
            Call(self._make.database("checkout", "postgresql", statements).for_user(), most=6),
            Call(self._shipping("checkout", "Quote")),
            Call(self._cart("checkout", "Empty")),
            Call(self._make.send("checkout", "orders")),
        )
        return self._remote("api", "checkout", "Place", Call(place.calling(*steps)), pools=(self._totals,))

    def _payment(self) -> Operation:
        statements = ["INSERT INTO payments VALUES ($1, $2, $3, $4)", "UPDATE payments SET state = $2 WHERE id = $1"]
        ledger = self._make.database("payment", "mysql", statements).for_user()
        card = replace(self._make.http_client("payment", "POST", "cards.example.net", "/v2/charges"), error_rate=0.08)
        return self._remote("checkout", "payment", "Charge", Call(card), Call(ledger, most=2), pools=(self._totals,))

    def _inventory(self) -> Operation:
        statements = ["UPDATE stock SET held = held + $2 WHERE id = $1", "UPDATE stock SET held = 0 WHERE id = $1"]
        database = self._make.database("inventory", "postgresql", statements)
        return self._remote("checkout", "inventory", "Reserve", Call(database))

    def _shipping(self, caller: str, method: str) -> Operation:
        statements = ["SELECT zone, price FROM tariffs WHERE country = $1", "SELECT state FROM parcels WHERE id = $1"]
        return self._remote(caller, "shipping", method, Call(self._make.database("shipping", "mysql", statements)))

    def _mail(self) -> Operation:
        render = self._make.work("email", "render template").for_user()
        relay = self._make.http_client("email", "POST", "mail.example.net", "/v3/messages")
        return self._make.process("email", "orders").calling(Call(render), Call(relay))

    def _stocktaking(self) -> Operation:
        statements = ["UPDATE stock SET counted = $2 WHERE id = $1", "SELECT id, counted FROM stock WHERE shelf = $1"]
        database = self._make.database("inventory", "postgresql", statements)
        return self._make.work("inventory", "stocktaking").calling(Call(database, most=59))
