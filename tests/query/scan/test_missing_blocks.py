"""Blocks whose objects are gone when they are to be read: expired before their entries, or replaced meanwhile."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from spanlake.query.querier import Querier
from spanlake.query.scan.missing_blocks import MissingBlocks
from spanlake.store.blocks.block import Block
from spanlake.store.days import DAY_NS
from spanlake.store.errors import BlockMissing, StorageUnavailable
from spanlake.store.maintenance.clock import is_trusted
from spanlake.store.objects.base import ObjectInfo
from spanlake.store.objects.local import LocalObjects
from tests.patches import patch_here
from tests.query.kit import NOON, At, Lake


class ListedLate(LocalObjects):
    """Objects with which something happens before each listing."""

    def __init__(self, root: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(root)
        self._meanwhile = meanwhile

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._meanwhile()
        yield from super().list(prefix)


def asked(
    lake: Lake, directory: Path, meanwhile: Callable[[], None], missing: MissingBlocks | None = None
) -> list[int]:
    """Returns the traces of all spans, while something happens each time that objects are listed."""
    objects = ListedLate(directory, meanwhile)
    judging = missing or MissingBlocks()
    lake.querier = Querier(lake.index, objects, lake.duck, lake.querier.sizes, missing=judging)
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


def with_one_missing(lake: Lake) -> str:
    """Adds two traces, takes away the object of the first, and returns its path."""
    (gone,) = lake.add(At(1, trace=1))
    lake.add(At(2, trace=2))
    lake.objects.delete(gone.path)
    return gone.path


def test_missing_block_is_left_out_when_retention_explains_it(lake: Lake, tmp_path: Path) -> None:
    assert is_trusted(lake.index, time.time_ns())  # as maintenance notes
    with_one_missing(lake)
    assert asked(lake, tmp_path, lambda: None, MissingBlocks(timedelta(days=1))) == [2]


@pytest.mark.parametrize("is_noted", [True, False], ids=["maintenance has run", "maintenance has not run"])
def test_clock_that_jumped_explains_no_missing_block(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_noted: bool
) -> None:
    path = with_one_missing(lake)
    if is_noted:
        assert is_trusted(lake.index, NOON)
    patch_here(monkeypatch, time, "time_ns", lambda: NOON + 365 * DAY_NS)
    with pytest.raises(BlockMissing, match=re.escape(path)):
        asked(lake, tmp_path, lambda: None, MissingBlocks(timedelta(days=4)))


@pytest.mark.parametrize("retention", [None, timedelta(days=100_000)])
def test_missing_block_is_an_error_that_names_it(lake: Lake, tmp_path: Path, retention: timedelta | None) -> None:
    path = with_one_missing(lake)
    with pytest.raises(BlockMissing, match=re.escape(path)):
        asked(lake, tmp_path, lambda: None, MissingBlocks(retention))


def test_missing_block_is_counted_and_left_out_by_setting(
    lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with_one_missing(lake)
    counted: list[int] = []
    assert asked(lake, tmp_path, lambda: None, MissingBlocks(left_out=True, count=counted.append)) == [2]
    assert counted == [1]
    assert "live blocks have no objects" in caplog.text


def test_a_block_that_was_replaced_while_objects_were_listed_is_found_again(lake: Lake, tmp_path: Path) -> None:
    (first,) = lake.add(At(1, trace=1))
    (other,) = lake.add(At(2, trace=2))
    lake.objects.delete(other.path)  # so that a query fails and looks for what is there
    lives = [first]

    def replace_once() -> None:
        if len(lives) == 1:
            lives.append(put_in_place(lake, lives, "aa"))

    assert asked(lake, tmp_path, replace_once, MissingBlocks(left_out=True)) == [1]


def test_blocks_that_are_replaced_all_the_time(lake: Lake, tmp_path: Path) -> None:
    live = lake.add(At(1, trace=1))
    (gone,) = lake.add(At(2, trace=2))
    lake.objects.delete(gone.path)

    def replace_always() -> None:
        live.append(put_in_place(lake, live[-1:], f"{len(live):02x}"))

    with pytest.raises(StorageUnavailable, match="try again"):
        asked(lake, tmp_path, replace_always)
