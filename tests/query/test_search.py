"""Which traces a search takes, what it reads for them, and what it shows."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from sqlglot import exp

from spanlake.query import judge
from spanlake.query.engine.session import QueryPolicy, SearchPolicy, Session
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.search import Order
from spanlake.query.trace_by_id import fetch_traces
from tests.query.kit import HOUR, MINUTE, SECOND, At, Lake

DAY = 24 * HOUR


def hours(lake: Lake) -> None:
    """Traces 1 to 8, two an hour, in a block an hour; the higher number starts later."""
    for hour in range(4):
        lake.add(*(At(1, trace=n, start=hour * HOUR + n * SECOND) for n in (2 * hour + 1, 2 * hour + 2)))


SMALL_PARTS = QueryPolicy(SearchPolicy(part_spans=2))


@pytest.fixture
def small_parts(lake: Lake) -> None:
    """Searches that look through one block of ``hours`` to begin with, then all the others."""
    lake.use(policy=SMALL_PARTS)


@pytest.mark.usefixtures("small_parts")
def test_certain_traces_of_several_parts_are_fetched_at_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    hours(lake)
    fetched: list[int] = []

    def counted(session: Session, source: BlockScan, columns: Any, trace_ids: Sequence[bytes], *rest: Any) -> pa.Table:
        fetched.append(len(trace_ids))
        return fetch_traces(session, source, columns, trace_ids, *rest)

    monkeypatch.setattr(judge, "fetch_traces", counted)
    assert lake.traces("{ name != `x` }", limit=20) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert fetched == [8]
    assert lake.traces("{ name != `x` }", limit=2) == [8, 7]
    assert fetched == [8, 2]


@pytest.mark.parametrize(
    ("wanted", "traces"),
    [
        ({}, [8, 7, 6, 5, 4, 3, 2, 1]),
        ({"limit": 1}, [8]),
        ({"limit": 2}, [8, 7]),
        ({"limit": 3}, [8, 7, 6]),
        ({"limit": 3, "ascending": True}, [1, 2, 3]),
        ({"limit": 2, "start": HOUR, "end": HOUR + 30 * MINUTE}, [4, 3]),
    ],
)
@pytest.mark.parametrize(
    "query",
    [
        "{}",
        "{} && {}",
        '{ rootName = "1" }',
        "{ trace:duration < 1h }",
        "{} | count() = 1",
        "{ span:childCount = 0 }",
        "{} !> {}",
    ],
)
@pytest.mark.usefixtures("small_parts")
def test_limit_keeps_the_newest(lake: Lake, query: str, wanted: dict[str, Any], traces: list[int]) -> None:
    hours(lake)
    assert lake.traces(query, **wanted) == traces


@pytest.mark.parametrize("query", ["{}", "{} | count() > 0", '{ name = "1" } >> { name = "2" } || { name = "1" }'])
@pytest.mark.usefixtures("small_parts")
def test_order_of_duration_keeps_the_longest(lake: Lake, query: str) -> None:
    for n, length in enumerate((5, 9, 1, 7), 1):
        lake.add(At(1, trace=n, start=n * SECOND, length=length * SECOND))
    assert lake.traces(query, order=Order.DURATION, limit=2) == [2, 4]
    assert lake.traces(query, order=Order.DURATION, ascending=True, limit=3) == [3, 1, 4]


def test_equally_new_traces_are_kept_by_their_ids(lake: Lake) -> None:
    lake.add_apart(*(At(1, trace=n) for n in (5, 3, 9, 4)))
    assert lake.traces("{}", limit=3) == [3, 4, 5]


class Spy:
    """Counts queries, and notes which files they name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: set[str] = set()
        self.queries = 0
        table = Session.run

        def spying(session: Session, query: exp.Query, **options: Any) -> pa.Table:
            self.queries += 1
            self.files |= {one.this for one in query.find_all(exp.Literal) if one.this.endswith(".parquet")}
            return table(session, query, **options)

        monkeypatch.setattr(Session, "run", spying)


