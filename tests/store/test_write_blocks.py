"""A span table becomes one block for each day on which its spans start."""

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanlake.store.blocks.block import CatalogEntry
from spanlake.store.blocks.bloom import may_contain
from spanlake.store.days import DAY_NS, MAX_NS, MIN_NS, utc_day
from spanlake.store.write import FreshBlock, block_id, write_table
from tests.store.blocks.test_parquet import decoded
from tests.store.tables import HOUR, NOON, STATUS, span_table

NOW = NOON + HOUR


def write(table: pa.Table, content_hash: bytes = b"content") -> list[FreshBlock]:
    return list(write_table("a", table, content_hash, NOW))


def starting(*starts: int) -> list[dict[str, Any]]:
    return [{"start_time_unix_nano": start} for start in starts]


def test_a_block_describes_its_spans() -> None:
    table = span_table(starting(NOON + 7, NOON, NOON + 3), {STATUS: [200, None, None]})
    (fresh,) = write(table)
    block = fresh.block
    assert (block.tenant, block.date, block.level, block.spans) == ("a", date(2026, 11, 22), 0, 3)
    assert (block.start_ns, block.end_ns, block.created_ns) == (NOON, NOON + 7 + 1000, NOW)
    assert block.size == fresh.data.size
    assert fresh.catalog == {CatalogEntry("span", "http.status_code", "int")}
    assert all(may_contain(block.trace_filter, id_) for id_ in table["trace_id"].to_pylist() if id_ is not None)


def test_no_spans_no_blocks() -> None:
    assert write(span_table([])) == []


def test_a_batch_over_midnight_makes_two_blocks() -> None:
    midnight = NOON + 12 * HOUR
    table = span_table(starting(midnight, midnight - 1, midnight + 1), {STATUS: [None, 200, None]})
    before, after = write(table)
    assert (before.block.date, after.block.date) == (date(2026, 11, 22), date(2026, 11, 23))
    assert before.block.end_ns == midnight + 999, "a span may end on a later day"
    assert decoded(after.data)["start_time_unix_nano"].to_pylist() == [midnight, midnight + 1]
    assert (len(before.catalog), len(after.catalog)) == (1, 0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.integers(NOON, NOON + 5 * DAY_NS), st.integers(MIN_NS, MAX_NS)), min_size=1, max_size=15))
def test_every_span_is_in_the_block_of_its_day_in_the_order_of_arrival(starts: list[int]) -> None:
    blocks = write(span_table(starting(*starts)))
    days = [fresh.block.date for fresh in blocks]
    assert days == sorted(set(map(utc_day, starts)))
    for fresh in blocks:
        kept = decoded(fresh.data)["start_time_unix_nano"].to_pylist()
        assert kept == [start for start in starts if utc_day(start) == fresh.block.date]
        assert fresh.block.start_ns == min(kept)


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        (NOON, 0, NOON),
        (NOON, 3 * DAY_NS, NOON + 3 * DAY_NS),
        (NOON, -5, NOON),
        (NOON, MIN_NS, NOON),
        (NOON, MAX_NS, MAX_NS),
        (MIN_NS, MAX_NS, -1),
        (MAX_NS, 1, MAX_NS),
    ],
)
def test_the_end_is_where_the_last_span_ends_as_far_as_int64_can_tell(start: int, duration: int, end: int) -> None:
    (fresh,) = write(span_table([{"start_time_unix_nano": start, "duration_nano": duration}]))
    assert fresh.block.end_ns == end


def test_the_same_content_has_the_same_id_and_bytes() -> None:
    table = span_table(starting(NOON))
    (first,), (second,) = write(table), write(table)
    assert first.block == second.block
    assert first.data.equals(second.data)


def test_ids_differ_by_tenant_day_and_content() -> None:
    day, other_day = date(2026, 11, 22), date(2026, 11, 23)
    ids = {block_id(*of) for of in [("a", day, b"x"), ("b", day, b"x"), ("a", other_day, b"x"), ("a", day, b"y")]}
    assert len(ids) == 4
    assert all(len(id_) == 32 and set(id_) <= set("0123456789abcdef") for id_ in ids)
