"""Tests objects in a directory beyond the suite: they survive crashes and full disks."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanlake.store.errors import StorageUnavailable
from spanlake.store.objects.local import LocalObjects, linked_directories
from tests.patches import patch_here

PATH = "spans/tenant=a/date=2026-11-22/0123.parquet"

# Puts an object once, then again while counting what it asks of the system, to be killed at the given count.
KILLED_AT = """
import os, pathlib, signal, sys
from spanlake.store.objects.local import LocalObjects, linked_directories

objects = LocalObjects(pathlib.Path(sys.argv[1]))
objects.put("old/object", b"old" * 1000)
left = int(sys.argv[2])

def counted(call):
    def counting(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return counting

for name in ("open", "write", "fsync", "close", "rename", "mkdir", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
objects.put("old/object", b"new" * 1000)
objects.put("new/object", b"new" * 1000)
"""


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def run_killed_at(root: Path, step: int) -> bool:
    done = subprocess.run([sys.executable, "-c", KILLED_AT, str(root), str(step)], check=False)
    assert done.returncode in {0, -signal.SIGKILL}
    return done.returncode != 0


def test_killed_at_any_step_of_a_put_every_object_is_whole(tmp_path: Path) -> None:
    step, old, new = 0, b"old" * 1000, b"new" * 1000
    while run_killed_at(tmp_path / str(step), step):
        objects = LocalObjects(tmp_path / str(step))
        found = {info.path: objects.get(info.path) for info in objects.list()}
        assert found in ({"old/object": old}, {"old/object": new}, {"old/object": new, "new/object": new})
        assert files(tmp_path / str(step)) == sorted(found), "what the crash left is swept away"
        step += 1
    assert step > 10


class Journal:
    """Notes what is made durable and what is renamed, by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.entries: list[tuple[str, str]] = []
        self._root = root
        fsync, rename = os.fsync, Path.rename

        def noting_fsync(descriptor: int) -> None:
            self._note("sync", Path(f"/proc/self/fd/{descriptor}").readlink())
            fsync(descriptor)

        def noting_rename(path: Path, target: Path) -> Path:
            self._note("rename", target)
            return rename(path, target)

        patch_here(monkeypatch, os, "fsync", noting_fsync)
        patch_here(monkeypatch, Path, "rename", noting_rename)

    def _note(self, what: str, path: Path) -> None:
        name = str(path.relative_to(self._root))
        self.entries.append((what, "a temporary file" if name.startswith(".tmp/") else name))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="reads /proc")
def test_content_is_durable_before_it_has_a_name_and_the_name_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = LocalObjects(tmp_path)
    journal = Journal(monkeypatch, tmp_path)
    objects.put("a/b/first", b"x")
    objects.put("a/b/second", b"x")
    new_directories = [("sync", "a"), ("sync", ".")]
    assert journal.entries == [
        ("sync", "a temporary file"),
        *new_directories,
        ("rename", "a/b/first"),
        ("sync", "a/b"),
        ("sync", "a temporary file"),
        ("rename", "a/b/second"),
        ("sync", "a/b"),
    ]


def test_leftovers_of_a_crash_are_not_listed_and_go_when_the_directory_is_opened_again(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    (tmp_path / ".tmp" / "left").write_bytes(b"half an obj")
    (tmp_path / "lost+found").mkdir()
    objects.put("whole", b"x")
    assert [info.path for info in objects.list()] == ["whole"]
    LocalObjects(tmp_path)
    assert files(tmp_path) == ["whole"]


def test_opening_the_directory_leaves_alone_what_another_process_is_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = LocalObjects(tmp_path)
    write = os.write

    def opening_write(descriptor: int, data: memoryview) -> int:
        LocalObjects(tmp_path)
        return write(descriptor, data)

    patch_here(monkeypatch, os, "write", opening_write)
    objects.put(PATH, b"x")
    assert objects.get(PATH) == b"x"


def test_what_another_process_sweeps_away_before_it_is_locked_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = LocalObjects(tmp_path)
    lock = fcntl.flock
    swept: list[int] = []

    def late(descriptor: int, operation: int) -> None:
        if not swept and operation == fcntl.LOCK_EX:
            swept.append(descriptor)
            LocalObjects(tmp_path)
        lock(descriptor, operation)

    patch_here(monkeypatch, fcntl, "flock", late)
    objects.put(PATH, b"x")
    assert swept
    assert objects.get(PATH) == b"x"


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EMFILE])
def test_a_failing_disk_is_reported_as_retryable_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    objects = LocalObjects(tmp_path)
    with monkeypatch.context() as failing:

        def fail(*arguments: object, **options: object) -> int:
            raise OSError(code, os.strerror(code))

        patch_here(failing, os, call, fail)
        with pytest.raises(StorageUnavailable, match=os.strerror(code)):
            objects.put(PATH, b"x")
    assert files(tmp_path) == []
    objects.put(PATH, b"x")
    assert objects.get(PATH) == b"x"