def test_older_blocks_are_not_read_when_newer_ones_have_enough(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    hours(lake)
    for limit, files in ((1, 1), (2, 1), (3, 4), (100, 4)):
        lake.use(policy=SMALL_PARTS)
        spy = Spy(monkeypatch)
        assert len(lake.traces("{}", limit=limit)) == min(limit, 8)
        assert len(spy.files) == files
        monkeypatch.undo()


def test_a_trace_by_id_is_read_from_the_blocks_that_may_hold_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    hours(lake)
    spy = Spy(monkeypatch)
    found = lake.querier.trace("kit", (5).to_bytes(16))
    assert found is not None
    assert found.num_rows == 1
    assert len(spy.files) == 1
    assert lake.querier.trace("kit", (99).to_bytes(16)) is None


@pytest.mark.parametrize("query", ["{} | count() = 2", "{ nestedSetRight = 4 }", '{ name = "1" } >> { name = "2" }'])
@pytest.mark.usefixtures("small_parts")
def test_nothing_is_missed_of_a_block_that_is_cut_by_ids(lake: Lake, query: str) -> None:
    """Traces of one block whose ids lie far apart, of which one of the first and the last match."""
    traces = [number << 120 for number in range(40)]
    spans = [At(1, trace=trace, start=n * SECOND) for n, trace in enumerate(traces)]
    lake.add(*spans, *(At(2, 1, trace=traces[n], start=n * SECOND) for n in (1, 39)))
    assert lake.traces(query) == [traces[39], traces[1]]
    assert lake.traces(query, start=39 * SECOND) == [traces[39]]
    assert lake.traces(query, limit=1) == [traces[39]]


@pytest.mark.parametrize("query", ["{}", '{ rootName = "1" }', '{ name = "1" } && { name = "2" }', "{} | count() = 2"])
def test_many_traces_are_found_with_all_their_spans(lake: Lake, query: str) -> None:
    traces = [number << 120 for number in range(1, 60)]
    lake.add(*(At(1, trace=trace) for trace in traces))
    lake.add(*(At(2, 1, trace=trace) for trace in traces))
    found = lake.search(query, limit=100)
    assert sorted(int.from_bytes(one.header.trace_id) for one in found) == traces
    assert all(sum(service.spans for service in one.header.services.values()) == 2 for one in found)


@pytest.mark.parametrize(
    ("query", "traces"),
    [
        ("{ trace:duration < 5s }", [4]),
        ("{ trace:duration > 5s }", [3]),
        ('{ trace:duration > 5s && name = "2" }', [3]),
        ('{ rootName = "nobody" } || { name = "2" }', [3]),
        ('{ rootName = "1" && name = "2" }', [3]),
        ('{ trace:duration < 5s } || { name = "2" }', [4, 3]),
    ],
)
@pytest.mark.usefixtures("small_parts")
def test_what_a_part_says_of_a_trace_is_not_the_last_word(lake: Lake, query: str, traces: list[int]) -> None:
    """Has a trace whose root is in one block and whose end is in another; the two are not read at once."""
    lake.add(At(1, trace=3), At(7, 6, name="7", trace=3, start=SECOND), At(1, trace=4, start=SECOND))
    lake.add(At(2, 1, trace=3, start=10 * SECOND), At(9, 8, name="9", trace=3, start=11 * SECOND))
    for limit in (2, 20):
        assert lake.traces(query, limit=limit) == traces


def test_time_without_blocks_is_passed_over(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.add(At(1, trace=1, start=-20_000 * DAY))
    lake.add(At(1, trace=2))
    spy = Spy(monkeypatch)
    assert lake.traces("{}") == [2, 1]
    assert spy.queries < 10


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (-SECOND, 0, True),  # ends where the trace starts
        (-2 * SECOND, -SECOND, False),
        (10 * SECOND, 20 * SECOND, True),  # begins where it ends
        (10 * SECOND + 1, 20 * SECOND, False),
        (2 * SECOND, 3 * SECOND, True),  # between its spans
        (-HOUR, HOUR, True),
    ],
)
@pytest.mark.parametrize("query", ["{}", '{ name = "late" }', '{ name = "early" } >> { name = "late" }'])
def test_a_trace_is_in_range_when_it_touches_it(lake: Lake, query: str, start: int, end: int, found: bool) -> None:
    lake.add_apart(At(1, name="early", length=SECOND), At(2, 1, name="late", start=9 * SECOND, length=SECOND))
    assert lake.traces(query, start=start, end=end) == ([1] if found else [])


@pytest.mark.parametrize("query", ["{}", "{} && {}", "{} | count() = 1", "{ span:childCount = 0 }", "{} > {} || {}"])
def test_traces_beside_the_range_take_no_place(lake: Lake, query: str) -> None:
    lake.add(*(At(1, trace=n, start=20 * SECOND) for n in range(1, 130)))
    lake.add(At(1, trace=500), At(1, trace=501))
    assert lake.traces(query, start=-SECOND, end=SECOND, limit=2) == [500, 501]


def test_conditions_that_different_events_meet_take_no_place(lake: Lake) -> None:
    apart = [("e", 0, {"a": 1, "b": 0}), ("e", 0, {"a": 0, "b": 1})]
    lake.add(*(At(1, trace=n, events=apart) for n in range(1, 9)), At(1, trace=9, events=[("e", 0, {"a": 1, "b": 1})]))
    assert lake.traces("{ event.a = 1 && event.b = 1 }", limit=1) == [9]


