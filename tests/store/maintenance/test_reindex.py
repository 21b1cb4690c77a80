"""An index rebuilt from blocks alone shows what the lost one showed, each span once."""

import gc
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.blocks.entry import BlockFacts, open_block
from spanlake.store.blocks.paths import BLOCKS
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.deletions import record_deletion
from spanlake.store.identity import adopt, check_identity
from spanlake.store.index.base import Catalog, Index, StoredBefore
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.reindex import AT_ONCE, Reindexed, reindex
from spanlake.store.maintenance.retention import purge_replaced
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from tests.store.tables import busy_table


class Store:
    """A store that loses its index."""

    def __init__(self, objects: Objects, index: Index, directory: Path) -> None:
        self.objects = objects
        self.index = index
        self._directory = directory
        self._lost = 0
        is_near = isinstance(objects, LocalObjects), isinstance(index, SqliteIndex)
        self.at_once = 2 if all(is_near) or not any(is_near) else AT_ONCE

    def add(self, *seeds: int) -> None:
        for seed in seeds:
            write(self.objects, self.index, "a", busy_table(60, seed), bytes([seed]))

    def compact(self) -> None:
        compactor = Compactor(self.objects, self.index)
        for day in compactor.days():
            for merge in compactor.plan(*day, settle=True):
                assert compactor.run(merge) is not None

    def lose_index(self) -> None:
        self._lost += 1
        self.index = SqliteIndex(self._directory / f"new-{self._lost}.sqlite")

    def live(self) -> Sequence[Block]:
        return self.index.find("a", MIN_NS, MAX_NS)

    def rows(self) -> list[tuple[bytes, bytes]]:
        return sorted(row for block in self.live() for row in self.rows_of(block))

    def rows_of(self, block: Block) -> list[tuple[bytes, bytes]]:
        table = open_block(self.objects.get(block.path)).read(columns=["trace_id", "span_id"])
        rows = zip(table["trace_id"].to_pylist(), table["span_id"].to_pylist(), strict=True)
        return [(trace, span) for trace, span in rows if trace and span and trace not in block.hidden]

    def reindex(self) -> Reindexed:
        return reindex(self.objects, self.index, at_once=self.at_once)


@pytest.fixture
def store(objects: Objects, index: Index, tmp_path: Path) -> Store:
    return Store(objects, index, tmp_path)


def test_reindex_restores_entries_of_fresh_blocks(store: Store) -> None:
    store.add(1, 2, 3)
    before = {block.path: block for block in store.live()}
    catalog = store.index.catalog("a", MIN_NS, MAX_NS)
    store.lose_index()
    assert len(store.reindex().added) == len(before)
    for block in store.live():
        known = before[block.path]
        assert (block.level, block.start_ns, block.end_ns, block.spans, block.size, block.checksum) == (
            0,
            known.start_ns,
            known.end_ns,
            known.spans,
            known.size,
            known.checksum,
        )
        assert block.trace_filter == known.trace_filter
    assert store.index.catalog("a", MIN_NS, MAX_NS) == catalog


def test_reindex_prefers_merged_blocks_to_those_they_replaced(store: Store) -> None:
    store.add(1, 2, 3)
    before = store.rows()
    store.compact()
    merged = {block.path: block.level for block in store.live()}
    store.lose_index()
    done = store.reindex()
    assert {block.path: block.level for block in store.live()} == merged
    assert store.rows() == before
    assert len(done.replaced) == 3 * (len(merged) or 1)
    assert store.reindex().added == ()


def test_reindex_after_two_rounds_of_merges_shows_each_span_once(store: Store) -> None:
    store.add(1, 2)
    store.compact()
    remove_retired_of_level(store, 1)
    store.add(3)
    store.compact()
    before = store.rows()
    remove_retired_of_level(store, 1)  # the block in between is gone, the first ones are there still
    store.lose_index()
    store.reindex()
    assert store.rows() == before


