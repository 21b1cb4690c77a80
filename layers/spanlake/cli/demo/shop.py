"""Requests of the visitors of the demo's shop, and the operations that they lead to."""

from collections.abc import Mapping
from random import Random

from spanlake.cli.demo.assistant import QUESTIONS, assistant
from spanlake.cli.demo.operation import CLIENT, Attributes, Call, Failure, Operation
from spanlake.cli.demo.parts import cache, external, http, index, page, receive, rpc, send, sql, user, work

POOL = "acquire connection"
_PRODUCTS = ("OLJCESPC7Z", "66VCHSJNUP", "1YMWWN1N4O", "L9ECAV7KIM", "2ZYFJ3GM2N", "0PUK6V6EV0", "LS4PSXUNUM")
_CARDS = ("visa", "mastercard", "amex")


def visits() -> Mapping[Operation, float]:
    """Return the operations that traces start with, and their relative frequency."""
    product, advice = _product(), _advice()
    return {
        page("GET", "/", 6, Call(_api("GET", "/home", Call(_listing()), Call(advice, is_beside=True)))): 22,
        page("GET", "/product/{id}", 5, Call(_api("GET", "/products/{id}", Call(product), Call(advice, 0.7)))): 34,
        page("GET", "/search", 5, Call(_api("GET", "/search", Call(_searching()))), varying=_words): 14,
        page("GET", "/cart", 4, Call(_api("GET", "/cart", Call(_cart("Get"))))): 8,
        page("POST", "/cart", 5, Call(_api("POST", "/cart", Call(product), Call(_cart("AddItem"))))): 9,
        page("POST", "/checkout", 9, Call(_api("POST", "/checkout", Call(_order()))), varying=_sum): 16,
        _stocktaking(): 0.6,
    } | {
        page("POST", "/assistant", 4, Call(_api("POST", "/assistant", Call(assistant(one))))): 0.6 for one in QUESTIONS
    }


def _words(random: Random) -> Attributes:
    return {"url.query": f"q={random.choice(('tent', 'boots', 'jacket', 'stove', 'rope'))}"}


def _sum(random: Random) -> Attributes:
    items = random.randrange(1, 9)
    return {"app.cart.items": items, "app.cart.total": round(items * random.uniform(9, 160), 2), "app.currency": "EUR"}


def _item(random: Random) -> Attributes:
    return {"app.product.id": random.choice(_PRODUCTS)}


def _api(method: str, route: str, *calls: Call) -> Operation:
    return http("frontend", "gateway", method, f"/api{route}", 2, Call(cache("gateway", "GET", "session:?")), *calls)


def _product() -> Operation:
    query = sql("catalog", "catalog", "SELECT", "products", "SELECT id, name, price FROM products WHERE id = $1", 3.5)
    return rpc(
        "gateway",
        "catalog",
        "GetProduct",
        1.5,
        Call(cache("catalog", "GET", "product:?")),
        Call(query, 0.4),
        varying=_item,
    )


def _listing() -> Operation:
    text = "SELECT id, name, price FROM products WHERE category = $1 ORDER BY sold DESC LIMIT 20"
    return rpc("gateway", "catalog", "ListProducts", 4, Call(sql("catalog", "catalog", "SELECT", "products", text, 9)))


def _advice() -> Operation:
    rank = work("recommendations", "rank", 11, Call(index("recommendations", "mget")))
    return http(
        "gateway",
        "recommendations",
        "GET",
        "/for-user",
        3,
        Call(cache("recommendations", "GET", "profile:?")),
        Call(rank, 0.8),
    )


def _searching() -> Operation:
    return http("gateway", "search", "GET", "/products", 6, Call(index("search", "search"), most=2))


def _cart(method: str, caller: str = "gateway") -> Operation:
    command = {"Get": "HGETALL", "AddItem": "HSET", "Empty": "DEL"}[method]
    return rpc(caller, "cart", method, 1.2, Call(cache("cart", command, "cart:?")), varying=user)


def _order() -> Operation:
    insert = "INSERT INTO orders (id, customer, total) VALUES ($1, $2, $3)"
    steps = (
        Call(_cart("Get", "checkout")),
        Call(_reserve(), most=3),
        Call(_charge()),
        Call(sql("checkout", "orders", "INSERT", "orders", insert, 5)),
        Call(_quote()),
        Call(_cart("Empty", "checkout")),
        Call(send("checkout", "orders", _ship(), _mail())),
    )
    return rpc("gateway", "checkout", "PlaceOrder", 3, Call(work("checkout", "place order", 4, *steps)), varying=_sum)


def _reserve() -> Operation:
    text = "UPDATE stock SET held = held + $2 WHERE product = $1 AND free >= $2"
    return rpc(
        "checkout",
        "inventory",
        "Reserve",
        2,
        Call(sql("inventory", "stock", "UPDATE", "stock", text, 6)),
        varying=_item,
    )


def _charge() -> Operation:
    def card(random: Random) -> Attributes:
        return {"app.payment.card": random.choice(_CARDS), "app.payment.amount": round(random.uniform(9, 900), 2)}

    refused = Failure(0.02, "CardDeclined", "the card was declined: insufficient funds")
    fraud = http("payment", "fraud", "POST", "/score", 18, Call(work("fraud", "score transaction", 24)))
    text = "INSERT INTO charges (id, order_id, amount, state) VALUES ($1, $2, $3, $4)"
    ledger = sql("payment", "ledger", "INSERT", "charges", text, 4)
    calls = (
        Call(fraud),
        Call(work("payment", POOL, 0.3)),
        Call(ledger),
        Call(external("payment", "POST", "api.cards.example", "/v1/charges", 140, refused)),
    )
    return rpc("checkout", "payment", "Charge", 2, *calls, varying=card)


def _quote() -> Operation:
    carrier = external("shipping", "GET", "rates.parcels.example", "/v2/quote", 60)
    return http("checkout", "shipping", "POST", "/quote", 2, Call(carrier))


def _ship() -> Operation:
    attributes: Attributes = {
        "db.system.name": "mongodb",
        "db.namespace": "parcels",
        "db.collection.name": "labels",
        "db.operation.name": "insert",
        "server.address": "parcels-db.shop.internal",
        "server.port": 27017,
    }
    store = Operation("shipping", "insert labels", CLIENT, 5, attributes, library="mongodb")
    return receive("shipping", "orders", 9, 120, Call(work("shipping", "print label", 35)), Call(store))


def _mail() -> Operation:
    lost = Failure(0.01, "SMTPServerDisconnected", "connection unexpectedly closed")
    mail = external("notifications", "POST", "mail.example.net", "/v3/messages", 90, lost)
    return receive(
        "notifications", "orders", 4, 400, Call(work("notifications", "render mail", 7)), Call(mail), is_apart=True
    )


def _stocktaking() -> Operation:
    text = "SELECT product, free, held FROM stock WHERE shelf = $1"
    one = sql("inventory", "stock", "SELECT", "stock", text, 2)
    return work("inventory", "stocktaking", 20, Call(one, most=90))
