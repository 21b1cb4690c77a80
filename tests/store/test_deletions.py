"""Spans that were deleted and are sent again are stored again, once; everything else stays stored once."""

import time
from collections.abc import Sequence

import pyarrow as pa
import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.index.base import Index
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.retention import purge_replaced
from spanlake.store.objects.base import Objects
from spanlake.store.write import write, write_deleted
from tests.store.tables import HOUR, NOON, span_table

FIRST, SECOND = (number.to_bytes(16, "big") for number in (1, 2))
SPANS = span_table(
    [
        {"trace_id": FIRST, "start_time_unix_nano": NOON},
        {"trace_id": FIRST, "start_time_unix_nano": NOON + 24 * HOUR},
        {"trace_id": SECOND, "start_time_unix_nano": NOON},
    ]
)


@pytest.fixture
def store(objects: Objects, index: Index) -> "Store":
    return Store(objects, index)


class Store:
    """Writes, deletes and compacts as a server does."""

    def __init__(self, objects: Objects, index: Index) -> None:
        self.objects = objects
        self.index = index

    def send(self, content: bytes = b"content") -> None:
        write(self.objects, self.index, "a", SPANS, content)

    def delete(self, trace_id: bytes) -> None:
        self.index.mark_deleted([block for block in self.live() if trace_id in self.rows(block)], trace_id)

    def compact(self) -> None:
        compactor = Compactor(self.objects, self.index)
        for day in compactor.days():
            for merge in compactor.plan(*day, settle=True):
                assert compactor.run(merge) is not None

    def live(self) -> Sequence[Block]:
        return self.index.find("a", MIN_NS, MAX_NS)

    def rows(self, block: Block) -> list[bytes]:
        import pyarrow.parquet as pq

        table = pq.read_table(pa.BufferReader(self.objects.get(block.path)), columns=["trace_id"])
        return [trace_id for trace_id in table["trace_id"].to_pylist() if trace_id and trace_id not in block.hidden]

    def count(self) -> tuple[int, int]:
        """Returns the number of spans shown of each of the two traces."""
        rows = [trace_id for block in self.live() for trace_id in self.rows(block)]
        return rows.count(FIRST), rows.count(SECOND)


@pytest.mark.parametrize("state", ["live", "compacted", "forgotten"])
def test_write_stores_deleted_spans_again_once(store: Store, state: str) -> None:
    store.send()
    store.delete(FIRST)
    assert store.count() == (0, 1)
    if state != "live":
        store.compact()
    if state == "forgotten":
        purge_replaced(store.objects, store.index, grace_seconds=-60)
    for _ in range(3):
        store.send()
        assert store.count() == (2, 1)


def test_write_stores_spans_deleted_after_a_merge_again(store: Store) -> None:
    store.send()
    write(store.objects, store.index, "a", span_table([{"trace_id": SECOND, "start_time_unix_nano": NOON + 1}]), b"b")
    store.compact()
    store.delete(FIRST)
    assert store.count() == (0, 2)
    for _ in range(2):
        store.send()
        assert store.count() == (2, 2)


def test_write_stores_spans_again_after_each_deletion(store: Store) -> None:
    for _ in range(3):
        store.send()
        assert store.count() == (2, 1)
        store.delete(FIRST)
        assert store.count() == (0, 1)
    store.delete(SECOND)
    store.send()
    store.send()
    assert store.count() == (2, 1)


def test_write_after_deletion_of_another_trace_changes_nothing(store: Store) -> None:
    store.send()
    other = span_table([{"trace_id": bytes(15) + b"\x03", "start_time_unix_nano": NOON}])
    write(store.objects, store.index, "a", other, b"other")
    store.delete(bytes(15) + b"\x03")
    store.compact()
    before = store.live()
    store.send()
    assert store.live() == before


def test_write_of_new_spans_of_a_deleted_trace_is_a_first_one(store: Store) -> None:
    store.send()
    store.delete(FIRST)
    store.send(b"other content")
    assert store.count() == (2, 2)
    store.compact()
    store.send(b"other content")
    assert store.count()[0] == 2


def test_write_deleted_is_stored_once(store: Store) -> None:
    store.send()
    store.delete(SECOND)
    deleted = store.index.deletions("a", 0)
    for _ in range(2):
        blocks = write_deleted(store.objects, store.index, "a", SPANS, b"content", deleted)
        assert [block.spans for block in blocks] == [1]
        assert store.count() == (2, 1)


def test_deletions_are_told_by_time_and_tenant(store: Store) -> None:
    store.send()
    before = time.time_ns()
    store.delete(FIRST)
    assert store.index.deletions("b", 0) == {}
    assert store.index.deletions("a", time.time_ns() + 1) == {}
    assert before <= store.index.deletions("a", before)[FIRST] <= time.time_ns()
    store.send()
    store.delete(FIRST)
    store.delete(SECOND)
    assert set(store.index.deletions("a", 0)) == {FIRST, SECOND}
    assert store.index.deletions("a", 0)[FIRST] > before


@pytest.mark.parametrize("forgotten", [False, True])
def test_write_stores_blocks_again_that_were_removed_with_their_spans(store: Store, forgotten: bool) -> None:
    """Removed to make room, or set aside: not replaced by others."""
    store.send()
    (first, *_) = store.live()
    store.index.replace([], [first], lost=True)
    if forgotten:
        purge_replaced(store.objects, store.index, grace_seconds=-60)
    for _ in range(3):
        store.send()
        assert store.count() == (2, 1)
