"""An upgrade that is taken back: what the next version writes is read, what the one after it writes is refused."""

import sqlite3
from pathlib import Path

import pytest

from spanlake.query.engine.block_cache import CachePolicy
from spanlake.query.open import open_querier
from spanlake.settings.model import QueryLimits
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks import schema
from spanlake.store.errors import BlockDamaged, StorageCorrupt
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.reindex import reindex
from spanlake.store.maintenance.verify import verify
from spanlake.store.objects.s3 import S3Location, S3Objects
from spanlake.store.write import write
from tests.cloud import Cloud
from tests.query.kit import TENANT, At, Lake, request, trace_id


def written_by_a_later_version(
    directory: Path, monkeypatch: pytest.MonkeyPatch, of_blocks: int = 0, of_index: int = 0
) -> None:
    """Make a store of two traces, one of them and the index of formats that are so far ahead."""
    lake = Lake(directory)
    lake.add(At(1, trace=1))
    with monkeypatch.context() as later:
        later.setattr(schema, "FORMAT", schema.FORMAT + of_blocks)
        lake.add(At(2, trace=2))
    lake.close()
    connection = sqlite3.connect(directory / "index.sqlite")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version + of_index}")
    connection.close()


def test_what_the_next_version_writes_is_read_merged_and_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_by_a_later_version(tmp_path, monkeypatch, of_blocks=1, of_index=1)
    lake = Lake(tmp_path)
    assert sorted(lake.traces("{}")) == [1, 2]
    assert verify(lake.objects, lake.index).faults == ()
    write(lake.objects, lake.index, TENANT, decode([request([At(3, trace=3)])]).table, b"of this version")
    compactor = Compactor(lake.objects, lake.index)
    for day in compactor.days():
        assert all(map(compactor.run, compactor.plan(*day, settle=True)))
    assert sorted(lake.traces("{}")) == [1, 2, 3]
    lake.index.close()
    lake.index = SqliteIndex(tmp_path / "rebuilt.sqlite")
    assert reindex(lake.objects, lake.index).damaged == ()
    lake.close()


def test_index_that_is_two_formats_ahead_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_by_a_later_version(tmp_path, monkeypatch, of_index=2)
    with pytest.raises(StorageCorrupt, match="of a newer spanlake"):
        Lake(tmp_path)


def test_block_that_is_two_formats_ahead_is_refused_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_by_a_later_version(tmp_path, monkeypatch, of_blocks=2)
    lake = Lake(tmp_path)
    with pytest.raises(BlockDamaged, match=r"spans/tenant=kit/.*of a newer spanlake \(format"):
        lake.traces("{}")
    (fault,) = verify(lake.objects, lake.index).faults
    assert "of a newer spanlake" in fault.reason
    (damaged,) = reindex(lake.objects, SqliteIndex(tmp_path / "rebuilt.sqlite")).damaged
    assert "of a newer spanlake" in damaged
    lake.close()


@pytest.mark.parametrize("ahead", [1, 2])
@pytest.mark.parametrize("small", [0, 1 << 20], ids=["read by ranges", "copied"])
def test_block_in_a_bucket_is_read_or_refused_by_its_format(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int, small: int
) -> None:
    objects, index = S3Objects(S3Location(cloud.bucket())), SqliteIndex(tmp_path / "index.sqlite")
    with monkeypatch.context() as later:
        later.setattr(schema, "FORMAT", schema.FORMAT + ahead)
        write(objects, index, TENANT, decode([request([At(1, trace=1)])]).table, b"of a later version")
    querier = open_querier(objects, index, QueryLimits(), None, cache=CachePolicy(small=small, largest=0))
    if ahead == 1:
        assert querier.trace(TENANT, trace_id(1)) is not None
    else:
        with pytest.raises(BlockDamaged, match=r"spans/tenant=kit/.*of a newer spanlake \(format"):
            querier.trace(TENANT, trace_id(1))
