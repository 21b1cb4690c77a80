"""The windows that a search reads one after the other."""

from datetime import date
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from spanlake.query.windows import HOUR_NS, PORTION_SPANS, Window, portions, windows
from spanlake.store.index import Block

times = st.integers(0, 40 * HOUR_NS)


def block(start: int, end: int, spans: int = 1) -> Block:
    return Block("t", date(1970, 1, 1), "b", 0, start, end, spans, 1, 0, b"")


def test_portions_grow_from_the_newest_block() -> None:
    blocks = [block(0, end, PORTION_SPANS) for end in (2, 7, 1, 6, 3, 5, 4)]
    assert [[one.end_ns for one in portion.blocks] for portion in portions(blocks)] == [[7], [6, 5, 4, 3], [2, 1]]
    assert all(portion.ids is None for portion in portions(blocks))
    assert list(portions([])) == []


def test_large_blocks_are_cut_by_trace_ids() -> None:
    found = list(portions([block(0, 1, 100 * PORTION_SPANS), block(0, 2)]))
    assert [portion.blocks[0].end_ns for portion in found] == [2, 1, 1, 1]
    ranges = [portion.ids for portion in found if portion.ids is not None]
    assert [ids.low[0] for ids in ranges] == [0, 10, 51]  # 4 %, 16 %, the others
    assert ranges[0].low == bytes(16)
    assert ranges[-1].high is None
    assert all(ids.high == after.low for ids, after in pairwise(ranges))


@given(st.lists(st.integers(1, 200 * PORTION_SPANS), max_size=8))
def test_portions_hold_every_trace_of_every_block_once(sizes: list[int]) -> None:
    blocks = [block(0, n, spans) for n, spans in enumerate(sizes)]
    found = list(portions(blocks))
    for one in blocks:
        ranges = [portion.ids for portion in found if one in portion.blocks]
        if ranges == [None]:
            continue
        cuts = [ids for ids in ranges if ids is not None]
        assert len(cuts) == len(ranges)
        assert cuts[0].low == bytes(16)
        assert cuts[-1].high is None
        assert all(ids.high == after.low for ids, after in pairwise(cuts))


def test_hours_on_the_hour_each_window_longer() -> None:
    blocks = [block(0, 10 * HOUR_NS + 5)]
    found = list(windows(Window(0, 2**63 - 1), blocks))
    assert [(window.start_ns // HOUR_NS, window.end_ns // HOUR_NS) for window in found] == [
        (10, 10),
        (8, 9),
        (4, 7),
        (0, 3),
    ]


def test_nothing_of_no_blocks() -> None:
    assert list(windows(Window(0, HOUR_NS), [])) == []


def test_a_gap_of_years_is_one_step() -> None:
    blocks = [block(5, 6), block(500_000 * HOUR_NS, 500_000 * HOUR_NS + 1)]
    assert len(list(windows(Window(0, 2**63 - 1), blocks))) == 2


@given(st.lists(st.tuples(times, times).map(sorted), max_size=5), st.tuples(times, times).map(sorted))
def test_every_covered_time_is_read_once_newest_first(spans: list[list[int]], bounds: list[int]) -> None:
    blocks = [block(*span) for span in spans]
    found = list(windows(Window(*bounds), blocks))
    edges = {time for span in spans for time in span if bounds[0] <= time <= bounds[1]}
    for time in edges:
        assert sum(window.start_ns <= time <= window.end_ns for window in found) == 1
    assert all(newer.start_ns > older.end_ns for newer, older in pairwise(found))
    assert all(bounds[0] <= window.start_ns <= window.end_ns <= bounds[1] for window in found)
