"""Verification names what is damaged; what is set aside no longer stands in the way of the rest."""

import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.index.base import Index
from spanlake.store.maintenance.verify import QUARANTINE, live_blocks, set_aside, verify
from spanlake.store.objects.base import Objects
from spanlake.store.write import write
from tests.store.tables import NOON, span_table


def stored(objects: Objects, index: Index, count: int = 4) -> list[Block]:
    for number in range(count):
        write(objects, index, "a", span_table([{"start_time_unix_nano": NOON + number}]), bytes([number]))
    return sorted(index.find("a", MIN_NS, MAX_NS), key=lambda block: block.path)


def test_verify_of_a_whole_store_finds_nothing(objects: Objects, index: Index) -> None:
    stored(objects, index)
    done = verify(objects, index)
    assert (done.blocks, done.faults, done.without_entry) == (4, (), 0)


def test_verify_names_damaged_and_missing_blocks_and_unknown_objects(objects: Objects, index: Index) -> None:
    cut, flipped, missing, _ = stored(objects, index)
    objects.put(cut.path, objects.get(cut.path)[:700])
    content = bytearray(objects.get(flipped.path))
    content[len(content) // 2] ^= 1
    objects.put(flipped.path, bytes(content))
    objects.delete(missing.path)
    objects.put(cut.path.replace(cut.id, "ab" * 16), b"unknown")
    done = verify(objects, index)
    assert {fault.block.id for fault in done.faults} == {cut.id, flipped.id, missing.id}
    assert all(fault.block.path in fault.reason for fault in done.faults)
    assert [fault.block.id for fault in done.faults if fault.is_missing] == [missing.id]
    assert done.without_entry == 1


def test_set_aside_leaves_the_rest(objects: Objects, index: Index) -> None:
    cut, missing, *rest = stored(objects, index)
    damaged = objects.get(cut.path)[:700]
    objects.put(cut.path, damaged)
    objects.delete(missing.path)
    for fault in verify(objects, index).faults:
        set_aside(objects, index, fault)
    assert {block.id for block in index.find("a", MIN_NS, MAX_NS)} == {block.id for block in rest}
    assert objects.get(QUARANTINE + cut.path) == damaged
    assert verify(objects, index).faults == ()


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_live_blocks_come_some_at_a_time(objects: Objects, index: Index, most: int) -> None:
    blocks = stored(objects, index, 40)
    index.replace([], blocks[:1])
    parts = list(live_blocks(index, most))
    assert sorted(block.path for part in parts for block in part) == [block.path for block in blocks[1:]]
    assert max(map(len, parts)) < 5 * most
