"""Searches among many traces that start at once: the ids decide which are wanted, before any are judged."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from sqlglot import exp

from spanlake.query.compile.spans import ROW_ID
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.session import QueryPolicy, SearchPolicy
from spanlake.query.limits import Limits
from spanlake.store.blocks.block import arrival_order
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import MergePolicy
from tests.query.kit import MS, SECOND, TENANT, At, Lake

TRACES = 2000
LIMIT = 5
FEW = 300
"""Traces that a search may judge, however many start at once: 128 at a time where it is not certain that they match."""
QUERIES = (
    "{ }",
    '{ name = "root" }',
    "{ span.n = 1 }",
    "{ } | count() > 0",
    '{ rootName = "root" }',
    '{ name = "root" } && { span.n = 1 }',
    "{ trace:duration < 1h }",
    "{ span:childCount = 1 }",
)


class CountingDuckDB(DuckDB):
    """Counts the spans that are fetched to judge traces."""

    fetched = 0

    def run(
        self, query: exp.Query, outputs: pa.Schema | None, check: Callable[[], None], *, large: bool = False
    ) -> pa.Table:
        found = super().run(query, outputs, check, large=large)
        self.fetched += found.num_rows if ROW_ID in found.column_names else 0
        return found


def counting(folder: Path) -> Lake:
    lake = Lake(folder)
    lake.duck.close()
    lake.duck = CountingDuckDB([str(folder.resolve())], Limits(threads=1))
    lake.use(duck=lake.duck)
    return lake


def one_of(trace: int, after: int = 0) -> Sequence[At]:
    """Return the two spans of a trace, of which the second starts so long after the first."""
    root, child = 2 * trace, 2 * trace + 1
    return (
        At(root, name="root", trace=trace),
        At(child, root, name="child", trace=trace, start=after, attributes={"n": 1}),
    )


def stored(lake: Lake, blocks: int, after: int = 0) -> None:
    """Store the traces, the ids of each block spread over all."""
    for number in range(blocks):
        lake.add(*(span for trace in range(TRACES, 0, -1) if trace % blocks == number for span in one_of(trace, after)))


def compacted(lake: Lake) -> None:
    found = tuple(sorted(lake.index.find(TENANT, 0, 2**63 - 1), key=arrival_order))
    in_slices = MergePolicy(sliced_spans=1, row_group_spans=200)
    assert Compactor(lake.objects, lake.index, merge_policy=in_slices).run(Merge(found))


def one_block(lake: Lake) -> None:
    stored(lake, 1)


def several_parts(lake: Lake) -> None:
    stored(lake, 8)
    lake.use(policy=QueryPolicy(SearchPolicy(part_spans=600)))


def slices(lake: Lake) -> None:
    stored(lake, 3)
    compacted(lake)
    lake.use(policy=QueryPolicy(SearchPolicy(sliced_spans=1)))


def slices_and_others(lake: Lake) -> None:
    stored(lake, 3)
    compacted(lake)
    lake.add(*(span for trace in range(TRACES + 1, TRACES + 200) for span in one_of(trace)))


@pytest.fixture(
    params=[one_block, several_parts, slices, slices_and_others], ids=lambda made: made.__name__, scope="module"
)
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = counting(tmp_path_factory.mktemp("equal"))
    request.param(lake)
    yield lake
    lake.close()


@pytest.mark.parametrize("query", QUERIES)
def test_few_of_many_traces_that_start_at_once_are_judged(lake: Lake, query: str) -> None:
    assert fetched(lake, query) <= 2 * FEW


@pytest.mark.parametrize("query", ['{ name = "root" }', "{ } | count() > 0", '{ name = "root" } && { span.n = 1 }'])
@pytest.mark.parametrize("blocks", [1, 4])
def test_few_are_judged_where_other_spans_start_later(tmp_path: Path, query: str, blocks: int) -> None:
    lake = counting(tmp_path)
    stored(lake, blocks, after=MS)
    assert fetched(lake, query) <= 2 * FEW
    lake.close()


def test_traces_after_the_range_are_not_judged_where_all_spans_count(tmp_path: Path) -> None:
    lake = counting(tmp_path)
    lake.add(*(At(n, trace=n, start=n * MS) for n in range(1, 1001)))
    lake.add(At(2001, 7, trace=7, start=2 * SECOND))  # of a trace that begins in the range
    assert isinstance(lake.duck, CountingDuckDB)
    assert lake.traces("{ }", limit=3, end=9 * MS) == [9, 8, 7]
    assert lake.duck.fetched <= FEW
    lake.close()


def fetched(lake: Lake, query: str) -> int:
    """Return the number of spans that a search fetches to judge traces."""
    assert isinstance(lake.duck, CountingDuckDB)
    before = lake.duck.fetched
    assert lake.traces(query, limit=LIMIT) == [1, 2, 3, 4, 5]
    return lake.duck.fetched - before
