"""Rate, errors and durations of services and their operations, and the catalog of attributes."""

import pytest

from spanlake.query.limits import LimitExceeded, Limits
from spanlake.query.querier import ALWAYS
from spanlake.query.selected_spans import SelectedSpans
from spanlake.query.services.attributes import catalog
from spanlake.query.services.statistics import ServiceStatistics, operations, services
from spanlake.query.time_range import TimeRange
from spanlake.traceql.parser.lenient import filters
from tests.query.kit import MS, NOON, SECOND, TENANT, At, Lake

SERVER, CLIENT = 2, 3


def listed(lake: Lake, q: str = "", when: TimeRange = ALWAYS) -> dict[str, ServiceStatistics]:
    selected = SelectedSpans(when, filters(q))
    found = lake.querier.about_spans(TENANT, when, lambda session, source: services(session, source, selected))
    return {one.name: one for one in found}


def test_services_count_requests_from_outside(lake: Lake) -> None:
    lake.add(
        At(1, kind=SERVER, service="web", status=2, length=100 * MS),
        At(2, 1, kind=CLIENT, service="web", status=2, length=50 * MS),
        At(3, 2, kind=SERVER, service="cart", length=20 * MS),
        At(4, trace=2, service=None, length=SECOND),
    )
    found = listed(lake)
    assert set(found) == {"web", "cart", ""}
    web = found["web"].red
    assert (web.spans, web.requests, web.errors, web.p50_ms) == (2, 1, 1, 100)
    assert (found[""].red.requests, found[""].red.p99_ms) == (1, 1000)


def test_services_are_selected_by_range_and_filter(lake: Lake) -> None:
    lake.add(At(1, service="early"), At(2, service="late", start=10 * SECOND, attributes={"n": 1}))
    assert set(listed(lake, when=TimeRange(NOON + 5 * SECOND, NOON + 20 * SECOND))) == {"late"}
    assert set(listed(lake, "{ span.n = 1 }")) == {"late"}


def test_operations_have_the_figures_of_all_their_spans(lake: Lake) -> None:
    lake.add(
        At(1, kind=SERVER, name="GET /", service="web"),
        At(2, 1, kind=CLIENT, name="call", service="web", status=2, length=30 * MS),
        At(3, 1, kind=CLIENT, name="call", service="web", length=30 * MS),
        At(4, name="GET /", service='it\'s "other"'),
    )
    selected = SelectedSpans(ALWAYS)
    found = lake.querier.about_spans(
        TENANT, ALWAYS, lambda session, source: operations(session, source, selected, "web")
    )
    assert [(one.name, one.kind, one.red.spans, one.red.errors) for one in found] == [
        ("call", 3, 2, 1),
        ("GET /", 2, 1, 0),
    ]
    (other,) = lake.querier.about_spans(
        TENANT, ALWAYS, lambda session, source: operations(session, source, selected, 'it\'s "other"')
    )
    assert other.red.spans == 1


def test_services_are_bounded(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = Lake(tmp_path_factory.mktemp("bounded"), Limits(threads=1, values=2))
    lake.add(*(At(n, service=f"s{n}") for n in (1, 2, 3)))
    with pytest.raises(LimitExceeded, match="more than 2 services"):
        listed(lake)
    lake.close()


def test_catalog_has_types_and_estimates(lake: Lake) -> None:
    lake.add(
        *(At(n, attributes={"n": n, "mixed": n if n % 2 else "text", "nested": {"a": 1}}) for n in range(1, 9)),
        At(9, events=[("e", 0, {"of.event": 1})]),
    )
    found = lake.querier.about_spans(TENANT, ALWAYS, lambda session, source: catalog(session, source, ALWAYS))
    by_name = {(one.scope, one.name): one for one in found.attributes}
    assert by_name["span", "n"].types == ("int",)
    assert by_name["span", "n"].distinct in range(7, 11)  # an estimate
    assert by_name["span", "mixed"].types == ("int", "string")
    assert by_name["span", "mixed"].distinct in range(3, 6)
    assert by_name["span", "nested"].distinct is None
    assert by_name["event", "of.event"].distinct is None
    assert by_name["resource", "service.name"].distinct == 1
    assert found.sampled_spans == 9


def test_catalog_of_an_empty_store_is_empty(lake: Lake) -> None:
    found = lake.querier.about_spans(TENANT, ALWAYS, lambda session, source: catalog(session, source, ALWAYS))
    assert found.attributes == ()