def test_spans_shown_of_a_set(lake: Lake) -> None:
    lake.add(*(At(n, start=-n, attributes={"k": n % 2}) for n in range(1, 8)))
    (few,) = lake.search("{}", spans=3)
    assert [span.name for span in few.sets[0].spans] == ["7", "6", "5"]  # the earliest
    assert few.sets[0].matched == 7
    (grouped,) = lake.search("{} | by(span.k)", spans=1)
    assert [(found.matched, len(found.spans), found.attributes) for found in grouped.sets] == [
        (3, 1, {"by(span.k)": 0}),
        (4, 1, {"by(span.k)": 1}),
    ]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("{}", {}),
        ("{ span.a = 1 }", {"a": 1}),
        ("{ span.a = 1 } | select(span.b, status, kind)", {"a": 1, "b": "x", "status": "error", "kind": "client"}),
        ("{ span.list = 2 }", {"list": [1, 2]}),
        ("{ span.none = nil }", {}),
        ("{ event.e > 0 }", {"e": [1, 2]}),
        ("{ span.a = 1 || span.b = `y` }", {"a": 1, "b": "x"}),
        ("{} | select(span.list)", {"list": [1, 2]}),
        ("{} | select(event:name)", {"event:name": ["first", "second"]}),
        ("{} | count() = 1", {}),
    ],
)
def test_attributes_shown_of_a_span(lake: Lake, query: str, shown: dict[str, Any]) -> None:
    events = [("first", 0, {"e": 1}), ("second", 0, {"e": 2})]
    lake.add(At(1, status=2, kind=3, attributes={"a": 1, "b": "x", "list": [1, 2]}, events=events))
    ((span,),) = [found.sets[0].spans for found in lake.search(query)]
    assert dict(span.attributes) == shown


@pytest.mark.parametrize(
    ("query", "attributes"),
    [
        ("{} | count() > 0", {"count()": 3}),
        ("{} | avg(span.n) > 0", {"avg(span.n)": 2.0}),
        ("{} | sum(span.n) > 0", {"sum(span.n)": 6}),
        ("{} | min(duration) > 0", {"min(duration)": "1ms"}),
        ("{} | max(span.n) > 2 | count() > 1", {"max(span.n)": 3, "count()": 3}),
        ("{} | by(resource.service.name) | count() > 1", {"by(resource.service.name)": "shop", "count()": 3}),
        ("{} | by(resource.service.name) | coalesce()", {}),
    ],
)
def test_attributes_shown_of_a_set(lake: Lake, query: str, attributes: dict[str, Any]) -> None:
    lake.add(*(At(n, attributes={"n": n}) for n in (1, 2, 3)))
    (found,) = lake.search(query)
    assert dict(found.sets[0].attributes) == attributes


@pytest.mark.parametrize("query", ["{}", '{ rootName = "1" }', "{} | count() > 0", "{} >> {}"])
def test_a_range_without_blocks_has_no_traces(lake: Lake, query: str) -> None:
    lake.add(At(1))
    assert lake.traces(query, start=HOUR, end=2 * HOUR) == []


def test_tenants_do_not_see_each_other(lake: Lake) -> None:
    lake.add(At(1, trace=1, attributes={"mine": 1}), tenant="one")
    lake.add(At(1, trace=2, attributes={"mine": 2}), tenant="two")
    assert lake.traces("{}", tenant="one") == [1]
    assert lake.traces("{ span.mine = 1 }", tenant="two") == []
    assert lake.traces("{}", tenant="three") == []
    assert lake.querier.trace("two", (1).to_bytes(16)) is None
    assert lake.values("span.mine", tenant="two") == [("int", "2")]
    assert lake.tags(tenant="three") == {"intrinsic": lake.tags()["intrinsic"]}


@pytest.mark.parametrize("query", ["{}", "{ trace:duration > 1h }", "{} && {}", "{} >> {} || {}", '{ rootName = "1" }'])
def test_a_span_may_end_at_the_end_of_time(lake: Lake, query: str) -> None:
    lake.add(At(1, length=2**63 - 1), At(2, 1, length=-5))
    (found,) = lake.search(query)
    assert found.header.end_ns == 2**63 - 1


def test_a_trace_without_a_root_says_so(lake: Lake) -> None:
    lake.add(At(2, 1))
    (found,) = lake.search("{}")
    assert (found.header.root_service, found.header.root_name) == ("<root span not yet received>", "")


@pytest.mark.parametrize(
    "matching", [{1}, {29}, {1, 2, 3}, {5, 28}, {0, 10, 20, 29}, set(range(30)), set(range(0, 30, 4))]
)
@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_traces_that_only_all_their_spans_tell_are_all_judged(
    lake: Lake, matching: set[int], blocks: int, limit: int
) -> None:
    lake.use(policy=QueryPolicy(SearchPolicy(fewest_traces=4, spans_per_trace=2, part_spans=20)))
    for number in range(blocks):
        traces = range(number * 30 // blocks, (number + 1) * 30 // blocks)
        lake.add(
            *(At(1, trace=n + 1, start=n * SECOND, name="a") for n in traces),
            *(At(2, n in matching, trace=n + 1, start=n * SECOND, name="b") for n in traces),
        )
    newest = sorted(matching, reverse=True)[:limit]
    assert lake.traces('{ name = "a" } > { name = "b" }', limit=limit) == [n + 1 for n in newest]
    assert lake.traces("{ span:childCount = 1 }", limit=limit) == [n + 1 for n in newest]


@pytest.mark.parametrize("query", ["{ span.missing }", "{ !span.missing }", "{ event.missing = 1 }"])
def test_filters_of_attributes_that_no_span_has_find_nothing_in_long_traces(lake: Lake, query: str) -> None:
    lake.add(At(1))
    lake.add(At(2, start=3 * HOUR))
    assert lake.traces(query, end=HOUR) == []
    assert lake.traces("{ }", end=HOUR) == [1]
