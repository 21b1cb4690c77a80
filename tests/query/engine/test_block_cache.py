"""Copies of small blocks: when they are made, kept and dropped, and what is read where there is none."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.query.engine.block_cache import BlockCache, CachePolicy
from spanlake.store.blocks.block import Block
from spanlake.store.errors import ObjectNotFound, StorageUnavailable
from spanlake.store.objects.local import LocalObjects
from tests.server_process import patiently

BLOCK = Block("t", date(2026, 11, 26), "", 0, 0, 0, 1, 4, 0, b"")


class Distant(LocalObjects):
    """Objects of which it is noted which are read, after something happens."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []
        self.before: Callable[[str], None] = lambda _: None

    def get(self, path: str) -> bytes:
        self.before(path)
        self.read.append(path)
        return super().get(path)

    def open(self, path: str) -> pa.NativeFile:
        self.before(path)
        self.read.append(path)
        return super().open(path)


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distant:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return Distant(tmp_path / "objects")


def blocks(objects: Distant, *names: str) -> list[Block]:
    """Blocks whose content is their name four times, and not that of Parquet."""
    found = [replace(BLOCK, id=name, size=4 * len(name)) for name in names]
    for block in found:
        objects.put(block.path, 4 * block.id.encode())
    return found


def nothing() -> None:
    pass


def are_copies(of: BlockCache, asked: Sequence[Block], *, scanned: bool = False) -> list[bool]:
    """Checks the content of the file for each block; returns True for each file that is a copy."""
    files = [Path(file) for file in of.paths(asked, nothing, sequential=scanned)]
    assert [file.read_bytes() for file in files] == [4 * block.id.encode() for block in asked]
    return [file.parent == of.directory for file in files]


def test_a_block_is_read_once(objects: Distant) -> None:
    some, kept = blocks(objects, "a", "b", "c"), BlockCache(objects, 1.0)
    assert are_copies(kept, some[:2]) == [True, True]
    assert are_copies(kept, some) == [True, True, True]
    assert are_copies(kept, some[::-1]) == [True, True, True]
    assert sorted(objects.read) == sorted(block.path for block in some)
    assert kept.paths([], nothing) == []


def test_a_large_block_is_left_where_it_is(objects: Distant) -> None:
    assert are_copies(BlockCache(objects, 1.0, CachePolicy(small=8)), blocks(objects, "small"[:2], "large")) == [
        True,
        False,
    ]
    assert len(objects.read) == 1


