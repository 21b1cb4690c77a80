"""Tests the contract of every index."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanlake.store.blocks.block import MAX_REPLACED, Block, CatalogEntry, DaySummary
from spanlake.store.days import DAY_NS, MAX_NS, MIN_NS, utc_day
from spanlake.store.errors import IndexConflict
from spanlake.store.index.base import Index, id_ranges
from tests.store.tables import HOUR, NOON

TODAY = date(2026, 11, 22)
METHOD = CatalogEntry("span", "http.method", "string")
STATUS = CatalogEntry("span", "http.status_code", "int")
TRACE, OTHER_TRACE = bytes(range(16)), bytes(range(1, 17))


def block(name: str, start_ns: int = NOON, end_ns: int | None = None, tenant: str = "a", level: int = 0) -> Block:
    end_ns = start_ns + HOUR if end_ns is None else end_ns
    day = utc_day(start_ns)
    return Block(
        tenant,
        day,
        name,
        level,
        start_ns,
        end_ns,
        10,
        1000,
        NOON + 5,
        b"filter of " + name.encode(),
        uncompressed_size=4000,
    )


def everything(index: Index, tenant: str = "a") -> list[Block]:
    return index.find(tenant, MIN_NS, MAX_NS)


def test_a_new_index_is_empty(index: Index) -> None:
    assert everything(index) == []
    assert index.catalog("a", MIN_NS, MAX_NS) == frozenset()
    assert index.tenants() == []
    assert index.summary() == []


def test_what_was_added_is_found_whole(index: Index) -> None:
    added = block("1", start_ns=NOON, end_ns=NOON + 3 * DAY_NS)
    index.add([added], {})
    assert everything(index) == [added]


def test_what_was_added_is_found_by_whoever_opens_the_index_next(open_index: Callable[[], Index]) -> None:
    first = open_index()
    first.add([block("1")], {("a", TODAY): frozenset({METHOD})})
    first.close()
    second = open_index()
    assert everything(second) == [block("1")]
    assert second.catalog("a", NOON, NOON) == {METHOD}
    second.close()


def test_a_path_names_tenant_day_and_block() -> None:
    assert block("0a1b").path == "spans/tenant=a/date=2026-11-22/0a1b.parquet"
    assert block("0a1b", tenant="*'x").path == "spans/tenant=%2A%27x/date=2026-11-22/0a1b.parquet"


def test_adding_twice_is_adding_once(index: Index) -> None:
    for _ in range(2):
        index.add([block("1")], {("a", TODAY): frozenset({METHOD})})
    assert everything(index) == [block("1")]
    assert index.catalog("a", NOON, NOON) == {METHOD}


def test_adding_again_renews_all_but_the_time_of_creation(index: Index) -> None:
    index.add([block("1")], {})
    index.add([replace(block("1"), size=77, created_ns=NOON + 99)], {})
    assert everything(index) == [replace(block("1"), size=77)]


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "found"),
    [
        (NOON, NOON + HOUR, True),
        (NOON + HOUR, NOON + 2 * HOUR, True),
        (NOON - HOUR, NOON, True),
        (NOON + 1, NOON + 2, True),
        (MIN_NS, MAX_NS, True),
        (-(10**30), 10**30, True),
        (NOON - HOUR, NOON - 1, False),
        (NOON + HOUR + 1, MAX_NS, False),
        (MIN_NS, 0, False),
        (10**30, 10**30, False),
        (NOON + 2, NOON + 1, True),
    ],
)
def test_find_takes_an_inclusive_range(index: Index, start_ns: int, end_ns: int, found: bool) -> None:
    index.add([block("1", NOON, NOON + HOUR)], {})
    assert bool(index.find("a", start_ns, end_ns)) is found


def test_find_returns_the_latest_end_first(index: Index) -> None:
    early, late, long = block("1", NOON), block("2", NOON + HOUR), block("3", NOON - 9 * DAY_NS, NOON + 9 * HOUR)
    index.add([early, late, long], {})
    assert everything(index) == [long, late, early]


@pytest.mark.parametrize("days", [1, 2, 40, 4000])
def test_a_block_whose_spans_last_for_days_is_found_on_each_of_them(index: Index, days: int) -> None:
    long = block("1", NOON, NOON + days * DAY_NS)
    index.add([block("2", NOON + HOUR), long], {("a", TODAY): frozenset({METHOD})})
    last = NOON + days * DAY_NS
    assert index.find("a", last - HOUR, last + HOUR) == [long]
    assert index.catalog("a", last - HOUR, last + HOUR) == {METHOD}
    assert index.find("a", last + 1, last + HOUR) == []


def test_ends_beyond_what_int64_can_tell_are_no_obstacle(index: Index) -> None:
    index.add([block("1", NOON, MAX_NS)], {})
    assert [found.id for found in index.find("a", MAX_NS, 2**64)] == ["1"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    bounds=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 90)), min_size=1, max_size=12),
    start=st.integers(-5, 60),
    length=st.integers(0, 60),
)
def test_find_is_overlap(
    open_index: Callable[[], Index], bounds: list[tuple[int, int]], start: int, length: int
) -> None:
    """Of blocks that start in some tenth of some day and last for some tenths, those are found that overlap."""
    index, tenth = open_index(), DAY_NS // 10
    index.expire(date.max)
    blocks = [
        block(str(number), NOON + first * tenth, NOON + (first + more) * tenth)
        for number, (first, more) in enumerate(bounds)
    ]
    index.add(blocks, {})
    found = index.find("a", NOON + start * tenth, NOON + (start + length) * tenth)
    index.close()
    assert {int(block.id) for block in found} == {
        number for number, (first, more) in enumerate(bounds) if first <= start + length and first + more >= start
    }


def test_tenants_are_kept_apart(index: Index) -> None:
    index.add([block("1"), block("1", tenant="b")], {("b", TODAY): frozenset({METHOD})})
    assert [found.tenant for found in everything(index, "a")] == ["a"]
    assert index.catalog("a", NOON, NOON) == frozenset()
    assert index.catalog("b", NOON, NOON) == {METHOD}
    assert everything(index, "A") == []
    assert index.tenants() == ["a", "b"]


def test_the_catalog_grows_and_is_kept_by_day(index: Index) -> None:
    index.add([block("1")], {("a", TODAY): frozenset({METHOD})})
    index.add([block("2")], {("a", TODAY): frozenset({METHOD, STATUS})})
    index.add([block("3", NOON - DAY_NS)], {("a", TODAY - timedelta(1)): frozenset({STATUS})})
    assert index.catalog("a", NOON, NOON) == {METHOD, STATUS}
    assert index.catalog("a", NOON - DAY_NS, NOON - DAY_NS) == {STATUS}
    assert index.catalog("a", NOON - DAY_NS, NOON) == {METHOD, STATUS}


def test_a_catalog_of_a_day_without_a_block_is_a_mistake(index: Index) -> None:
    with pytest.raises(ValueError, match="no block"):
        index.add([block("1")], {("b", TODAY): frozenset({METHOD})})
    assert everything(index) == []


@pytest.mark.parametrize("key", ["", "a.b", "Ümlaut ☃", "with\x00nul", "'; DROP TABLE block; --", "k" * 100_000])
def test_the_catalog_holds_any_key(index: Index, key: str) -> None:
    entry = CatalogEntry("event", key, "rest")
    index.add([block("1")], {("a", TODAY): frozenset({entry})})
    assert index.catalog("a", NOON, NOON) == {entry}


def test_a_swap_is_seen_whole(index: Index) -> None:
    small = [block("1"), block("2")]
    index.add([*small, block("3")], {})
    index.replace([block("12", level=1)], small)
    assert {found.id for found in everything(index)} == {"12", "3"}


def test_a_swap_that_was_done_is_done(index: Index) -> None:
    index.add([block("1"), block("2")], {})
    for _ in range(2):
        index.replace([block("12", level=1)], [block("1"), block("2")])
    assert [found.id for found in everything(index)] == ["12"]


def test_of_two_swaps_of_one_block_the_second_is_refused_whole(index: Index) -> None:
    index.add([block("1"), block("2"), block("3")], {})
    index.replace([block("12", level=1)], [block("1"), block("2")])
    with pytest.raises(IndexConflict, match=r"/2\.parquet is not live"):
        index.replace([block("23", level=1)], [block("2"), block("3")])
    assert {found.id for found in everything(index)} == {"12", "3"}


def test_blocks_that_were_never_there_cannot_be_swapped(index: Index) -> None:
    with pytest.raises(IndexConflict):
        index.replace([block("12", level=1)], [block("1")])
    assert everything(index) == []


def test_a_swap_too_large_for_one_transaction_is_refused(index: Index) -> None:
    many = [block(str(number)) for number in range(MAX_REPLACED)]
    with pytest.raises(ValueError, match="at most"):
        index.replace([block("all", level=1)], many)


def test_a_client_that_retries_after_compaction_adds_nothing(index: Index) -> None:
    index.add([block("1")], {})
    index.replace([block("12", level=1)], [block("1")])
    index.add([block("1")], {("a", TODAY): frozenset({METHOD})})
    assert [found.id for found in everything(index)] == ["12"]


def test_a_swap_may_add_nothing(index: Index) -> None:
    index.add([block("1"), block("2")], {})
    for _ in range(2):
        index.replace([], [block("1")])
    assert [found.id for found in everything(index)] == ["2"]


def test_what_is_hidden_is_told_and_lasts(open_index: Callable[[], Index]) -> None:
    first = open_index()
    first.add([block("1"), block("2"), block("3")], {})
    first.mark_deleted([block("1"), block("2")], TRACE)
    first.mark_deleted([block("1")], OTHER_TRACE)
    first.mark_deleted([block("1")], TRACE)
    first.close()
    second = open_index()
    hidden = {found.id: found.hidden for found in everything(second)}
    second.close()
    assert hidden == {"1": {TRACE, OTHER_TRACE}, "2": {TRACE}, "3": frozenset()}


def test_what_is_hidden_stays_so_when_the_block_is_added_again(index: Index) -> None:
    index.add([block("1")], {})
    index.mark_deleted([block("1")], TRACE)
    index.add([replace(block("1"), size=77)], {})
    assert everything(index) == [replace(block("1"), size=77, hidden=frozenset({TRACE}))]


def test_nothing_is_hidden_in_blocks_that_are_not_live(index: Index) -> None:
    index.add([block("1"), block("2")], {})
    index.replace([block("12", level=1)], [block("1")])
    for gone in ("1", "never"):
        with pytest.raises(IndexConflict, match="is not live"):
            index.mark_deleted([block(gone)], TRACE)


def test_a_swap_of_a_block_that_hides_more_by_now_is_refused_whole(index: Index) -> None:
    index.add([block("1"), block("2")], {})
    index.mark_deleted([block("2")], TRACE)
    for known in (frozenset[bytes](), frozenset({OTHER_TRACE}), frozenset({TRACE, OTHER_TRACE})):
        with pytest.raises(IndexConflict, match="hides other traces"):
            index.replace([block("12", level=1)], [block("1"), replace(block("2"), hidden=known)])
    assert {found.id for found in everything(index)} == {"1", "2"}
    index.replace([block("12", level=1)], [block("1"), replace(block("2"), hidden=frozenset({TRACE}))])
    assert everything(index) == [block("12", level=1)]


def test_retired_blocks_are_told_until_they_are_forgotten(index: Index) -> None:
    index.add([block("1"), block("2"), block("3")], {})
    index.replace([block("12", level=1)], [block("1"), block("2")])
    now = int(time.time())
    assert index.replaced_before(now - 60) == []
    assert {retired.id: retired.size for retired in index.replaced_before(now + 60)} == {"1": 1000, "2": 1000}
    index.purge([block("1")])
    assert [retired.path for retired in index.replaced_before(now + 60)] == [block("2").path]
    index.purge([block("1"), block("2")])
    assert index.replaced_before(now + 60) == []


def test_a_client_that_retries_after_its_block_was_forgotten_adds_nothing(index: Index) -> None:
    index.add([block("1")], {})
    index.replace([block("12", level=1)], [block("1")])
    index.purge([block("1")])
    index.add([block("1")], {})
    assert [found.id for found in everything(index)] == ["12"]
    index.replace([block("12", level=1)], [block("1")])
    assert [found.id for found in everything(index)] == ["12"], "a swap that was done is still done"


def test_entries_are_those_blocks_of_a_day_whose_objects_are_needed(index: Index) -> None:
    index.add([block("1"), block("2"), block("3"), block("4", NOON - DAY_NS), block("5", tenant="b")], {})
    index.replace([block("12", level=1)], [block("1"), block("2")])
    index.purge([block("1")])
    assert {entry.id for entry in index.entries("a", TODAY)} == {"12", "2", "3"}
    assert index.entries("a", TODAY + timedelta(1)) == []


def test_summary_counts_what_is_live(index: Index) -> None:
    index.add([block("1"), block("2"), block("3"), block("4", NOON - DAY_NS), block("5", tenant="b")], {})
    index.replace([block("12", level=1)], [block("1"), block("2")])
    assert index.summary() == [
        DaySummary("a", TODAY - timedelta(1), 0, blocks=1, spans=10, size=1000),
        DaySummary("a", TODAY, 0, blocks=1, spans=10, size=1000),
        DaySummary("a", TODAY, 1, blocks=1, spans=10, size=1000),
        DaySummary("b", TODAY, 0, blocks=1, spans=10, size=1000),
    ]


def test_expire_forgets_days_and_names_their_blocks(index: Index) -> None:
    old, replaced, kept = block("1", NOON - DAY_NS), block("2", NOON - DAY_NS), block("3")
    merged = block("4", NOON - DAY_NS, level=1)
    entries = frozenset({METHOD})
    index.add([old, replaced, kept], {("a", TODAY - timedelta(1)): entries, ("a", TODAY): entries})
    index.replace([merged], [replaced])
    assert [gone.path for gone in index.expire(TODAY)] == [old.path, replaced.path, merged.path]
    assert index.expire(TODAY) == []
    assert index.replaced_before(int(time.time()) + 60) == []
    assert everything(index) == [kept]
    assert index.catalog("a", NOON - DAY_NS, NOON - DAY_NS) == frozenset()


def test_a_day_that_was_forgotten_can_begin_anew(open_index: Callable[[], Index]) -> None:
    index, other = open_index(), open_index()
    index.add([block("1")], {("a", TODAY): frozenset({METHOD})})
    other.expire(TODAY + timedelta(1))
    index.add([block("1")], {("a", TODAY): frozenset({METHOD})})
    assert other.catalog("a", NOON, NOON) == {METHOD}
    assert everything(other) == [block("1")]
    index.close()
    other.close()


def test_threads_may_share_it(index: Index) -> None:
    def add_and_find(number: int) -> bool:
        entry = CatalogEntry("span", f"key{number % 5}", "int")
        index.add([block(str(number))], {("a", TODAY): frozenset({entry})})
        return str(number) in {found.id for found in everything(index)}

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(add_and_find, range(60)))
    assert len(everything(index)) == 60
    assert len(index.catalog("a", NOON, NOON)) == 5


def test_entries_and_known_ids_of_a_range_of_ids(index: Index) -> None:
    """Live ones, retired ones and forgotten ones, at three levels."""
    fresh = [block(f"{number:032x}") for number in range(0, 200, 20)]
    index.add(fresh, {})
    index.replace([block(f"{33:032x}", level=1)], fresh[:4])
    index.replace([block(f"{34:032x}", level=12)], fresh[4:6])
    index.archive_replaced(int(time.time()) + 60)
    index.purge(fresh[:1])
    index.replace([], fresh[6:7])
    every, known, live = index.entries("a", TODAY), index.known_ids("a", TODAY), index.live("a", TODAY)
    assert (len(every), len(known)) == (11, 12)
    assert sorted(live, key=lambda one: one.path) == sorted(everything(index), key=lambda one: one.path)
    for first, last in ((0, 200), (0, 0), (20, 20), (21, 39), (21, 33), (34, 60), (100, 1000)):
        ids = f"{first:032x}", f"{last:032x}"
        found = {one.path for one in index.entries("a", TODAY, ids)}
        assert found == {one.path for one in every if ids[0] <= one.id <= ids[1]}
        assert index.known_ids("a", TODAY, ids) == {id_ for id_ in known if ids[0] <= id_ <= ids[1]}
        assert set(index.live("a", TODAY, ids)) == {one for one in live if ids[0] <= one.id <= ids[1]}


@pytest.mark.parametrize(("blocks", "most", "ranges"), [(0, 10, 1), (10, 10, 1), (11, 10, 2), (10**9, 10, 1 << 16)])
def test_ranges_of_ids_hold_each_id_once(blocks: int, most: int, ranges: int) -> None:
    found = list(id_ranges(blocks, most))
    assert len(found) == ranges
    for id_ in ("0" * 32, "f" * 32, "7fff" + "f" * 28, "8000" + "0" * 28, f"{10**30:032x}"):
        assert sum(first <= id_ <= last for first, last in found) == 1
