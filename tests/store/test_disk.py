"""Disk space held back for the index."""

import os
from pathlib import Path

import pytest

from spanlake.store.disk import Reserve
from tests.patches import patch_here

SIZE = 1 << 20


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    return Reserve(tmp_path / "reserve", SIZE)


def test_fill_takes_the_space(reserve: Reserve, tmp_path: Path) -> None:
    reserve.fill()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= SIZE
    reserve.fill()
    assert (tmp_path / "reserve").stat().st_size == SIZE


def test_release_gives_the_space_back_once(reserve: Reserve, tmp_path: Path) -> None:
    assert not reserve.release()
    reserve.fill()
    assert reserve.release()
    assert not (tmp_path / "reserve").exists()
    assert not reserve.release()


def test_fill_takes_what_is_left_of_a_full_disk(
    reserve: Reserve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = os.statvfs_result((4096, 4096, 100, 30, 30, 0, 0, 0, 0, 255))
    patch_here(monkeypatch, os, "statvfs", lambda _: free)
    reserve.fill()
    assert (tmp_path / "reserve").stat().st_size == 30 * 4096


def test_fill_fails_in_silence(tmp_path: Path) -> None:
    Reserve(tmp_path / "no such directory" / "reserve").fill()


def test_reserve_is_whole_when_all_of_it_is_held(reserve: Reserve, tmp_path: Path) -> None:
    assert not reserve.is_whole()
    (tmp_path / "reserve").write_bytes(bytes(SIZE - 1))
    assert not reserve.is_whole()
    reserve.fill()
    assert reserve.is_whole()
