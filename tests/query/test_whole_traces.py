"""Traces that lie in one block are judged by it alone, those of several by all of them."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import pytest

from spanlake.query import trace_search
from spanlake.query.candidates import CandidateFinder
from spanlake.query.engine.block_cache import BlockCache
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.session import ComparePolicy, QueryPolicy, SearchPolicy
from spanlake.query.limits import Limits
from spanlake.query.scan.block_memo import KnownValues, Misses
from spanlake.query.scan.trace_ids import TraceIds
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.block import Block
from spanlake.store.blocks.trace_columns import FEWEST_SPANS, add_trace_columns
from spanlake.store.days import MAX_NS
from spanlake.store.objects.local import LocalObjects
from tests.query import kit
from tests.query.kit import SECOND, TENANT, At, Lake, one_of

QUERIES = (
    "{ } | count() > 2",
    "{ } | count() = 4",
    "{ status = error } | count() > 1",
    "{ rootName = `odd` && traceDuration > 1s }",
    "{ span.n = 1 } && { span.n = 2 }",
    "{ span:childCount > 1 }",
    "{ span:childCount = 3 }",
    "{ rootName = `odd` && span:childCount = 0 }",
    "{ } | by(name) | count() > 2",
    "{ } | by(span.n) | count() > 1",
)
OF_TREES = (
    "{ name = `odd` } &>> { status = error }",
    "{ nestedSetRight - nestedSetLeft > 3 }",
    "{ parent.name = `odd` }",
)
POLICY = QueryPolicy(SearchPolicy(part_spans=50), ComparePolicy(noted_spans=1))


def _spans() -> Iterator[list[At]]:
    """Requests of a hundred traces of two to four spans. Every tenth trace has a span in a request of another time."""
    late: list[At] = []
    for trace in range(1, 101):
        of_trace = [
            one_of(trace, n, trace * SECOND + n, fails=trace % 7 == n or trace % 20 == 0, number=n % 3)
            for n in range(2 + trace % 3)
        ]
        if trace % 10 == 0:
            late.append(of_trace.pop())
        yield of_trace
    yield late


@pytest.fixture(scope="module", params=[1, FEWEST_SPANS], ids=["trace columns", "no trace columns"])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = Lake(tmp_path_factory.mktemp("whole"))
    requests = list(_spans())
    for first in range(0, len(requests), 9):
        table = decode([kit.request(span for spans in requests[first : first + 9] for span in spans)]).table
        lake.add_table(add_trace_columns(table) if table.num_rows >= request.param else table)
    lake.use(policy=POLICY)
    yield lake
    lake.close()


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("limit", [1, 7, 200])
def test_traces_of_one_block_and_of_several_are_found(
    lake: Lake, query: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lake.traces(query, limit=limit)
    assert found
    monkeypatch.setattr(trace_search, "shared_traces", lambda *_, **__: None)
    assert lake.traces(query, limit=limit) == found


class _Far(LocalObjects):
    """Objects that are named as those in S3 are."""

    def uri(self, path: str) -> str:
        return f"file://{super().uri(path)}"


class _Copies(BlockCache):
    """Tells which blocks were asked for."""

    def __init__(self, objects: LocalObjects) -> None:
        super().__init__(objects, seconds=60)
        self.asked: set[str] = set()

    def paths(self, blocks: Sequence[Block], check: Callable[[], None], *, sequential: bool = False) -> list[str]:
        self.asked.update(block.path for block in blocks)
        return super().paths(blocks, check, sequential=sequential)


@dataclass(frozen=True)
class Far:
    """A lake whose blocks are copied before they are read."""

    lake: Lake
    copies: _Copies


@pytest.fixture
def far(lake: Lake) -> Iterator[Far]:
    objects = _Far(Path(lake.objects.name))
    copies = _Copies(objects)
    duck = DuckDB([str(copies.directory)], Limits(threads=1))
    far = copy(lake)
    far.use(objects=objects, duck=duck, copies=copies, trace_ids=TraceIds(), misses=Misses(), values=KnownValues())
    yield Far(far, copies)
    duck.close()


@pytest.mark.parametrize("query", [*QUERIES, *OF_TREES])
@pytest.mark.parametrize("limit", [1, 7, 200])
def test_traces_of_far_blocks_are_found_as_those_of_near_ones(lake: Lake, far: Far, query: str, limit: int) -> None:
    found = lake.traces(query, limit=limit)
    assert found
    assert far.lake.traces(query, limit=limit) == found


@pytest.mark.parametrize("query", ["{ } | by(span.n) | count() > 1", "{ } | count() > 2", "{ span:childCount > 1 }"])
def test_older_far_blocks_are_not_read_for_a_few_new_traces(far: Far, query: str) -> None:
    assert len(far.lake.traces(query, limit=2)) == 2
    assert len(far.copies.asked) <= 5 < len(far.lake.index.find(TENANT, 0, MAX_NS))


@pytest.mark.parametrize("place", ["near", "far"])
def test_counted_traces_are_found_without_a_look_at_single_spans(
    lake: Lake, far: Far, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_needed(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(CandidateFinder, "newest", not_needed)
    asked = lake if place == "near" else far.lake
    assert asked.traces("{ } | count() = 4", end=20 * SECOND) == [20, 17, 14, 11, 8, 5, 2]
    assert asked.traces("{ } | by(name) | count() > 3", limit=2) == [98, 95]