@pytest.mark.parametrize("size", [8, 9, 10, 11])
def test_a_large_block_that_is_scanned_is_copied_in_parts(objects: Distant, size: int) -> None:
    kept, (small, large) = BlockCache(objects, 1.0, CachePolicy(12, size)), blocks(objects, "a", "large-it-is")
    assert are_copies(kept, [small, large]) == [True, False]
    assert are_copies(kept, [small, large], scanned=True) == [True, True]
    assert are_copies(kept, [small, large]) == [True, True]
    assert objects.read == [small.path] + [large.path] * -(-large.size // size)
    assert are_copies(kept, [replace(large, size=65 << 20)]) == [True], "it is the same block"


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_with_a_part_that_fails_there_is_no_copy(objects: Distant, failing: int) -> None:
    (block,) = blocks(objects, "abc")
    kept, turns = BlockCache(objects, 1.0, CachePolicy(small=1, part=4, all_copies=12)), iter(range(1, 100))

    def fail(_: str) -> None:
        if next(turns) == failing:
            raise StorageUnavailable("slow down")

    objects.before = fail
    assert are_copies(kept, [block], scanned=True) == [False]
    assert not list(kept.directory.glob("*.part*"))
    assert are_copies(kept, [block], scanned=True) == [True]
    assert are_copies(BlockCache(objects, 1.0, CachePolicy(1, 4)), [replace(block, size=11)], scanned=True) == [False]


def test_what_is_larger_still_is_not_copied(objects: Distant) -> None:
    assert are_copies(
        BlockCache(objects, 1.0, CachePolicy(small=1, largest=11)), blocks(objects, "a", "abc"), scanned=True
    ) == [True, False]


def test_many_are_read_at_once(objects: Distant) -> None:
    """Each waits until another is being read, too."""
    together = threading.Barrier(2)
    objects.before = lambda _: void(together.wait(10))
    assert are_copies(BlockCache(objects, 1.0), blocks(objects, *"abcdefgh")) == [True] * 8


def void(_: object) -> None:
    pass


def test_who_asks_meanwhile_waits_for_the_same(objects: Distant) -> None:
    some, kept = blocks(objects, "a"), BlockCache(objects, 1.0)
    go_on = threading.Event()
    objects.before = lambda _: void(go_on.wait(10))
    found: list[list[bool]] = []
    threads = [threading.Thread(target=lambda: found.append(are_copies(kept, some))) for _ in range(3)]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert found == [[True]] * 3
    assert len(objects.read) == 1


def test_what_was_asked_for_last_is_kept(objects: Distant) -> None:
    a, b, c = blocks(objects, "a", "b", "c")
    kept = BlockCache(objects, 0.0, CachePolicy(all_copies=8))
    for block in (a, b, a, c):
        assert are_copies(kept, [block]) == [True]
    assert len(list(kept.directory.glob("*.parquet"))) == 2
    assert are_copies(kept, [a, c]) == [True, True]
    assert objects.read == [a.path, b.path, c.path]


def test_what_a_query_may_be_reading_is_kept(objects: Distant) -> None:
    a, b, c = blocks(objects, "a", "b", "c")
    kept = BlockCache(objects, 60.0, CachePolicy(all_copies=8))
    assert are_copies(kept, [a, b, c]) == [True, True, False]
    assert are_copies(kept, [c, b, a]) == [False, True, True]
    assert sorted(objects.read) == [a.path, b.path]


@pytest.mark.parametrize("error", [ObjectNotFound("gone"), StorageUnavailable("slow down"), OSError("no space left")])
def test_what_cannot_be_copied_is_read_where_it_is(objects: Distant, error: Exception) -> None:
    def fail(path: str) -> None:
        if "/b." in path:
            raise error

    some, kept = blocks(objects, "a", "b"), BlockCache(objects, 1.0, CachePolicy(all_copies=8))
    objects.before = fail
    assert are_copies(kept, some) == [True, False]
    objects.before = lambda _: None
    assert are_copies(kept, some) == [True, True]  # there is room for it as before


def test_half_an_object_is_no_copy(objects: Distant) -> None:
    (block,) = blocks(objects, "a")
    assert are_copies(BlockCache(objects, 1.0), [replace(block, size=5)]) == [False]


def test_without_a_place_for_them_there_are_none(objects: Distant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    assert are_copies(BlockCache(objects, 1.0), blocks(objects, "a", "b")) == [False, False]


@pytest.mark.parametrize("all_of_them", [False, True])
def test_who_cleans_up_temporary_files_does_no_harm(objects: Distant, all_of_them: bool) -> None:
    some, kept = blocks(objects, "a", "b"), BlockCache(objects, 1.0)
    for file in kept.paths(some, nothing)[: 2 if all_of_them else 1]:
        Path(file).unlink()
    if all_of_them:
        (kept.directory / "lock").unlink()
        kept.directory.rmdir()
    assert are_copies(kept, some) == [True, True]
    assert len(objects.read) == (4 if all_of_them else 3)


@pytest.mark.parametrize("part", [4, 100], ids=["parts", "whole"])
def test_a_request_that_must_end_does_not_wait(objects: Distant, part: int) -> None:
    go_on = threading.Event()
    objects.before = lambda _: void(go_on.wait(10))
    some, kept = (
        blocks(objects, *(f"{number:02}" for number in range(40))),
        BlockCache(objects, 60.0, CachePolicy(part, part, all_copies=40 * 8)),
    )

    def end() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        kept.paths(some, end, sequential=True)
    go_on.set()
    for _ in patiently():
        if all(are_copies(kept, some, scanned=True)):
            break
    assert are_copies(kept, some) == [True] * 40


# the directory

PROGRAM = """
import sys, time
from pathlib import Path
from tests.query.engine.test_block_cache import BLOCK, BlockCache, Distant, blocks, nothing
import tempfile
tempfile.tempdir = sys.argv[1]
objects = Distant(Path(sys.argv[2]))
kept = BlockCache(objects, 1.0)
print(kept.paths(blocks(objects, "a"), nothing)[0], flush=True)
input()
"""


def process(objects: Distant, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROGRAM, str(folder), objects.uri("x")[:-2]]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_they_go_with_their_process(objects: Distant, tmp_path: Path) -> None:
    with process(objects, tmp_path / "tmp") as ended, process(objects, tmp_path / "tmp") as killed:
        files = [Path(one.stdout.readline().strip()) for one in (ended, killed) if one.stdout]
        assert all(file.exists() for file in files)
        assert all(file.parent.stat().st_mode & 0o777 == 0o700 for file in files)
        ended.communicate("\n")
        assert not files[0].parent.exists()
        here = BlockCache(objects, 1.0)
        assert are_copies(here, blocks(objects, "a")) == [True]
        assert files[1].exists(), "its process lives"
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        for _ in patiently():
            another = BlockCache(objects, 1.0)
            assert are_copies(another, blocks(objects, "a")) == [True]
            if not files[1].parent.exists():
                break
        assert not files[1].parent.exists()
        assert here.directory.exists()
    directory = here.directory
    del here
    for _ in patiently():
        if not directory.exists():
            break
    assert not directory.exists()