def test_a_write_cut_short_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    patch_here(monkeypatch, os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    objects = LocalObjects(tmp_path)
    objects.put(PATH, bytes(range(100)))
    assert objects.get(PATH) == bytes(range(100))


def test_a_directory_removed_behind_our_back_is_made_again(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    objects.put("a/b/c", b"x")
    objects.delete("a/b/c")
    (tmp_path / "a" / "b").rmdir()
    objects.put("a/b/c", b"y")
    assert objects.get("a/b/c") == b"y"


def test_a_place_that_cannot_be_a_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="cannot use the directory"):
        LocalObjects(tmp_path / "file")


@pytest.mark.parametrize("root", ["plain", "with space", "odd*[1]?", "k=v"])
def test_duckdb_reads_what_the_uri_names(tmp_path: Path, root: str) -> None:
    objects = LocalObjects(tmp_path / root)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": [1, 2, 3]}), sink)
    objects.put("spans/tenant=a%2A/x.parquet", sink.getvalue())
    uris: Sequence[str] = [objects.uri("spans/tenant=a%2A/x.parquet")]
    assert duckdb.execute("SELECT sum(n) FROM read_parquet(?)", [uris]).fetchall() == [(6,)]


@pytest.mark.parametrize("link", ["", "spans", "spans/tenant=a"])
def test_objects_may_lie_behind_links(tmp_path: Path, link: str) -> None:
    """The way to a larger disk."""
    root, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = root / link if link else root
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(elsewhere)
    objects = LocalObjects(root)
    path = "spans/tenant=a/date=2026-11-22/0a.parquet"
    objects.put(path, b"content")
    assert objects.get(path) == b"content"
    assert [info.path for info in objects.list("spans/")] == [path]
    assert any(file.name == "0a.parquet" for file in elsewhere.rglob("*"))
    if link:
        assert linked_directories(root) == [elsewhere.resolve()]
        assert (elsewhere / ".tmp").is_dir(), "files are renamed on one disk"


def test_a_link_that_leads_nowhere_is_reported(tmp_path: Path) -> None:
    (tmp_path / "spans").symlink_to(tmp_path / "unmounted")
    with pytest.raises(StorageUnavailable, match="spans is a link that leads nowhere"):
        LocalObjects(tmp_path)


@pytest.mark.parametrize(("blocks", "is_stored"), [(0, True), (1, False)])
def test_last_bytes_of_a_disk_stay_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, is_stored: bool
) -> None:
    """A disk of no size is one that does not tell it."""
    full = SimpleNamespace(f_blocks=blocks, f_bavail=7, f_frsize=4096)
    patch_here(monkeypatch, os, "fstatvfs", lambda _: full)
    objects = LocalObjects(tmp_path)
    with nullcontext() if is_stored else pytest.raises(StorageUnavailable, match="No space left"):
        objects.put("spans/x", b"x")
    assert [info.path for info in objects.list()] == (["spans/x"] if is_stored else [])
    assert not list((tmp_path / ".tmp").iterdir())
