"""The queries of docs/athena.md run as they stand, on Trino, over blocks that spanlake wrote."""

from collections.abc import Iterator

import pytest

from spanlake.store.glue import attribute_columns, fixed_columns
from tests.documents import document, fenced
from tests.query.kit import MINUTE, At, Lake
from tests.trino import Trino

TENANT = "single-tenant"
QUERIES = fenced(document("docs/athena.md"), "sql")
CART = {"http.method": "GET", "http.status_code": 503, "app.cart.total": 12.5}
ERROR = [("exception", 1, {"exception.type": "OutOfEggs"})]


@pytest.fixture(scope="module")
def told(trino: Trino) -> Iterator[Trino]:
    lake = Lake(trino.directory / "document")
    trace = int("0d6b2e2ba4ec4e0e8f1be55a3e9f6c01", 16)
    spans = [
        At(1, trace=trace, name="GET /cart", service="frontend", kind=2, status=2, attributes=CART, events=ERROR),
        At(2, parent=1, trace=trace, name="SELECT", service="cart", start=MINUTE),
    ]
    lake.add(*spans, tenant=TENANT)
    lake.add(*spans, tenant=TENANT)
    blocks, catalog = lake.index.look_up(TENANT, 0, 2**63 - 1)
    trino.create_table(fixed_columns() | attribute_columns(catalog), "document")
    trino.add_partitions(blocks, "document")
    yield trino
    lake.close()


ANSWERS: list[list[list[object]]] = [
    [["GET /cart", "frontend"], ["GET /cart", "frontend"], ["SELECT", "cart"], ["SELECT", "cart"]],
    [["frontend", "GET /cart", 2, 1.0, 1.0]],
    [["cart", "2026-11-22 12:00:00.000 UTC", "0.0"], ["frontend", "2026-11-22 12:00:00.000 UTC", "100.0"]],
    [["GET", 503, 2, 25.0]],
    [
        ["span_app_cart_total___double"],
        ["span_http_method"],
        ["span_http_status__code___int"],
        ["span_id"],
        ["span_rest"],
    ],
    [["frontend", "OutOfEggs", 2]],
    [["cart", 1], ["frontend", 1]],
]
"""The first columns of the answers, in the order of the document."""


@pytest.mark.parametrize(("query", "wanted"), list(zip(QUERIES, ANSWERS, strict=True)))
def test_query_runs_as_it_stands(told: Trino, query: str, wanted: list[list[object]]) -> None:
    assert sorted(row[: len(wanted[0])] for row in told.query(query).rows) == wanted


def test_types_are_those_that_hive_has(told: Trino) -> None:
    assert told.stored_types().items() >= fixed_columns().items()
