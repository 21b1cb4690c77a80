"""Storage and index that do not belong together are told apart before anything is served or deleted."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanlake.store.errors import StorageCorrupt, StoreMismatch
from spanlake.store.identity import PATH, adopt, check_identity
from spanlake.store.index.base import Index
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.maintenance.reindex import reindex
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from tests.store.tables import busy_table


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Index]:
    index = SqliteIndex(tmp_path / "another" / "index.sqlite")
    yield index
    index.close()


def store(objects: Objects, index: Index, seed: int = 0) -> None:
    write(objects, index, "a", busy_table(9, seed), bytes([seed]))


def test_check_identity_gives_new_storage_and_index_one_id(objects: Objects, open_index: Callable[[], Index]) -> None:
    check_identity(objects, open_index())
    store(objects, open_index())
    for _ in range(2):
        check_identity(objects, open_index())


def test_check_identity_accepts_storage_and_index_of_older_versions(objects: Objects, index: Index) -> None:
    store(objects, index)
    check_identity(objects, index)
    check_identity(objects, index)


def test_check_identity_refuses_an_empty_index_over_blocks(objects: Objects, index: Index, another: Index) -> None:
    check_identity(objects, index)
    store(objects, index)
    with pytest.raises(StoreMismatch, match=r"is empty, but there are blocks in .*spanlake reindex") as refused:
        check_identity(objects, another)
    assert objects.name in str(refused.value)
    assert another.name in str(refused.value)


def test_check_identity_refuses_the_index_of_another_storage(
    objects: Objects, index: Index, another: Index, tmp_path: Path
) -> None:
    check_identity(objects, index)
    store(objects, index)
    elsewhere = LocalObjects(tmp_path / "elsewhere")
    check_identity(elsewhere, another)
    store(elsewhere, another)
    with pytest.raises(StoreMismatch, match="belongs to other blocks"):
        check_identity(objects, another)
    with pytest.raises(StoreMismatch, match="name an empty index"):
        adopt(objects, another)


def test_check_identity_refuses_an_older_index_that_knows_none_of_the_blocks(
    objects: Objects, index: Index, another: Index, tmp_path: Path
) -> None:
    check_identity(objects, index)
    store(objects, index)
    store(LocalObjects(tmp_path / "elsewhere"), another, seed=1)
    with pytest.raises(StoreMismatch, match="knows none of the blocks"):
        check_identity(objects, another)


def test_check_identity_makes_up_for_a_lost_id(objects: Objects, index: Index) -> None:
    check_identity(objects, index)
    store(objects, index)
    objects.delete(PATH)
    check_identity(objects, index)
    assert objects.get(PATH)


def test_check_identity_refuses_a_second_new_index_of_a_bucket(cloud: object, another: Index, index: Index) -> None:
    from tests.store.conftest import _s3

    bucket = _s3(cloud)  # type: ignore[arg-type]
    check_identity(bucket, index)
    with pytest.raises(StoreMismatch, match="has an index"):
        check_identity(bucket, another)
    adopt(bucket, another)
    check_identity(bucket, another)


def test_check_identity_reports_an_unreadable_id(objects: Objects, index: Index) -> None:
    objects.put(PATH, b"{")
    with pytest.raises(StorageCorrupt, match="cannot be read"):
        check_identity(objects, index)


def test_reindex_makes_an_empty_index_fit(objects: Objects, index: Index, another: Index) -> None:
    check_identity(objects, index)
    store(objects, index)
    adopt(objects, another)
    reindex(objects, another)
    check_identity(objects, another)
    assert another.summary() == index.summary()
