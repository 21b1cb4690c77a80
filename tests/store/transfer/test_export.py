"""Which spans are exported, in pieces of a bounded size, whatever compaction does meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.errors import StorageCorrupt, StorageUnavailable
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.retention import purge_replaced
from spanlake.store.objects.local import LocalObjects
from spanlake.store.transfer.export import Exported, MessageSize, Selection, export
from spanlake.store.write import write
from tests.store.tables import HOUR, NOON, busy_table, span_table


@pytest.fixture
def store(tmp_path: Path) -> tuple[LocalObjects, SqliteIndex]:
    return LocalObjects(tmp_path), SqliteIndex(tmp_path / "index.sqlite")


def add(store: tuple[LocalObjects, SqliteIndex], name: str, start: int = NOON, **fields: object) -> list[Block]:
    return write(*store, "t", span_table([{"name": name, "start_time_unix_nano": start, **fields}]), name.encode())


def names(found: list[Exported]) -> list[str]:
    spans = (
        span
        for each in found
        for group in each.traces.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    )
    return [span.name for span in spans]


def exported(store: tuple[LocalObjects, SqliteIndex], **selected: object) -> list[str]:
    return names(list(export(*store, replace(Selection("t"), **selected))))  # type: ignore[arg-type]


def test_all_spans_of_a_tenant_come_by_day(store: tuple[LocalObjects, SqliteIndex]) -> None:
    add(store, "tomorrow", NOON + 24 * HOUR)
    add(store, "today")
    write(*store, "other", span_table([{"name": "foreign"}]), b"")
    assert exported(store) == ["today", "tomorrow"]


def test_range_is_of_starts_bounds_included(store: tuple[LocalObjects, SqliteIndex]) -> None:
    for number in range(5):
        add(store, f"{number}", NOON + number, duration_nano=HOUR)
    assert exported(store, start_ns=NOON + 1, end_ns=NOON + 3) == ["1", "2", "3"]


def test_trace_ids_select_traces(store: tuple[LocalObjects, SqliteIndex]) -> None:
    for number in range(3):
        add(store, f"{number}", trace_id=bytes([number]) * 16)
    wanted = pa.array([b"\x01" * 16, b"\x02" * 16], pa.binary())
    assert sorted(exported(store, trace_ids=wanted)) == ["1", "2"]


def test_deleted_traces_are_left_out(store: tuple[LocalObjects, SqliteIndex]) -> None:
    blocks = add(store, "deleted", trace_id=b"d" * 16)
    add(store, "kept", trace_id=b"k" * 16)
    store[1].mark_deleted(blocks, b"d" * 16)
    assert exported(store) == ["kept"]


def test_messages_are_of_bounded_size(store: tuple[LocalObjects, SqliteIndex]) -> None:
    write(*store, "t", busy_table(1000), b"")
    assert [each.spans for each in export(*store, Selection("t"), MessageSize(spans=300))] == [300, 300, 300, 100]
    assert {each.spans for each in export(*store, Selection("t"), MessageSize(bytes=1))} == {1}


def test_blocks_merged_meanwhile_are_exported_nevertheless(store: tuple[LocalObjects, SqliteIndex]) -> None:
    objects, index = store
    for number in range(4):
        add(store, f"{number}", NOON + number, trace_id=bytes([number + 1]) * 16)
    running = export(objects, index, Selection("t"))
    found = [next(running)]
    compactor = Compactor(objects, index)
    for day in compactor.days():
        for merge in compactor.plan(*day, settle=True):
            compactor.run(merge)
    index_now = index.replaced_before(2**40)
    for block in index_now:
        objects.delete(block.path)
    index.purge(index_now)
    assert set(names([*found, *running])) == {"0", "1", "2", "3"}
    assert purge_replaced(objects, index).blocks == 0


def test_a_live_block_without_its_object_is_an_error(store: tuple[LocalObjects, SqliteIndex]) -> None:
    (block,) = add(store, "lost")
    store[0].delete(block.path)
    with pytest.raises(StorageUnavailable, match=block.id):
        exported(store)


@pytest.mark.parametrize("damage", [lambda _: b"PAR1 nothing PAR1", lambda data: data[:9] + b"?" + data[10:]])
def test_a_damaged_block_is_an_error(damage: Callable[[bytes], bytes], store: tuple[LocalObjects, SqliteIndex]) -> None:
    (block,) = add(store, "damaged")
    store[0].put(block.path, damage(store[0].get(block.path)))
    with pytest.raises(StorageCorrupt, match=block.id):
        exported(store)
