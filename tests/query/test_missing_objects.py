"""Blocks whose objects are gone when they are to be read: expired before their entries, or replaced meanwhile."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from spanlake.query.querier import Querier
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index import Block
from spanlake.store.local import LocalObjects
from spanlake.store.objects import ObjectInfo
from tests.query.kit import At, Lake


class ListedLate(LocalObjects):
    """Objects with which something happens before each listing."""

    def __init__(self, root: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(root)
        self._meanwhile = meanwhile

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._meanwhile()
        yield from super().list(prefix)


def asked(lake: Lake, directory: Path, meanwhile: Callable[[], None]) -> list[int]:
    """The traces of all spans, while something happens each time that objects are listed."""
    objects = ListedLate(directory, meanwhile)
    lake.querier = Querier(lake.index, objects, lake.duck, lake.querier.sizes)
    return sorted(lake.traces("{}"))


def put_in_place(lake: Lake, removed: Sequence[Block], id_: str) -> Block:
    """Put a block of the same content in the place of others, whose objects are deleted."""
    content = lake.objects.get(removed[0].path)
    added = replace(removed[0], id=id_, level=removed[0].level + 1)
    lake.objects.put(added.path, content)
    lake.index.replace([added], removed)
    for block in removed:
        lake.objects.delete(block.path)
    return added


def test_a_block_that_expired_is_left_out(lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (expired,) = lake.add(At(1, trace=1))
    lake.add(At(2, trace=2))
    lake.objects.delete(expired.path)
    assert asked(lake, tmp_path, lambda: None) == [2]
    assert "blocks without objects are left out" in caplog.text


def test_a_block_that_was_replaced_while_objects_were_listed_is_found_again(lake: Lake, tmp_path: Path) -> None:
    (first,) = lake.add(At(1, trace=1))
    (other,) = lake.add(At(2, trace=2))
    lake.objects.delete(other.path)  # so that a query fails and looks for what is there
    lives = [first]

    def replace_once() -> None:
        if len(lives) == 1:
            lives.append(put_in_place(lake, lives, "aa"))

    assert asked(lake, tmp_path, replace_once) == [1]


def test_blocks_that_are_replaced_all_the_time(lake: Lake, tmp_path: Path) -> None:
    live = lake.add(At(1, trace=1))
    (gone,) = lake.add(At(2, trace=2))
    lake.objects.delete(gone.path)

    def replace_always() -> None:
        live.append(put_in_place(lake, live[-1:], f"{len(live):02x}"))

    with pytest.raises(StorageUnavailable, match="try again"):
        asked(lake, tmp_path, replace_always)
