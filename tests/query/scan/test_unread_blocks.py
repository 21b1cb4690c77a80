"""Blocks that answers go without: beyond the number that a request may open, and those whose objects are gone."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from spanlake.query.engine.session import QueryPolicy, SearchPolicy, Session
from spanlake.query.limits import LimitExceeded, Limits
from spanlake.query.querier import Querier
from spanlake.query.scan.unread_blocks import UNREAD, MissingBlocks, Unread
from spanlake.store.blocks.block import Block
from spanlake.store.days import DAY_NS
from spanlake.store.errors import BlockMissing, StorageUnavailable
from spanlake.store.maintenance.clock import is_trusted
from spanlake.store.objects.base import ObjectInfo
from spanlake.store.objects.local import LocalObjects
from tests.patches import patch_here
from tests.query.kit import NOON, SECOND, TENANT, At, Lake, steps, trace_id

BLOCKS = 12
MOST = 5
APART = 100 * SECOND  # more than searches look beyond their range


@pytest.fixture
def lagging(tmp_path: Path) -> Iterator[Lake]:
    """Twelve blocks with a trace each, at some distance, of which a request may open five."""
    lagging = Lake(tmp_path, Limits(threads=1, blocks=MOST))
    for number in range(1, BLOCKS + 1):
        lagging.add(At(number, trace=number, start=number * APART, attributes={"n": number}))
    yield lagging
    lagging.close()


@contextmanager
def noted() -> Iterator[Unread]:
    """Notes what answers go without meanwhile."""
    unread = Unread()
    token = UNREAD.set(unread)
    yield unread
    UNREAD.reset(token)


def partial_answers(lagging: Lake) -> None:
    lagging.use(missing=MissingBlocks(left_out=True))


def test_search_that_the_newest_blocks_answer_is_whole(lagging: Lake) -> None:
    with noted() as unread:
        assert sorted(lagging.traces("{}", limit=MOST - 1)) == list(range(BLOCKS - MOST + 2, BLOCKS + 1))
    assert unread.message == ""


def test_search_that_reaches_the_bound_says_what_it_goes_without(lagging: Lake) -> None:
    with noted() as unread:
        assert sorted(lagging.traces("{}")) == list(range(BLOCKS - MOST + 1, BLOCKS + 1))
        assert len(unread.paths) == BLOCKS - MOST
    assert "the oldest 7 of 12 blocks were not read" in unread.message
    with noted() as unread:
        assert sorted(lagging.traces("{ span.n < 4 }")) == []
    assert len(unread.paths) == BLOCKS - MOST


def test_search_of_a_shorter_range_is_whole(lagging: Lake) -> None:
    with noted() as unread:
        assert sorted(lagging.traces("{}", start=APART, end=4 * APART)) == [1, 2, 3, 4]
    assert not unread.paths


def test_search_of_a_range_opens_its_blocks_before_those_after_it(lagging: Lake) -> None:
    for number in range(1, BLOCKS):
        lagging.add(At(100 + number, trace=100 + number, start=4 * APART + number * SECOND))
    assert sorted(lagging.traces("{}", start=2 * APART, end=4 * APART)) == [2, 3, 4]


def test_search_never_opens_more_blocks_than_the_bound(lagging: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: set[str] = set()
    files: Callable[..., list[str]] = Querier._files

    def counted(querier: Querier, session: object, blocks: list[Block], **more: bool) -> list[str]:
        opened.update(block.path for block in blocks)
        return files(querier, session, blocks, **more)

    monkeypatch.setattr(Querier, "_files", counted)
    for query in ("{}", "{ span.n < 4 }", "{} | count() > 1", "{} >> {}", "{} | select(span.n)"):
        lagging.traces(query)
    assert len(opened) == MOST


def test_search_of_many_blocks_ends_when_half_of_its_time_is_up(lagging: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "is_half_over", True)
    lagging.use(policy=QueryPolicy(SearchPolicy(part_blocks=2)))
    with noted() as unread:
        assert len(lagging.traces("{}")) == MOST
    lagging.use(policy=QueryPolicy(SearchPolicy(part_blocks=2, many_blocks=3)))
    with noted() as unread:
        assert sorted(lagging.traces("{}")) == [BLOCKS - 1, BLOCKS]
    assert "the oldest 10 of 12 blocks" in unread.message


def test_trace_is_found_in_any_block(lagging: Lake) -> None:
    assert all(lagging.querier.trace(TENANT, trace_id(number)) for number in range(1, BLOCKS + 1))


def test_metrics_over_too_many_blocks_are_refused_with_what_to_do(lagging: Lake) -> None:
    with pytest.raises(LimitExceeded, match=r"open more than 5 blocks, as many as 12.*--partial-answers"):
        lagging.series("{} | count_over_time()", steps(0, 20 * APART, APART))


def test_metrics_are_partial_by_a_setting(lagging: Lake) -> None:
    partial_answers(lagging)
    with noted() as unread:
        (found,) = lagging.series("{} | count_over_time()", steps(0, 20 * APART, APART)).values()
        assert sum(filter(None, found)) == MOST
    assert len(unread.paths) == BLOCKS - MOST


def test_metrics_of_a_shorter_range_are_whole(lagging: Lake) -> None:
    """Also where the day has more blocks, all of them newer."""
    for partial in (False, True):
        if partial:
            partial_answers(lagging)
        with noted() as unread:
            (found,) = lagging.series("{} | count_over_time()", steps(0, 4 * APART, APART)).values()
            assert sum(filter(None, found)) == 4
        assert not unread.paths


def test_tag_values_over_too_many_blocks_are_refused_or_partial(lagging: Lake) -> None:
    with pytest.raises(LimitExceeded, match="open more than 5 blocks"):
        lagging.values("span.n")
    partial_answers(lagging)
    with noted() as unread:
        assert len(lagging.values("span.n")) == MOST
    assert len(unread.paths) == BLOCKS - MOST


class ListedLate(LocalObjects):
    """Objects with which something happens before each listing."""

    def __init__(self, root: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(root)
        self._meanwhile = meanwhile

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._meanwhile()
        yield from super().list(prefix)


def asked(
    lake: Lake, directory: Path, meanwhile: Callable[[], None], missing: MissingBlocks | None = None
) -> list[int]:
    """Returns the traces of all spans, while something happens each time that objects are listed."""
    objects = ListedLate(directory, meanwhile)
    judging = missing or MissingBlocks()
    lake.querier = Querier(lake.index, objects, lake.duck, lake.querier.sizes, missing=judging)
    return sorted(lake.traces("{}"))


def put_in_place(lake: Lake, removed: Sequence[Block], id_: str) -> Block:
    """Put a block of the same content in the place of others, whose objects are deleted."""
    content = lake.objects.get(removed[0].path)
    added = replace(removed[0], id=id_, level=removed[0].level + 1)
    lake.objects.put(added.path, content)
    lake.index.replace([added], removed)
    for block in removed:
        lake.objects.delete(block.path)
    return added


def with_one_missing(lake: Lake) -> str:
    """Adds two traces, takes away the object of the first, and returns its path."""
    (gone,) = lake.add(At(1, trace=1))
    lake.add(At(2, trace=2))
    lake.objects.delete(gone.path)
    return gone.path


def test_missing_block_is_left_out_when_retention_explains_it(lake: Lake, tmp_path: Path) -> None:
    assert is_trusted(lake.index, time.time_ns())  # as maintenance notes
    with_one_missing(lake)
    assert asked(lake, tmp_path, lambda: None, MissingBlocks(timedelta(days=1))) == [2]


@pytest.mark.parametrize("is_noted", [True, False], ids=["maintenance has run", "maintenance has not run"])
def test_clock_that_jumped_explains_no_missing_block(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_noted: bool
) -> None:
    path = with_one_missing(lake)
    if is_noted:
        assert is_trusted(lake.index, NOON)
    patch_here(monkeypatch, time, "time_ns", lambda: NOON + 365 * DAY_NS)
    with pytest.raises(BlockMissing, match=re.escape(path)):
        asked(lake, tmp_path, lambda: None, MissingBlocks(timedelta(days=4)))


@pytest.mark.parametrize("retention", [None, timedelta(days=100_000)])
def test_missing_block_is_an_error_that_names_it(lake: Lake, tmp_path: Path, retention: timedelta | None) -> None:
    path = with_one_missing(lake)
    with pytest.raises(BlockMissing, match=re.escape(path)):
        asked(lake, tmp_path, lambda: None, MissingBlocks(retention))


def test_missing_block_is_counted_and_left_out_by_setting(
    lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with_one_missing(lake)
    counted: list[int] = []
    assert asked(lake, tmp_path, lambda: None, MissingBlocks(left_out=True, count=counted.append)) == [2]
    assert counted == [1]
    assert "live blocks have no objects" in caplog.text


def test_a_block_that_was_replaced_while_objects_were_listed_is_found_again(lake: Lake, tmp_path: Path) -> None:
    (first,) = lake.add(At(1, trace=1))
    (other,) = lake.add(At(2, trace=2))
    lake.objects.delete(other.path)  # so that a query fails and looks for what is there
    lives = [first]

    def replace_once() -> None:
        if len(lives) == 1:
            lives.append(put_in_place(lake, lives, "aa"))

    assert asked(lake, tmp_path, replace_once, MissingBlocks(left_out=True)) == [1]


def test_blocks_that_are_replaced_all_the_time(lake: Lake, tmp_path: Path) -> None:
    live = lake.add(At(1, trace=1))
    (gone,) = lake.add(At(2, trace=2))
    lake.objects.delete(gone.path)

    def replace_always() -> None:
        live.append(put_in_place(lake, live[-1:], f"{len(live):02x}"))

    with pytest.raises(StorageUnavailable, match="try again"):
        asked(lake, tmp_path, replace_always)
