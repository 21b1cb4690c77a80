"""More blocks than a request may open: searches go without the oldest, counts are refused or partial by a setting."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded, Limits
from spanlake.query.policy import QueryPolicy, SearchPolicy
from spanlake.query.querier import Querier
from spanlake.query.scan.block_budget import UNREAD, Unread
from spanlake.query.scan.missing_blocks import MissingBlocks
from spanlake.store.blocks.block import Block
from tests.query.kit import SECOND, TENANT, At, Lake, steps, trace_id

BLOCKS = 12
MOST = 5
APART = 100 * SECOND  # more than searches look beyond their range


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """Twelve blocks with a trace each, at some distance, of which a request may open five."""
    lake = Lake(tmp_path, Limits(threads=1, blocks=MOST))
    for number in range(1, BLOCKS + 1):
        lake.add(At(number, trace=number, start=number * APART, attributes={"n": number}))
    yield lake
    lake.close()


@contextmanager
def noted() -> Iterator[Unread]:
    """Notes what answers go without meanwhile."""
    unread = Unread()
    token = UNREAD.set(unread)
    yield unread
    UNREAD.reset(token)


def partial_answers(lake: Lake) -> None:
    lake.use(missing=MissingBlocks(left_out=True))


def test_search_that_the_newest_blocks_answer_is_whole(lake: Lake) -> None:
    with noted() as unread:
        assert sorted(lake.traces("{}", limit=MOST - 1)) == list(range(BLOCKS - MOST + 2, BLOCKS + 1))
    assert unread.message == ""


def test_search_that_reaches_the_bound_says_what_it_goes_without(lake: Lake) -> None:
    with noted() as unread:
        assert sorted(lake.traces("{}")) == list(range(BLOCKS - MOST + 1, BLOCKS + 1))
        assert len(unread.paths) == BLOCKS - MOST
    assert "the oldest 7 of 12 blocks were not read" in unread.message
    with noted() as unread:
        assert sorted(lake.traces("{ span.n < 4 }")) == []
    assert len(unread.paths) == BLOCKS - MOST


def test_search_of_a_shorter_range_is_whole(lake: Lake) -> None:
    with noted() as unread:
        assert sorted(lake.traces("{}", start=APART, end=4 * APART)) == [1, 2, 3, 4]
    assert not unread.paths


def test_search_of_a_range_opens_its_blocks_before_those_after_it(lake: Lake) -> None:
    for number in range(1, BLOCKS):
        lake.add(At(100 + number, trace=100 + number, start=4 * APART + number * SECOND))
    assert sorted(lake.traces("{}", start=2 * APART, end=4 * APART)) == [2, 3, 4]


def test_search_never_opens_more_blocks_than_the_bound(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: set[str] = set()
    files: Callable[..., list[str]] = Querier._files

    def counted(querier: Querier, session: object, blocks: list[Block], **more: bool) -> list[str]:
        opened.update(block.path for block in blocks)
        return files(querier, session, blocks, **more)

    monkeypatch.setattr(Querier, "_files", counted)
    for query in ("{}", "{ span.n < 4 }", "{} | count() > 1", "{} >> {}", "{} | select(span.n)"):
        lake.traces(query)
    assert len(opened) == MOST


def test_search_of_many_blocks_ends_when_half_of_its_time_is_up(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "is_half_over", True)
    lake.use(policy=QueryPolicy(SearchPolicy(part_blocks=2)))
    with noted() as unread:
        assert len(lake.traces("{}")) == MOST
    lake.use(policy=QueryPolicy(SearchPolicy(part_blocks=2, many_blocks=3)))
    with noted() as unread:
        assert sorted(lake.traces("{}")) == [BLOCKS - 1, BLOCKS]
    assert "the oldest 10 of 12 blocks" in unread.message


def test_trace_is_found_in_any_block(lake: Lake) -> None:
    assert all(lake.querier.trace(TENANT, trace_id(number)) for number in range(1, BLOCKS + 1))


def test_metrics_over_too_many_blocks_are_refused_with_what_to_do(lake: Lake) -> None:
    with pytest.raises(LimitExceeded, match=r"open more than 5 blocks, as many as 12.*--partial-answers"):
        lake.series("{} | count_over_time()", steps(0, 20 * APART, APART))


def test_metrics_are_partial_by_a_setting(lake: Lake) -> None:
    partial_answers(lake)
    with noted() as unread:
        (found,) = lake.series("{} | count_over_time()", steps(0, 20 * APART, APART)).values()
        assert sum(filter(None, found)) == MOST
    assert len(unread.paths) == BLOCKS - MOST


def test_metrics_of_a_shorter_range_are_whole(lake: Lake) -> None:
    """Also where the day has more blocks, all of them newer."""
    for partial in (False, True):
        if partial:
            partial_answers(lake)
        with noted() as unread:
            (found,) = lake.series("{} | count_over_time()", steps(0, 4 * APART, APART)).values()
            assert sum(filter(None, found)) == 4
        assert not unread.paths


def test_tag_values_over_too_many_blocks_are_refused_or_partial(lake: Lake) -> None:
    with pytest.raises(LimitExceeded, match="open more than 5 blocks"):
        lake.values("span.n")
    partial_answers(lake)
    with noted() as unread:
        assert len(lake.values("span.n")) == MOST
    assert len(unread.paths) == BLOCKS - MOST
