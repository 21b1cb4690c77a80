"""A span that was sent twice, equal in everything, is one span in every answer, whether blocks are merged or not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spanlake.query.engine.session import QueryPolicy, SearchPolicy
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.scan.duplicate_spans import Repeats
from spanlake.store.maintenance.compactor import Compactor
from tests.query.kit import MINUTE, SECOND, At, Lake, steps, trace_id
from tests.query.kit import TENANT as TENANT_

ROOT = At(1, name="root", attributes={"n": 3}, length=2 * SECOND)
CHILD = At(2, 1, name="child", attributes={"n": 4, "list": [1, 2]}, events=[("e", 5, {"x": 1})])
OTHER = At(1, trace=2, name="other", start=SECOND)
WHEN = steps(0, MINUTE, MINUTE)

METRICS = [
    "{ } | count_over_time()",
    "{ } | rate() by (name)",
    "{ } | sum_over_time(span.n)",
    "{ } | quantile_over_time(span.n, .5)",
    "{ } | histogram_over_time(duration)",
    "{ } | sum_over_time(event.x)",
    "{ } | count() = 2 | count_over_time()",
    '{ name = "root" } > { } | count_over_time()',
    "{ span:childCount = 1 } | count_over_time()",
    "{ } | compare({ span.n > 3 })",
    '{ name = "root" } >> { } | compare({ span.n > 3 })',
    "({ } | rate()) + ({ span.n = 3 } | rate())",
]
SEARCHES = [
    "{ } | count() = 2",
    "{ } | sum(span.n) = 7",
    "{ } | by(name) | count() = 1",
    "{ span:childCount = 1 }",
    "{ } ~ { }",
    "{ nestedSetRight = 4 }",
]


def _sent_once(lake: Lake) -> None:
    lake.add(ROOT, CHILD, OTHER)


def _again_beside_others(lake: Lake) -> None:
    lake.add(ROOT, CHILD)
    lake.add(CHILD, OTHER)
    lake.add(OTHER, ROOT, CHILD)


def _twice_in_one_request(lake: Lake) -> None:
    lake.add(ROOT, CHILD, CHILD, OTHER, ROOT)


def _in_different_columns(lake: Lake) -> None:
    """A block that knows of an attribute of which another one has no column."""
    lake.add(ROOT, OTHER)
    lake.add(ROOT, CHILD)


SENT = [_again_beside_others, _twice_in_one_request, _in_different_columns]


@pytest.fixture
def right(tmp_path: Path) -> Iterator[Lake]:
    """The spans, each sent once."""
    lake = Lake(tmp_path / "once")
    _sent_once(lake)
    yield lake
    lake.close()


@pytest.mark.parametrize("send", SENT)
def test_metrics_count_a_repeated_span_once(lake: Lake, right: Lake, send: object) -> None:
    send(lake)  # type: ignore[operator]
    for query in METRICS:
        assert lake.series(query, WHEN) == right.series(query, WHEN), query


@pytest.mark.parametrize("send", SENT)
def test_search_counts_a_repeated_span_once(lake: Lake, right: Lake, send: object) -> None:
    send(lake)  # type: ignore[operator]
    for query in SEARCHES:
        assert lake.search(query) == right.search(query), query


@pytest.mark.parametrize("send", SENT)
def test_narrowed_values_count_children_once(lake: Lake, right: Lake, send: object) -> None:
    send(lake)  # type: ignore[operator]
    assert lake.values("name", "{ span:childCount = 1 }") == right.values("name", "{ span:childCount = 1 }")


def test_spans_that_share_an_id_and_differ_are_two(lake: Lake) -> None:
    lake.add(CHILD)
    lake.add(replace(CHILD, attributes={"n": 4, "list": [1, 3]}))
    lake.add(replace(CHILD, events=[("e", 6, {"x": 1})]))
    lake.add(replace(CHILD, message="late"))
    assert _count(lake) == 4


def test_blocks_that_come_later_are_compared_too(lake: Lake) -> None:
    lake.add(ROOT, CHILD)
    assert _count(lake) == 2
    lake.add(CHILD, OTHER)
    assert _count(lake) == 3
    lake.add(ROOT)
    assert _count(lake) == 3


def test_equal_rows_keep_the_same_one_in_any_order_of_blocks(lake: Lake) -> None:
    lake.add(ROOT, CHILD)
    lake.add(CHILD, OTHER)
    lake.add(ROOT)
    source = BlockScan.find(lake.index, lake.objects, TENANT_, 0, 2**62)
    first, second, _ = source.blocks
    repeats, session = Repeats(), lake.querier.duck.session()
    repeats.left_out(session, source.only([second, first]))
    repeated = repeats.left_out(session, source).repeated
    assert repeated is not None
    rows = {(row["path"], row["row"]) for row in repeated.rows.to_pylist()}
    assert len(rows) == 2


def test_a_span_sent_again_after_its_trace_was_deleted_counts(lake: Lake) -> None:
    lake.add(ROOT, CHILD)
    lake.add(CHILD, OTHER)
    assert _count(lake) == 3
    assert lake.querier.delete(TENANT_, trace_id(1))
    assert _count(lake) == 1
    lake.add(CHILD, At(7, trace=3))
    assert _count(lake) == 3


def test_blocks_that_were_merged_apart_are_compared(lake: Lake) -> None:
    for _ in range(2):
        lake.add(ROOT, CHILD)
        lake.add(CHILD, OTHER)
        compactor = Compactor(lake.objects, lake.index)
        for day in compactor.days():
            for merge in compactor.plan(*day, settle=True):
                assert compactor.run(merge)
        assert _count(lake) == 3


def _count(lake: Lake) -> float | None:
    return sum(value or 0 for (values) in lake.series("{ } | count_over_time()", WHEN).values() for value in values)


def test_repeated_span_stays_once_however_blocks_are_listed(lake: Lake) -> None:
    """Groups found of two blocks are remembered, and hold beside a third one that is compared in another order."""
    for _ in range(3):
        lake.add(At(1))
    source = BlockScan.find(lake.index, lake.objects, TENANT_, 0, 2**63 - 1)
    first, second, third = source.blocks
    repeats, session = Repeats(), lake.duck.session()
    repeats.left_out(session, source.only([first, second]))
    listed = source.only([second, third]).with_spans_of(source.only([first]), [trace_id(1)])
    found = repeats.left_out(session, listed)
    assert session.run(found.table(["span_id"])).num_rows == 1


def test_a_span_counts_once_whatever_blocks_were_compared_first(lake: Lake) -> None:
    lake.add(ROOT, CHILD)
    lake.add(CHILD, replace(OTHER, length=MINUTE))
    lake.add(CHILD)
    lake.use(policy=QueryPolicy(SearchPolicy(part_spans=4)))
    assert sorted(lake.traces("{ } | count() > 0")) == [1, 2]  # compares the blocks of the newest part first
    assert _count(lake) == 3
