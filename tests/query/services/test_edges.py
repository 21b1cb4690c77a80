"""The map of services: pairs by parent, by shared id and by link, and leaves for what sends no spans."""

import pytest

from spanlake.query.limits import LimitExceeded, Limits
from spanlake.query.querier import ALWAYS
from spanlake.query.services.edges import edges
from tests.query.kit import MS, SECOND, TENANT, At, Lake

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


def found(lake: Lake) -> set[tuple[str, str, str, int, int]]:
    """Client, server, type, requests and errors of all edges."""
    answer = lake.querier.about_spans(TENANT, ALWAYS, lambda session, source: edges(session, source, ALWAYS))
    return {(one.client, one.server, one.type.value, one.requests, one.errors) for one in answer}


def test_edges_join_clients_and_servers_by_parent(lake: Lake) -> None:
    lake.add(
        At(1, kind=SERVER, service="web"),
        At(2, 1, kind=CLIENT, service="web"),
        At(3, 2, kind=SERVER, service="cart", status=2, length=300 * MS),
    )
    assert found(lake) == {("web", "cart", "request", 1, 1)}
    (edge,) = lake.querier.about_spans(TENANT, ALWAYS, lambda session, source: edges(session, source, ALWAYS))
    assert (edge.p50_ms, edge.p95_ms) == (300, 300)


def test_edges_join_servers_that_share_the_id_of_their_client(lake: Lake) -> None:
    lake.add(At(1, kind=CLIENT, service="web"), At(1, kind=SERVER, service="cart"))
    assert found(lake) == {("web", "cart", "request", 1, 0)}


def test_edges_join_servers_called_without_a_client_span(lake: Lake) -> None:
    lake.add(
        At(1, kind=SERVER, service="web"), At(2, 1, kind=SERVER, service="cart"), At(3, 1, kind=SERVER, service="web")
    )
    assert found(lake) == {("web", "cart", "request", 1, 0)}


def test_edges_join_consumers_with_the_spans_that_they_link_to(lake: Lake) -> None:
    lake.add(At(1, kind=PRODUCER, service="web", attributes={"messaging.system": "kafka"}))
    lake.add(At(2, trace=2, kind=CONSUMER, service="mail", start=SECOND, links=[(1, 1, {})]))
    assert found(lake) == {("web", "mail", "messaging", 1, 0)}


@pytest.mark.parametrize(
    ("kind", "attributes", "server", "type_"),
    [
        (CLIENT, {"db.system.name": "postgresql", "db.namespace": "orders"}, "orders", "database"),
        (CLIENT, {"db.system": "redis", "server.address": "cache"}, "cache", "database"),
        (CLIENT, {"db.system": "redis"}, "redis", "database"),
        (CLIENT, {"server.address": "cards.example", "http.request.method": "GET"}, "cards.example", "external"),
        (CLIENT, {"peer.service": "cards", "server.address": "10.0.0.1"}, "cards", "external"),
        (PRODUCER, {"messaging.system": "kafka", "messaging.destination.name": "orders"}, "orders", "messaging"),
    ],
)
def test_edges_lead_to_what_sends_no_spans(
    lake: Lake, kind: int, attributes: dict[str, str], server: str, type_: str
) -> None:
    lake.add(At(1, kind=kind, service="web", attributes=attributes))
    assert found(lake) == {("web", server, type_, 1, 0)}


def test_edges_leave_out_clients_that_call_nothing_with_a_name(lake: Lake) -> None:
    lake.add(At(1, kind=CLIENT, service="web", attributes={"server.address": ""}), At(2, kind=0, service="web"))
    assert found(lake) == set()


def test_edges_count_spans_that_were_stored_twice_once(lake: Lake) -> None:
    spans = At(1, kind=CLIENT, service="web"), At(2, 1, kind=SERVER, service="cart")
    lake.add(*spans)
    lake.add(*spans)
    assert found(lake) == {("web", "cart", "request", 1, 0)}


def test_edges_of_an_empty_store_are_none(lake: Lake) -> None:
    assert found(lake) == set()


def test_edges_are_bounded(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = Lake(tmp_path_factory.mktemp("bounded"), Limits(threads=1, series=2))
    lake.add(*(At(n, kind=CLIENT, service="web", attributes={"peer.service": f"s{n}"}) for n in (1, 2, 3)))
    with pytest.raises(LimitExceeded, match="more than 2 edges"):
        found(lake)
    lake.close()
