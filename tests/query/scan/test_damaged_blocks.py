"""Damaged blocks: answers are right, or errors that name the block."""

import random
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spanlake.store.blocks.block import Block
from spanlake.store.blocks.schema import NEWEST_FORMAT
from spanlake.store.errors import BlockDamaged
from spanlake.store.maintenance.compactor import Compactor
from tests.query.kit import TENANT, At, Lake, trace_id

SPANS = [At(number, trace=number, start=number * 1000, attributes={"n": number}) for number in range(1, 60)]


@pytest.fixture
def stored(lake: Lake) -> Lake:
    lake.add(*SPANS)
    lake.add(At(100, trace=100))
    return lake


def file_of(lake: Lake, block: Block) -> Path:
    return Path(lake.objects.uri(block.path))


def victim(lake: Lake) -> Block:
    return next(block for block in lake.index.find(TENANT, 0, 2**63 - 1) if block.spans == len(SPANS))


def test_any_flipped_bit_is_an_error_that_names_the_block(stored: Lake) -> None:
    block = victim(stored)
    file = file_of(stored, block)
    good = file.read_bytes()
    rng = random.Random(3)
    for _ in range(40):
        damaged = bytearray(good)
        damaged[rng.randrange(len(good))] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(BlockDamaged, match=block.id):
            stored.traces("{}")
    file.write_bytes(good)
    assert len(stored.traces("{}")) == len(SPANS) + 1


def test_traces_of_other_blocks_are_answered(stored: Lake) -> None:
    file = file_of(stored, victim(stored))
    file.write_bytes(file.read_bytes()[:1000])
    assert stored.querier.trace(TENANT, trace_id(100)) is not None
    with pytest.raises(BlockDamaged):
        stored.querier.trace(TENANT, trace_id(1))


@pytest.mark.parametrize("kept", [0, 3, 1000, -1])
def test_blocks_of_older_versions_without_a_checksum_are_named_when_cut_short(stored: Lake, kept: int) -> None:
    block = victim(stored)
    stored.index.add([replace(block, checksum=None)], {})
    file = file_of(stored, block)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(BlockDamaged, match=block.id):
        stored.traces("{}")


def test_blocks_without_a_checksum_are_named_when_duckdb_cannot_read_them(stored: Lake) -> None:
    block = victim(stored)
    stored.index.add([replace(block, checksum=None)], {})
    file = file_of(stored, block)
    content = bytearray(file.read_bytes())
    column = pq.ParquetFile(file).metadata.row_group(0).column(0)
    content[column.data_page_offset : column.data_page_offset + 30] = bytes(30)
    file.write_bytes(content)
    with pytest.raises(BlockDamaged, match=block.id):
        stored.querier.trace(TENANT, trace_id(1))


@pytest.mark.parametrize("with_checksum", [True, False])
def test_a_block_of_a_newer_format_is_refused_by_name(stored: Lake, with_checksum: bool) -> None:
    block = victim(stored)
    if not with_checksum:
        stored.index.add([replace(block, checksum=None)], {})
    file = file_of(stored, block)
    table = pq.read_table(file, partitioning=None)
    metadata = (table.schema.metadata or {}) | {b"spanlake.format": b"%d" % (NEWEST_FORMAT + 1)}
    pq.write_table(table.replace_schema_metadata(metadata), file)
    with pytest.raises(BlockDamaged, match=f"{block.id}.*format {NEWEST_FORMAT + 1}, this one knows {NEWEST_FORMAT}"):
        stored.traces("{}")


def test_a_block_of_the_next_format_is_read(stored: Lake) -> None:
    block = victim(stored)
    stored.index.add([replace(block, checksum=None)], {})
    file = file_of(stored, block)
    table = pq.read_table(file, partitioning=None)
    metadata = (table.schema.metadata or {}) | {b"spanlake.format": b"%d" % NEWEST_FORMAT}
    pq.write_table(table.replace_schema_metadata(metadata), file)
    assert len(stored.traces("{}")) == len(SPANS) + 1


def test_compaction_names_the_damaged_block_and_leaves_it(stored: Lake) -> None:
    """A flipped bit must not end in a new block, whose checksum is right."""
    block = victim(stored)
    file = file_of(stored, block)
    content = bytearray(file.read_bytes())
    column = pq.ParquetFile(file).metadata.row_group(0).column(3)
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 4
    file.write_bytes(content)
    stored.add(At(101, trace=101))
    compactor = Compactor(stored.objects, stored.index)
    for day in compactor.days():
        while merges := compactor.plan(*day, settle=True):
            for merge in merges:
                compactor.run(merge)
    assert list(compactor.unreadable) == [block.path]
    assert sorted(one.spans for one in stored.index.find(TENANT, 0, 2**63 - 1)) == [2, len(SPANS)]
