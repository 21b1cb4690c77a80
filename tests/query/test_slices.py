"""A block in slices answers as one without, and tells which traces its newest slices cannot have."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest

from spanlake.query import judge
from spanlake.query.candidates import CandidateFinder, Candidates
from spanlake.query.compile.search import compile_search
from spanlake.query.engine.session import QueryPolicy, SearchPolicy, Session
from spanlake.query.plan import plan_search
from spanlake.query.querier import ALWAYS
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.search import Order
from spanlake.query.time_range import TimeRange
from spanlake.query.trace_by_id import fetch_traces
from spanlake.store.blocks.block import arrival_order
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import MergePolicy
from spanlake.traceql import parse, validate
from tests.query.kit import SECOND, TENANT, Lake, one_of, trace_id

IN_SLICES = MergePolicy(sliced_spans=1, row_group_spans=10)
QUERIES = (
    "{ } | count() > 2",
    "{ rootName = `odd` && traceDuration > 1s }",
    "{ span.n = 1 } && { span.n = 2 }",
    "{ status = error }",
    "{ span:childCount > 1 }",
    "{ span:childCount > 0 && rootServiceName = `shop` && rootName = `odd` }",
    "{ rootServiceName = `shop` && span:childCount = 0 }",
    "{ } | by(name) | count() > 2",
    "{ parent.name = `odd` }",
    "{ name = `odd` } >> { status = error }",
    "{ nestedSetRight > 4 }",
)


LOOKING_FOR_SLICES = QueryPolicy(SearchPolicy(sliced_spans=1))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A hundred traces of two to four spans, one of which comes a while after the others."""
    lake = Lake(tmp_path_factory.mktemp("slices"))
    lake.use(policy=LOOKING_FOR_SLICES)
    spans = []
    for trace in range(1, 101):
        start = (trace * 37 % 101) * SECOND
        for n in range(2 + trace % 3):
            late = 40 * SECOND if n == 1 and trace % 10 == 0 else n
            spans.append(one_of(trace, n, start + late, fails=trace % 7 == n, number=n))
    for part in range(10):
        lake.add(*spans[part::10])
    blocks = sorted(lake.index.find(TENANT, 0, 2**63 - 1), key=arrival_order)
    assert Compactor(lake.objects, lake.index, merge_policy=IN_SLICES).run(Merge(tuple(blocks)))
    yield lake
    lake.close()


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Two blocks in slices, one of older and one of newer traces, every tenth with a span in the other block."""
    lake = Lake(tmp_path_factory.mktemp("halves"))
    lake.use(policy=QueryPolicy(SearchPolicy(sliced_spans=1, part_spans=1)))
    spans = [
        one_of(trace, n, trace * SECOND + n, fails=trace % 7 == n, number=n)
        for trace in range(1, 201)
        for n in range(2 + trace % 3)
    ]
    for is_newer in (False, True):
        of_half = [
            one for one in spans if ((one.trace > 100) != (one.trace % 10 == 5 and one.id % 10 == 1)) == is_newer
        ]
        blocks = [block for part in range(3) for block in lake.add(*of_half[part::3])]
        assert Compactor(lake.objects, lake.index, merge_policy=IN_SLICES).run(Merge(tuple(blocks)))
    yield lake
    lake.close()


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("limit", [1, 7, 30])
def test_the_newer_of_two_blocks_is_looked_at_in_slices_too(halves: Lake, query: str, limit: int) -> None:
    assert_first_of_all(halves, query, limit, more_than=14)


def test_of_two_blocks_the_newest_slices_alone_are_read_for_whole_traces(
    halves: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    by_trace = CandidateFinder.by_trace

    def noted(finder: CandidateFinder, limit: int, slices: int = 0) -> Candidates:
        read.append(slices)
        return by_trace(finder, limit, slices)

    monkeypatch.setattr(CandidateFinder, "by_trace", noted)
    assert halves.traces("{ } | count() > 2", limit=3) == [200, 199, 197]
    assert read[0] == 1
    assert all(read)


def assert_first_of_all(lake: Lake, query: str, limit: int, *, more_than: int) -> None:
    """A search with a limit finds the first of the traces that one without finds."""
    every = lake.traces(query)
    assert len(every) > more_than
    assert lake.traces(query, limit=limit) == every[:limit]


def source(lake: Lake) -> BlockScan:
    return BlockScan.find(lake.index, lake.objects, TENANT, 0, 2**63 - 1)


def finder_of(lake: Lake, query: str) -> CandidateFinder:
    blocks = source(lake)
    queries = compile_search(plan_search(validate(parse(query))), blocks.known, ALWAYS.end_ns, 0)
    return CandidateFinder(lake.duck.session(policy=LOOKING_FOR_SLICES), blocks, queries.spans.prefilter, queries)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("limit", [1, 7, 200])
def test_limited_searches_find_the_first_of_all(lake: Lake, query: str, limit: int) -> None:
    assert_first_of_all(lake, query, limit, more_than=7)


@pytest.mark.parametrize("query", QUERIES)
def test_traces_of_the_newest_slices_are_whole_and_others_start_before_the_bound(lake: Lake, query: str) -> None:
    every = {trace_id(number) for number in lake.traces(query)}
    starts = {found.header.trace_id: found.header.start_ns for found in lake.search("{ }")}
    finder = finder_of(lake, query)
    assert len(finder.slice_starts) > 10
    for slices in range(1, len(finder.slice_starts) + 1):
        lot = finder.by_trace(500, slices)
        assert lot.starts.keys() <= every
        assert lot.bound_ns is not None
        assert all(starts[id_] <= lot.bound_ns for id_ in every - lot.starts.keys())
    assert finder.by_trace(500).starts.keys() == every


SIMPLE = ("{ }", "{ status = error }", "{ name = `odd` }", "{ span.n = 1 && name = `even` }", "{ duration > 2s }")


@pytest.mark.parametrize("query", SIMPLE)
@pytest.mark.parametrize("limit", [2, 500])
def test_the_newest_spans_of_slices_are_found_without_duckdb(
    lake: Lake, query: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = finder_of(lake, query)
    every = {found.header.trace_id: found.header.start_ns for found in lake.search(query)}
    assert len(finder.slice_starts) > 10
    monkeypatch.setattr(finder.session, "run", None)
    for slices in (1, 2, 3):
        lot = finder.of_newest_slices(ALWAYS, limit, slices)
        assert lot is not None
        assert lot.starts.keys() <= every.keys()
        assert lot.bound_ns is not None
        assert all(every[id_] <= lot.bound_ns for id_ in every.keys() - lot.starts.keys())
        assert list(lot.starts) == sorted(lot.starts, key=lot.rank)
        assert {id_ for found in lot.slices.values() for id_ in found} == lot.starts.keys()


def test_the_newest_spans_are_left_to_duckdb_where_no_slice_tells_them(lake: Lake) -> None:
    assert finder_of(lake, "{ name =~ `o.*` }").of_newest_slices(ALWAYS, 5) is None
    finder = finder_of(lake, "{ status = error }")
    assert finder.of_newest_slices(TimeRange(finder.slice_starts[0] + 1, ALWAYS.end_ns), 5) is None
    assert finder.of_newest_slices(ALWAYS, 5, 4) is None
    assert finder.of_newest_slices(ALWAYS, 5, 3) is not None


@pytest.mark.parametrize("query", SIMPLE)
@pytest.mark.parametrize("limit", [1, 5, 30])
def test_limited_searches_by_single_spans_find_the_first_of_all(lake: Lake, query: str, limit: int) -> None:
    for end in (40 * SECOND, 90 * SECOND, None):
        bounds = {} if end is None else {"end": end}
        every = lake.traces(query, **bounds)
        assert lake.traces(query, limit=limit, **bounds) == every[:limit]


@pytest.mark.parametrize("query", QUERIES)
def test_limited_searches_of_an_earlier_range_find_the_first_of_all(lake: Lake, query: str) -> None:
    every = lake.traces(query, end=40 * SECOND)
    assert len(every) > 3
    assert lake.traces(query, end=40 * SECOND, limit=3) == every[:3]


@pytest.mark.parametrize("query", QUERIES)
def test_limited_searches_find_the_longest_of_all(lake: Lake, query: str) -> None:
    every = lake.traces(query, order=Order.DURATION)
    assert lake.traces(query, order=Order.DURATION, limit=5) == every[:5]


def test_candidates_of_a_few_slices_are_judged_first(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []

    def counted(session: Session, source: BlockScan, columns: Any, trace_ids: Sequence[bytes], *rest: Any) -> pa.Table:
        judged.append(len(trace_ids))
        return fetch_traces(session, source, columns, trace_ids, *rest)

    query = "{ name = `odd` } >> { status = error }"
    every = lake.traces(query)
    monkeypatch.setattr(judge, "fetch_traces", counted)
    assert lake.traces(query, limit=1) == every[:1]
    assert len(judged) == 1
    assert 1 < judged[0] < 25
