"""Which blocks are merged: laws over any blocks, and days played through."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanlake.store.blocks.block import Block, arrival_order
from spanlake.store.days import DAY_NS, utc_day
from spanlake.store.maintenance.compaction_plan import (
    FAN_IN,
    FRESH_SPANS,
    FULL_BYTES,
    FULL_SPANS,
    MOST_INPUTS,
    Merge,
    plan,
)
from tests.store.tables import HOUR, NOON

MIDNIGHT = NOON - 12 * HOUR
SECOND = 10**9
NAMES = map("{:032x}".format, itertools.count())


def block(
    spans: int, start_ns: int = NOON, *, level: int = 0, size: int | None = None, delay_ns: int = SECOND
) -> Block:
    size = 50 * spans if size is None else size
    day = utc_day(start_ns)
    return Block("a", day, next(NAMES), level, start_ns, start_ns + SECOND, spans, size, start_ns + delay_ns, b"")


def run(*, count: int, spans: int, seconds: int = 1, level: int = 0, start_ns: int = NOON) -> list[Block]:
    return [block(spans, start_ns + number * seconds * SECOND, level=level) for number in range(count)]


def merged(merge: Merge, size_of: Callable[[int], int] = lambda spans: 50 * spans) -> Block:
    """Returns the block that a merge makes when no span is there twice."""
    first = merge.inputs[0]
    return replace(
        first,
        id=next(NAMES),
        level=max(one.level for one in merge.inputs) + 1,
        start_ns=min(one.start_ns for one in merge.inputs),
        end_ns=max(one.end_ns for one in merge.inputs),
        spans=merge.spans,
        size=size_of(merge.spans),
        created_ns=min(one.created_ns for one in merge.inputs),
        hidden=frozenset(),
    )


def shape(merges: list[Merge]) -> list[int]:
    return [len(merge.inputs) for merge in merges]


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(run(count=1, spans=100), [], id="one block"),
        pytest.param(run(count=FAN_IN - 1, spans=100), [], id="too few of a tier"),
        pytest.param(run(count=FAN_IN, spans=100), [FAN_IN], id="enough of a tier"),
        pytest.param(run(count=300, spans=100), [60, 80, 80, 80], id="many have piled up"),
        pytest.param(
            run(count=FAN_IN - 1, spans=100) + run(count=5, spans=5000, level=1), [], id="tiers are not mixed"
        ),
        pytest.param(run(count=21, spans=100_000, level=2), [20], id="as many as make a full block"),
        pytest.param(run(count=20, spans=100_000, level=2), [], id="not yet full"),
        pytest.param(run(count=40, spans=FULL_SPANS // 2, level=3), [], id="what is half full stays"),
        pytest.param(run(count=5, spans=50_000), [2, 2], id="fresh blocks are merged in memory"),
        pytest.param(run(count=2, spans=FRESH_SPANS), [1], id="a fresh one too large to share is sorted"),
        pytest.param(run(count=40, spans=100, seconds=3700), [], id="too far apart"),
        pytest.param(
            [block(100, NOON + number, delay_ns=(number % 2) * 5 * HOUR) for number in range(2 * FAN_IN - 2)],
            [],
            id="late ones and others",
        ),
        pytest.param(
            [block(100, NOON + number, delay_ns=(number % 2) * 5 * HOUR) for number in range(2 * FAN_IN)],
            [FAN_IN, FAN_IN],
            id="late ones are merged with their like",
        ),
    ],
)
def test_while_the_day_goes_on(blocks: list[Block], expected: list[int]) -> None:
    assert sorted(shape(plan(blocks, NOON + HOUR))) == expected


def test_blocks_that_are_large_in_bytes_are_full_too() -> None:
    heavy = [block(1000, NOON + number, size=FULL_BYTES // 4) for number in range(9)]
    assert plan([replace(one, size=FULL_BYTES // 2) for one in heavy], NOON, settle=True) == []
    merges = plan([replace(one, level=1) for one in heavy], NOON)
    assert shape(merges) == [4, 4]
    assert all(merge.size <= FULL_BYTES for merge in merges)


@pytest.mark.parametrize(
    ("now_ns", "expected"),
    [
        (MIDNIGHT + DAY_NS + HOUR - 1, []),
        (MIDNIGHT + DAY_NS + HOUR, [3]),
    ],
)
def test_a_day_that_is_over_is_settled(now_ns: int, expected: list[int]) -> None:
    assert shape(plan(run(count=3, spans=100), now_ns)) == expected


def test_a_day_to_which_something_is_added_is_not_over() -> None:
    late = [block(100, NOON + number, delay_ns=30 * HOUR) for number in range(3)]
    assert plan(late, NOON + 30 * HOUR + 800 * SECOND) == []
    assert shape(plan(late, NOON + 30 * HOUR + 1000 * SECOND)) == [3]


def test_what_hides_something_is_rewritten_at_once() -> None:
    hiding = replace(block(FULL_SPANS), hidden=frozenset({b"t" * 16}))
    assert plan([hiding, block(100)], NOON) == [Merge((hiding,))]
    small = replace(block(100), hidden=frozenset({b"t" * 16}))
    (both,) = plan([small, *run(count=FAN_IN, spans=100)], NOON)
    assert small in both.inputs


blocks_of_a_day = st.lists(
    st.builds(
        block,
        st.one_of(st.integers(1, 200), st.integers(1, FULL_SPANS + 1)),
        st.integers(MIDNIGHT, MIDNIGHT + DAY_NS - 1),
        level=st.integers(0, 3),
        delay_ns=st.integers(0, 3 * HOUR),
    ),
    max_size=120,
)


@settings(max_examples=60, deadline=None)
@given(blocks_of_a_day, st.booleans())
def test_merges_can_be_carried_out(blocks: list[Block], settle: bool) -> None:
    merges = plan(blocks, NOON, settle=settle)
    inputs = [one.id for merge in merges for one in merge.inputs]
    assert len(inputs) == len(set(inputs)), "no block is in two merges"
    assert merges == plan(blocks[::-1], NOON, settle=settle), "the order of the list does not count"
    for merge in merges:
        assert 1 <= len(merge.inputs) <= MOST_INPUTS
        assert list(merge.inputs) == sorted(merge.inputs, key=arrival_order)
        if len(merge.inputs) > 1:
            assert merge.spans <= FULL_SPANS
            assert sum(one.spans for one in merge.inputs if one.level == 0) <= FRESH_SPANS
        else:
            assert merge.inputs[0].level == 0


@settings(max_examples=40, deadline=None)
@given(blocks_of_a_day)
def test_a_settled_day_ends_in_few_sorted_blocks(blocks: list[Block]) -> None:
    spans = sum(one.spans for one in blocks)
    while merges := plan(blocks, NOON, settle=True):
        gone = {one.id for merge in merges for one in merge.inputs}
        blocks = [one for one in blocks if one.id not in gone] + [merged(merge) for merge in merges]
    assert sum(one.spans for one in blocks) == spans
    partial = [one for one in blocks if 2 * one.spans < FULL_SPANS]
    assert len(partial) <= 1
    assert all(one.level for one in partial)


def arriving(per_second: float, spans: int, hours: float) -> Iterator[Block]:
    for number in range(int(hours * 3600 * per_second)):
        yield block(spans, MIDNIGHT + int(number / per_second * SECOND), size=20_000)


@pytest.mark.parametrize(
    ("per_second", "spans", "hours", "most_live", "most_left"),
    [
        pytest.param(1, 100, 6, 100, 2, id="a request a second"),
        pytest.param(100, 100, 0.1, 250, 3, id="a hundred requests a second"),
        pytest.param(0.02, 100, 24, 80, 1, id="a request now and then"),
        pytest.param(0.5, 30_000, 2, 110, 110, id="large requests"),
    ],
)
def test_a_day_played_through(per_second: float, spans: int, hours: float, most_live: int, most_left: int) -> None:
    """Every span is written four times at most, there are never many blocks, and few are left in the end."""
    live: list[Block] = []
    written = received = peak = 0
    for number, fresh in enumerate(arriving(per_second, spans, hours)):
        live.append(fresh)
        received += fresh.spans
        peak = max(peak, len(live))
        if number % 16 == 0:
            live, more = played(live, fresh.created_ns)
            written += more
    live, more = played(live, MIDNIGHT + DAY_NS + 2 * HOUR)
    assert received + written + more <= 4 * received
    assert peak <= most_live
    assert len(live) <= most_left


def played(live: list[Block], now_ns: int) -> tuple[list[Block], int]:
    """The blocks after all merges that are due, and how many spans these wrote."""
    written = 0
    while merges := plan(live, now_ns):
        gone = {one.id for merge in merges for one in merge.inputs}
        live = [one for one in live if one.id not in gone] + [merged(merge) for merge in merges]
        written += sum(merge.spans for merge in merges)
    return live, written


def test_blocks_of_a_busy_day_cover_an_hour_each_or_so() -> None:
    live: list[Block] = []
    for number, fresh in enumerate(arriving(1, 400, 8)):
        live.append(fresh)
        if number % 16 == 0:
            live, _ = played(live, fresh.created_ns)
    hour = (MIDNIGHT + 3 * HOUR, MIDNIGHT + 4 * HOUR)
    assert len([one for one in live if one.start_ns <= hour[1] and one.end_ns >= hour[0]]) <= 3


@pytest.mark.parametrize(
    ("uncompressed_size", "level", "expected"),
    [
        pytest.param(48 << 20, 0, [1] * 39, id="each fresh block is sorted by itself"),
        pytest.param(16 << 20, 0, [4] * 9, id="fresh blocks that fit in memory"),
        pytest.param(1 << 20, 0, [40], id="small ones"),
        pytest.param(48 << 20, 1, [21], id="sorted blocks are read a stretch at a time"),
        pytest.param(600 << 20, 1, [], id="what is half full in memory stays"),
    ],
)
def test_plan_bounds_the_bytes_in_memory(uncompressed_size: int, level: int, expected: list[int]) -> None:
    blocks = [
        replace(one, uncompressed_size=uncompressed_size, size=200_000) for one in run(count=40, spans=800, level=level)
    ]
    assert shape(plan(blocks, NOON)) == expected