def remove_retired_of_level(store: Store, level: int) -> None:
    for block in store.index.replaced_before(MAX_NS // 10**9):
        if block.level == level:
            store.objects.delete(block.path)


def test_reindex_leaves_out_a_merge_that_was_not_swapped(store: Store) -> None:
    store.add(1, 2)
    before = store.rows()
    compactor = Compactor(store.objects, store.index)
    swap = store.index.replace
    store.index.replace = lambda *_: None  # type: ignore[method-assign]  # killed before it
    for day in compactor.days():
        for merge in compactor.plan(*day, settle=True):
            compactor.run(merge)
    store.index.replace = swap  # type: ignore[method-assign]
    done = store.reindex()
    assert done.added == ()
    assert done.replaced
    assert store.rows() == before


def test_reindex_leaves_out_a_merge_whose_inputs_were_merged_otherwise(store: Store) -> None:
    """A merge was not swapped; then a trace of its inputs was deleted, and they were merged again, without it."""
    store.add(1, 2)
    compactor = Compactor(store.objects, store.index)
    swap = store.index.replace
    store.index.replace = lambda *_, **__: None  # type: ignore[method-assign]  # killed before it
    for day in compactor.days():
        for merge in compactor.plan(*day, settle=True):
            compactor.run(merge)
    store.index.replace = swap  # type: ignore[method-assign]
    trace_id = store.rows()[0][0]
    blocks = [block for block in store.live() if trace_id in dict(store.rows_of(block))]
    store.index.mark_deleted(blocks, trace_id)
    store.compact()
    before = store.rows()
    assert store.reindex().added == ()
    purge_replaced(store.objects, store.index, grace_seconds=-60)
    assert store.reindex().added == ()
    assert store.rows() == before


def test_reindex_of_an_index_restored_to_before_a_merge_shows_each_span_once(store: Store) -> None:
    """The objects of the replaced blocks are gone, and live again by the index."""
    store.add(1, 2)
    before, blocks = store.rows(), store.live()
    store.compact()
    purge_replaced(store.objects, store.index, grace_seconds=-60)
    store.lose_index()
    store.index.add(blocks, {})
    done = store.reindex()
    assert store.rows() == before
    assert done.missing == ()


def test_reindex_keeps_deleted_traces_hidden(store: Store) -> None:
    store.add(1)
    trace_id = store.rows()[0][0]
    blocks = [block for block in store.live() if trace_id in dict(store.rows_of(block))]
    record_deletion(store.objects, blocks, trace_id)
    store.index.mark_deleted(blocks, trace_id)
    before = store.rows()
    store.lose_index()
    store.reindex()
    assert store.rows() == before
    assert trace_id not in dict(before)


def test_reindex_gives_blocks_of_deleted_traces_alone_an_entry(store: Store) -> None:
    """A start refuses an index that is empty over blocks, so none of them may be left out for what it does not show."""
    store.add(1, 2)
    check_identity(store.objects, store.index)
    for trace_id in {trace_id for trace_id, _ in store.rows()}:
        blocks = store.live()
        record_deletion(store.objects, blocks, trace_id)
        store.index.mark_deleted(blocks, trace_id)
    assert store.rows() == []
    store.lose_index()
    adopt(store.objects, store.index)
    assert len(store.reindex().added) == len(list(store.objects.list(BLOCKS)))
    check_identity(store.objects, store.index)
    assert store.rows() == []
    assert store.reindex() == Reindexed(known=len(store.live()))
    store.compact()
    assert store.rows() == []
    assert sum(block.spans for block in store.live()) == 0


def test_reindex_names_damaged_and_missing_blocks(store: Store) -> None:
    store.add(1, 2, 3)
    first, second, third, *_ = store.live()
    store.objects.put(first.path, store.objects.get(first.path)[:500])
    store.objects.delete(second.path)
    assert second.path in store.reindex().missing
    store.lose_index()
    done = store.reindex()
    (damaged,) = done.damaged
    assert first.path in damaged
    assert third.path in done.added


def test_reindex_dry_run_changes_nothing(store: Store) -> None:
    store.add(1)
    count = len(store.live())
    store.lose_index()
    assert len(reindex(store.objects, store.index, dry_run=True, at_once=store.at_once).added) == count
    assert store.live() == []


def test_reindex_recognizes_merges_of_older_versions_by_content(tmp_path: Path) -> None:
    store = Store(LocalObjects(tmp_path / "objects"), SqliteIndex(tmp_path / "index.sqlite"), tmp_path)
    store.add(1, 2, 3)
    before = store.rows()
    store.compact()
    for block in store.live():
        file = tmp_path / "objects" / block.path
        table = pq.read_table(file, partitioning=None)
        metadata = {
            key: value
            for key, value in (pq.read_metadata(file).metadata or {}).items()
            if key in {b"spanlake.format", b"spanlake.keys"}
        }
        pq.write_table(table.replace_schema_metadata(metadata), file, store_schema=False)
    store.lose_index()
    store.reindex()
    assert store.rows() == before


def test_reindex_goes_on_where_it_was_ended(store: Store) -> None:
    store.add(1, 2, 3)
    before = store.rows()
    store.lose_index()

    def ended(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reindex(store.objects, store.index, progress=ended, at_once=store.at_once)
    store.reindex()
    assert store.rows() == before


class Watched(SqliteIndex):
    """An index that notes of how many blocks there are facts in memory when blocks are added."""

    most = 0

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> list[StoredBefore]:
        found = [facts for facts in gc.get_objects() if isinstance(facts, BlockFacts)]
        self.most = max(self.most, len(found))
        return super().add(blocks, catalog)


@pytest.mark.parametrize("at_once", [1, 3, 7, 100])
def test_reindex_holds_the_facts_of_some_blocks_of_a_day(tmp_path: Path, at_once: int) -> None:
    objects = LocalObjects(tmp_path)
    store = Store(objects, SqliteIndex(tmp_path / "index.sqlite"), tmp_path)
    store.add(1, 2, 3)
    store.compact()
    merged = len(store.live())
    store.add(*range(4, 24))
    before = store.rows()
    index = Watched(tmp_path / "other.sqlite")
    told: list[int] = []
    done = reindex(objects, index, at_once=at_once, progress=told.append)
    store.index = index
    assert store.rows() == before
    blocks = sum(1 for _ in objects.list(BLOCKS))
    assert (len(done.added) + len(done.replaced), sum(told)) == (blocks, blocks)
    assert index.most <= at_once + merged
