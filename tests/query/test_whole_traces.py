"""Traces that lie in one block are judged by it alone, those of several by all of them."""

from collections.abc import Iterator

import pytest

from spanlake.query import trace_search
from spanlake.query.candidates import CandidateFinder
from spanlake.query.policy import ComparePolicy, QueryPolicy, SearchPolicy
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.trace_columns import FEWEST_SPANS, add_trace_columns
from tests.query import kit
from tests.query.kit import SECOND, At, Lake

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
POLICY = QueryPolicy(SearchPolicy(part_spans=50), ComparePolicy(noted_spans=1))


def _spans() -> Iterator[list[At]]:
    """Requests of a hundred traces of two to four spans. Every tenth trace has a span in a request of another time."""
    late: list[At] = []
    for trace in range(1, 101):
        of_trace = [
            At(
                trace * 10 + n,
                trace * 10 if n else 0,
                trace=trace,
                name="odd" if trace % 2 else "even",
                start=trace * SECOND + n,
                length=trace % 5 * SECOND,
                status=2 if trace % 7 == n or trace % 20 == 0 else None,
                attributes={"n": n % 3},
            )
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
    monkeypatch.setattr(trace_search, "shared_traces", lambda *_: None)
    assert lake.traces(query, limit=limit) == found


def test_counted_traces_are_found_without_a_look_at_single_spans(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_needed(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(CandidateFinder, "newest", not_needed)
    assert lake.traces("{ } | count() = 4", end=20 * SECOND) == [20, 17, 14, 11, 8, 5, 2]
