"""Statistics, critical path and difference of whole traces."""

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.trace_analysis.critical_path import critical_path
from spanlake.query.trace_analysis.difference import Operation, difference
from spanlake.query.trace_analysis.statistics import Group, statistics
from spanlake.traceql.errors import Unsupported
from spanlake.traceql.parser import parse_identifier
from tests.query.kit import MS, NOON, TENANT, At, Lake, trace_id


def groups(lake: Lake, by: str) -> dict[str | None, Group]:
    def ask(session: Session, traces: Sequence[pa.Table]) -> list[Group]:
        return statistics(session, traces[0], parse_identifier(by))

    found = lake.querier.about_trace(TENANT, [trace_id(1)], ask)
    assert found is not None
    return {one.value: one for one in found}


def path(lake: Lake) -> list[tuple[str, int, int]]:
    """Name, start and end in milliseconds of the sections, by their start."""

    def ask(session: Session, traces: Sequence[pa.Table]) -> list[tuple[str, int, int]]:
        names: list[Any] = traces[0]["name"].to_pylist()
        found = critical_path(session, traces[0])
        return [(names[one.row], (one.start_ns - NOON) // MS, (one.end_ns - NOON) // MS) for one in found]

    return sorted(lake.querier.about_trace(TENANT, [trace_id(1)], ask) or [], key=lambda section: section[1:])


def span(id_: int, parent: int, start: int, end: int, **more: object) -> At:
    """A span between two milliseconds, named by its number."""
    return At(id_, parent, start=start * MS, length=(end - start) * MS, **more)  # type: ignore[arg-type]


def test_statistics_tell_the_time_without_children(lake: Lake) -> None:
    lake.add(
        span(1, 0, 0, 100, service="web"),
        span(2, 1, 10, 40, service="cart", status=2),
        span(3, 1, 30, 60, service="cart"),
        span(4, 1, 90, 150, service="mail"),
    )
    found = groups(lake, "resource.service.name")
    assert found["web"].self_ms == 40  # 100 without 10 to 60 and 90 to 100
    assert (found["cart"].spans, found["cart"].errors, found["cart"].total_ms) == (2, 1, 60)
    assert found["mail"].max_ms == 60
    assert list(found) == ["cart", "mail", "web"]


@pytest.mark.parametrize(
    ("by", "values"),
    [
        ("name", {"1", "2"}),
        ("status", {"error", "unset"}),
        ("kind", {"server", "unspecified"}),
        ("span.n", {"1", "text"}),
        (".region", {"eu", None}),
        ("span.nested", {'{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}}]}}', None}),  # as OTLP has it
        ("span.unknown", {None}),
    ],
)
def test_statistics_are_by_any_field_of_a_span(lake: Lake, by: str, values: set[str | None]) -> None:
    lake.add(
        At(1, kind=2, status=2, attributes={"n": 1, "nested": {"a": 1}}),
        At(2, 1, attributes={"n": "text"}, resource={"region": "eu"}),
    )
    assert set(groups(lake, by)) == values


@pytest.mark.parametrize("by", ["event.name", "parent.span.n", "traceDuration", "span:childCount", "event:name"])
def test_statistics_refuse_fields_that_are_not_the_spans_own(lake: Lake, by: str) -> None:
    lake.add(At(1, events=[("a", 0, {"name": "x"})]))
    with pytest.raises(Unsupported, match="a field that a span has by itself"):
        groups(lake, by)


def test_critical_path_follows_the_children_that_end_last(lake: Lake) -> None:
    lake.add(
        span(1, 0, 0, 100),
        span(2, 1, 10, 50),
        span(3, 1, 20, 30),
        span(4, 1, 60, 90),
        span(5, 4, 70, 80),
        span(6, 3, 21, 29),
    )
    assert path(lake) == [
        ("1", 0, 10), ("2", 10, 50), ("1", 50, 60), ("4", 60, 70), ("5", 70, 80), ("4", 80, 90), ("1", 90, 100),
    ]  # fmt: skip


def test_critical_path_cuts_children_off_at_the_ends_of_their_parents(lake: Lake) -> None:
    lake.add(span(1, 0, 10, 100), span(2, 1, 0, 40), span(3, 1, 60, 200), span(4, 3, 150, 200))
    assert path(lake) == [("2", 10, 40), ("1", 40, 60), ("3", 60, 100)]


def test_critical_path_goes_through_several_roots_and_circles(lake: Lake) -> None:
    lake.add(span(1, 0, 0, 10), span(2, 99, 20, 30), span(3, 4, 40, 50), span(4, 3, 42, 45), span(5, 0, 60, 60))
    found = path(lake)
    assert found[:2] == [("1", 0, 10), ("2", 20, 30)]
    assert sum(end - start for _, start, end in found) == 30


def test_critical_path_takes_as_long_as_spans_run(lake: Lake) -> None:
    chance = random.Random(7)
    spans, times = [span(1, 0, 0, 10_000)], {1: (0, 10_000)}
    for id_ in range(2, 800):
        parent = chance.randrange(1, id_)
        low, high = times[parent]
        start, end = sorted((chance.randint(low, high), chance.randint(low, high)))
        times[id_] = start, end
        spans.append(span(id_, parent, start, end))
    lake.add(*spans)
    found = path(lake)
    assert found[0][1] == 0
    assert [start for _, start, _ in found[1:]] == [end for _, _, end in found[:-1]]
    assert found[-1][2] == 10_000


def test_difference_pairs_operations_by_their_path(lake: Lake) -> None:
    left = (At(1, name="root"), At(2, 1, name="a"), At(3, 1, name="a", status=2), At(4, 2, name="only left"))
    right = (
        At(1, name="root", trace=2, length=3 * MS),
        At(2, 1, name="a", trace=2),
        At(3, 1, name="only left", trace=2),
    )
    lake.add(*left, *right)

    def ask(most: int) -> list[Operation]:
        ids = [trace_id(1), trace_id(2)]
        found = lake.querier.about_trace(TENANT, ids, lambda _, traces: difference(traces[0], traces[1], most))
        assert found is not None
        return found

    by_path = {(one.name, one.left is not None, one.right is not None): one for one in ask(100)}
    assert set(by_path) == {
        ("root", True, True),
        ("a", True, True),
        ("only left", True, False),
        ("only left", False, True),
    }
    root, both = by_path["root", True, True], by_path["a", True, True]
    assert (root.parent, both.parent) == (None, root.id)
    assert root.left is not None
    assert root.right is not None
    assert both.left is not None
    assert both.right is not None
    assert (root.left.total_ms, root.right.total_ms) == (1, 3)
    assert (both.left.spans, both.left.errors, both.right.spans) == (2, 1, 1)
    assert by_path["only left", False, True].parent == root.id
    with pytest.raises(LimitExceeded, match="more than 3 operations"):
        ask(3)


def test_a_trace_that_is_not_stored_has_no_answer(lake: Lake) -> None:
    lake.add(At(1))
    assert lake.querier.about_trace(TENANT, [trace_id(1), trace_id(2)], lambda *_: True) is None
